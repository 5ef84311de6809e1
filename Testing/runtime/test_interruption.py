"""Work stops within about a second of a signal and leaves nothing unfinished."""

import os
import signal
import subprocess
import sys
import time

import pytest

from LungCancerDxLib.errors import Cancelled
from LungCancerDxLib.io.image_file import write_volume
from LungCancerDxLib.runtime.interruption import Stop, run_until_stopped
from Testing.helpers import COMMAND, chest, environment

pytestmark = pytest.mark.slow

ALLOWED_S = 2.5  # a second is promised; a busy machine may take longer
CANNOT_STOP = """
import sys, time
from pathlib import Path
from LungCancerDxLib.runtime.interruption import run_until_stopped
from LungCancerDxLib.runtime.atomic import atomic_folder

def work(stop):
    stop.message = sys.argv[2] if len(sys.argv) > 2 else stop.message
    with atomic_folder(Path(sys.argv[1])) as folder:
        print("begun", flush=True)
        for n in range(10**9):  # never looks at `stop`
            (folder / str(n % 50)).write_text("half")

run_until_stopped(work)
"""


def test_the_result_of_the_work_is_handed_on():
    assert run_until_stopped(lambda stop: 42) == 42


@pytest.mark.parametrize("error", [ValueError("wrong"), Cancelled("enough"), SystemExit(3)])
def test_what_the_work_raises_is_raised(error):
    def work(stop):
        raise error

    with pytest.raises(type(error)) as caught:
        run_until_stopped(work)
    assert caught.value is error


def test_watched_progress_reports_until_the_stop_and_then_cancels():
    reports, stop = [], Stop()
    progress = stop.watched(lambda *report: reports.append(report))
    progress("reading", 0.5)
    stop.ask()
    with pytest.raises(Cancelled, match="nothing was written"):
        progress("detecting", 0.6)
    assert reports == [("reading", 0.5)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_work_at_its_next_report_and_handlers_come_back(number):
    before = signal.getsignal(number)

    def work(stop):
        progress = stop.watched(lambda stage, fraction: None)
        signal.raise_signal(number)
        while True:
            progress("working", 0.5)
            time.sleep(0.001)

    with pytest.raises(Cancelled):
        run_until_stopped(work)
    assert signal.getsignal(number) is before


def test_handlers_come_back_after_a_failure():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError):
        run_until_stopped(lambda stop: 1 / 0)
    assert signal.getsignal(signal.SIGINT) is before


def stop_after(process, sign, number):
    """Send a signal once a line with `sign` is out; returns the seconds until the end and the words on stderr."""
    for line in process.stdout:
        if sign in line:
            break
    else:
        pytest.fail(f"'{sign}' never came; stderr: {process.stderr.read()}")
    start = time.monotonic()
    process.send_signal(number)
    _, error = process.communicate(timeout=30)
    return time.monotonic() - start, error


def start(*command, cwd):
    return subprocess.Popen(
        [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd, env=environment()
    )


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_work_that_does_not_listen_is_ended_and_its_folder_removed(tmp_path, number):
    process = start(sys.executable, "-c", CANNOT_STOP, tmp_path / "result", cwd=tmp_path)
    seconds, error = stop_after(process, "begun", number)
    assert process.returncode == 130
    assert seconds < ALLOWED_S
    assert "Stopped; nothing was written" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_command_may_have_other_last_words(tmp_path):
    process = start(sys.executable, "-c", CANNOT_STOP, tmp_path / "result", "It goes on from here.", cwd=tmp_path)
    _, error = stop_after(process, "begun", signal.SIGTERM)
    assert error.strip() == "It goes on from here."


@pytest.fixture(scope="module")
def ct(tmp_path_factory):
    path = tmp_path_factory.mktemp("ct") / "ct.nrrd"
    write_volume(chest().volume, path)
    return path


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_score_ends_within_a_second_of_a_signal_during_detection_and_leaves_nothing(tmp_path, ct, number):
    command = [*COMMAND, "score", ct, "--out", tmp_path / "result", "--cache", tmp_path / "cache", "--progress", "json"]
    process = start(*command, cwd=tmp_path)
    seconds, error = stop_after(process, "detecting nodules", number)
    assert process.returncode == 130
    assert seconds < ALLOWED_S
    assert "nothing was written" in error
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    assert [path.suffixes for path in (tmp_path / "cache").iterdir()] == [[".scan", ".npz"]]


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_demo_ends_within_a_second_of_a_signal_and_leaves_nothing(tmp_path):
    process = start(*COMMAND, "demo", "--out", "result", cwd=tmp_path)
    while not list(tmp_path.iterdir()):  # the unfinished folder is there while the patient is made
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert time.monotonic() - begun < ALLOWED_S
    assert process.returncode == 130
    assert "nothing was written" in error
    assert list(tmp_path.iterdir()) == []
