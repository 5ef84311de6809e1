"""Runs that are killed, and the workers of a cluster that are."""

import os
import signal
import subprocess
import sys
import time

import pytest

from LungCancerDxLib.cohorts.run import run_cohort
from LungCancerDxLib.datasets.folder import list_scans
from Testing.cohorts.runs import done, rows, run_here, tables, write_scans
from Testing.cohorts.stand_ins import SETTINGS, killed_once_work
from Testing.helpers import environment

pytestmark = pytest.mark.slow

NAMES = [f"scan{n}" for n in range(1, 13)]
UNDER_WAY = """
import sys
from pathlib import Path
from LungCancerDxLib.cohorts.run import run_cohort
from LungCancerDxLib.datasets.folder import list_scans
from LungCancerDxLib.errors import Cancelled
from LungCancerDxLib.runtime.interruption import run_until_stopped
from Testing.cohorts.stand_ins import SETTINGS, slow_work

def work(stop):
    stop.grace_s = 5.0
    entries, options = list_scans(Path(sys.argv[1])), {"workers": int(sys.argv[3]), "asked_to_stop": lambda: stop.asked}
    run_cohort(entries, Path(sys.argv[2]), SETTINGS, slow_work, **options)

try:
    run_until_stopped(work)
except Cancelled as error:
    sys.exit(str(error))
"""
"""A run of slow work on the folder argv[1] into argv[2] with argv[3] workers, for a process of its own."""

POSIX_ONLY = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
PATIENCE_S = 120
STOPS_S = 2.5  # a second is promised; a busy machine may take longer


@pytest.fixture
def scans(tmp_path):
    folder = write_scans(tmp_path / "scans", NAMES)
    (folder / "broken.nrrd").write_text("no image\n")
    return folder


def ended_run(scans, out, workers, at_least, end):
    """Start a run and end it once so many cases are done; returns what it said when all its processes have ended."""
    command = [sys.executable, "-c", UNDER_WAY, str(scans), str(out), str(workers)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(), start_new_session=True
    ) as process:
        until = time.monotonic() + PATIENCE_S
        while done(out) < at_least and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        end(process.pid)
        return process.stdout.read()


@POSIX_ONLY
def test_a_run_killed_twice_ends_with_the_tables_of_an_undisturbed_one(scans, tmp_path):
    out = tmp_path / "killed"
    ended_run(scans, out, 2, 2, lambda pid: os.killpg(pid, signal.SIGKILL))
    first = done(out)
    assert 2 <= first < len(NAMES)
    ended_run(scans, out, 1, first + 2, lambda pid: os.kill(pid, signal.SIGKILL))
    assert first + 2 <= done(out) < len(NAMES)
    (out / "cases" / ".scan99.12345678").mkdir()
    assert run_here(scans, out) == {"done": len(NAMES), "failed": 1}
    run_here(scans, tmp_path / "undisturbed")
    assert tables(out) == tables(tmp_path / "undisturbed")
    assert sorted(path.name for path in (out / "cases").iterdir()) == sorted([*NAMES, "broken"])


@POSIX_ONLY
def test_ctrl_c_stops_at_once_with_one_sentence_and_the_tables_up_to_date(scans, tmp_path):
    start = []

    def press_ctrl_c(pid):
        start.append(time.monotonic())
        os.killpg(pid, signal.SIGINT)  # as a terminal does, for every process of the command

    said = ended_run(scans, tmp_path / "out", 2, 2, press_ctrl_c)
    assert time.monotonic() - start[0] < STOPS_S
    finished = done(tmp_path / "out")
    assert said == f"Stopped; {finished} of 13 scans are done. The same command goes on from here.\n"
    assert [row["status"] for row in rows(tmp_path / "out")].count("done") == finished
    assert list((tmp_path / "out" / "cases").glob(".*")) == []


@POSIX_ONLY
def test_on_a_cluster_the_scans_of_a_killed_worker_go_to_another(scans, tmp_path):
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster:
        address = cluster.scheduler_address
        run_cohort(list_scans(scans), tmp_path / "cluster", SETTINGS, killed_once_work, scheduler=address)
    assert (tmp_path / "killed").exists()
    run_here(scans, tmp_path / "here")
    assert tables(tmp_path / "cluster") == tables(tmp_path / "here")
    assert [row["status"] for row in rows(tmp_path / "cluster")] == ["failed"] + ["done"] * len(NAMES)
