"""Tasks in several processes: their share of the processors, their deaths, and what is left when they end."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time

import pytest

from LungCancerDxLib.cohorts import engine
from LungCancerDxLib.cohorts.engine import on_workers
from LungCancerDxLib.errors import Cancelled, UsageError
from LungCancerDxLib.runtime.progress import available_processors
from Testing.cohorts.stand_ins import die_at, note_share, small_volume, wait_long
from Testing.helpers import environment

pytestmark = pytest.mark.slow

POSIX_ONLY = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
STOPS_S = 2.5  # a second is promised; a busy machine may take longer
WORKS = """
import sys
from LungCancerDxLib.cohorts.engine import on_workers
from Testing.cohorts.stand_ins import wait_long
if __name__ == "__main__":
    list(on_workers(wait_long, [sys.argv[1] + "/1", sys.argv[1] + "/2"], workers=2))
"""


def test_processes_share_the_processors_and_leave_nothing_behind(tmp_path, monkeypatch):
    own = tmp_path / "temporary"
    own.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(own))  # other tests have theirs in the common one
    before, children = dict(os.environ), multiprocessing.active_children()
    tasks = [tmp_path / str(number) for number in range(6)]
    assert sorted(on_workers(note_share, tasks, workers=2)) == [(task, True) for task in tasks]
    shares = {tuple(task.read_text().split()) for task in tasks}
    threads = max(available_processors() // 2, 1)
    assert len(shares) == 2
    assert {said for said, *_ in shares} == {f"OMP_NUM_THREADS={threads}"}
    if hasattr(os, "sched_getaffinity"):
        first, second = ({*processors} for _, *processors in shares)
        assert len(first) == len(second) == threads
        assert available_processors() == 1 or not first & second
    assert dict(os.environ) == before
    assert multiprocessing.active_children() == children
    assert list(own.glob("lungcancerdx-*")) == []


@POSIX_ONLY
def test_a_task_that_kills_its_process_is_tried_again_alone_and_costs_no_other(tmp_path):
    tasks = [tmp_path / name for name in ("a", "deadly", "b", "c", "once", "d")]
    ended = dict(on_workers(die_at, tasks, workers=2))
    assert ended == {task: task.name != "deadly" for task in tasks}
    for name in ("deadly", "once"):
        in_work = (tmp_path / name).read_text()  # a digit a try
        assert len(in_work) == 2
        assert in_work[-1] == "1"


@POSIX_ONLY
def test_processes_end_with_their_parent_however_it_ends(tmp_path):
    command = [sys.executable, "-c", WORKS, str(tmp_path)]
    (tmp_path / "temporary").mkdir()
    variables = environment(TMPDIR=str(tmp_path / "temporary"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=variables) as process:
        until = time.monotonic() + 60
        while len(list(tmp_path.glob("[12]"))) < 2 and time.monotonic() < until:
            time.sleep(0.02)
        process.kill()
        start = time.monotonic()
        process.stdout.read()  # ends when every process has
    assert time.monotonic() - start < STOPS_S
    assert sorted(path.name for path in tmp_path.glob("**/*")) == ["1", "2", "temporary"]


def test_processes_are_killed_where_they_are_asked_to_stop(tmp_path):
    asked_at = []

    def asked_to_stop():
        if (tmp_path / "begun").exists():
            asked_at.append(time.monotonic())
        return bool(asked_at)

    with pytest.raises(Cancelled):
        list(on_workers(wait_long, [tmp_path / "begun"], asked_to_stop=asked_to_stop))
    assert time.monotonic() - asked_at[0] < STOPS_S
    assert multiprocessing.active_children() == []


def test_without_tasks_no_process_is_started(monkeypatch):
    monkeypatch.setattr(engine, "_local_workers", lambda workers: pytest.fail("started"))
    assert list(on_workers(small_volume, [])) == []


def test_what_to_install_is_said_where_dask_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask", None)
    for options in ({"workers": 2}, {"scheduler": "tcp://127.0.0.1:9"}):
        with pytest.raises(UsageError, match=r"pip install 'lungcancerdx\[cohort\]'"):
            list(on_workers(small_volume, [1], **options))


def test_a_scheduler_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(engine, "_CONNECT_S", 0.5)
    with pytest.raises(UsageError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        list(on_workers(small_volume, [1], scheduler="tcp://127.0.0.1:9"))
