"""Runs that are killed, and the workers of a cluster that are."""

import os
import signal
import subprocess
import sys
import time

import pytest

from LungCancerDxLib.cohorts.run import run_cohort
from LungCancerDxLib.datasets.folder import list_scans
from LungCancerDxLib.errors import UsageError
from Testing.cohorts.runs import UNDER_WAY, done, rows, run_here, tables, write_scans
from Testing.cohorts.stand_ins import SETTINGS, killed_once_work, quick_work
from Testing.helpers import ROOT

NAMES = [f"scan{n}" for n in range(1, 13)]
POSIX_ONLY = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
PATIENCE_S = 120


@pytest.fixture
def scans(tmp_path):
    folder = write_scans(tmp_path / "scans", NAMES)
    (folder / "broken.nrrd").write_text("no image\n")
    return folder


def killed_run(scans, out, program, workers, at_least, kill):
    """Start a run and kill it once so many cases are done; returns how many there are when all its processes ended."""
    command = [sys.executable, str(program), str(scans), str(out), str(workers)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, start_new_session=True) as process:
        until = time.monotonic() + PATIENCE_S
        while done(out) < at_least and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        kill(process.pid)
        process.stdout.read()  # ends when every process of the run has
    return done(out)


@POSIX_ONLY
def test_a_run_killed_twice_ends_with_the_tables_of_an_undisturbed_one(scans, tmp_path):
    program = tmp_path / "run.py"
    program.write_text(UNDER_WAY)
    out = tmp_path / "killed"
    first = killed_run(scans, out, program, 2, 2, lambda pid: os.killpg(pid, signal.SIGKILL))
    assert 2 <= first < len(NAMES)
    second = killed_run(scans, out, program, 1, first + 2, lambda pid: os.kill(pid, signal.SIGKILL))
    assert first + 2 <= second < len(NAMES)
    (out / "cases" / ".scan99.12345678").mkdir()
    assert run_here(scans, out) == {"done": len(NAMES), "failed": 1}
    run_here(scans, tmp_path / "undisturbed")
    assert tables(out) == tables(tmp_path / "undisturbed")
    assert sorted(path.name for path in (out / "cases").iterdir()) == sorted([*NAMES, "broken"])


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


def test_a_scheduler_that_is_not_there_is_named(scans, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("LungCancerDxLib.cohorts.engine._CONNECT_S", 0.5)
    with pytest.raises(UsageError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        run_cohort(list_scans(scans), tmp_path / "out", SETTINGS, quick_work, scheduler="tcp://127.0.0.1:9")
