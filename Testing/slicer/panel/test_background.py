"""A background run ends in one clear outcome, whatever the process does, and leaves no process behind."""

import os
import signal
import time

import pytest

from Testing.slicer.panel.processes import dies

pytestmark = pytest.mark.slow

POSIX_ONLY = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
JOB = """
import json, os, subprocess, sys, time

def say(**content):
    print(json.dumps(content), flush=True)

def report(stage, fraction):
    say(stage=stage, fraction=fraction, seconds_left=None)

if hasattr(os, "setpgid"):
    os.setpgid(0, 0)
    say(process_group=os.getpgid(0))
"""
CHILD = """
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
report(f"pid {child.pid}", 0.5)
"""
DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
"""
HANG = "time.sleep(600)\n"


@pytest.fixture
def missing_python(app, monkeypatch):
    from LungCancerDxLib.slicer.panel import background

    monkeypatch.setattr(background, "python_executable", lambda: "/nowhere/PythonSlicer")


def test_a_run_that_ends_well_tells_its_reports_and_is_done(start):
    run = start(JOB + "report('reading', 0.25); report('done', 1)")
    assert run.run.running
    outcome = run.until_end()
    assert (outcome.kind, outcome.message) == ("done", "")
    assert [(report.stage, report.fraction) for report in run.reports] == [("reading", 0.25), ("done", 1.0)]


def test_a_last_report_without_a_line_feed_is_told(start):
    run = start("""print('{"stage": "done", "fraction": 1, "seconds_left": 0}', end="")""")
    run.until_end()
    assert [report.stage for report in run.reports] == ["done"]


def test_a_run_that_tells_its_error_fails_with_those_words(start):
    outcome = start(JOB + "say(error='No lungs were found.', exit_code=3); sys.exit(3)").until_end()
    assert (outcome.kind, outcome.message) == ("failed", "No lungs were found.")


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 130, 255])
def test_without_a_told_error_the_exit_code_and_the_last_words_are_told(start, code):
    code_of_script = (
        f"import sys; print('first', file=sys.stderr); print('torch is missing', file=sys.stderr); sys.exit({code})"
    )
    outcome = start(code_of_script).until_end()
    assert outcome.kind == "failed"
    assert outcome.message == f"The computation ended with exit code {code}. torch is missing"
    assert outcome.details == "first\ntorch is missing"


def test_a_run_that_dies_at_once_without_a_word_fails(start):
    assert start("import os; os._exit(9)").until_end().message == "The computation ended with exit code 9."


@POSIX_ONLY
@pytest.mark.parametrize(("number", "words"), [(signal.SIGSEGV, "crashed"), (signal.SIGKILL, "out of memory")])
def test_a_crash_is_told_as_one(start, number, words):
    outcome = start(f"import os; os.kill(os.getpid(), {int(number)})").until_end()
    assert outcome.kind == "failed"
    assert words in outcome.message


@pytest.mark.usefixtures("missing_python")
def test_a_python_that_is_not_there_is_named(start):
    outcome = start("pass").until_end()
    assert outcome.kind == "failed"
    assert "/nowhere/PythonSlicer" in outcome.message


def test_rubbish_on_standard_output_stands_in_for_words_where_there_are_none(start):
    outcome = start("import sys; print('{rubbish'); print('cannot load libX'); sys.exit(1)").until_end()
    assert outcome.message == "The computation ended with exit code 1. cannot load libX"


def test_rubbish_between_the_reports_does_no_harm(start):
    run = start(JOB + "print('x' * 200000); report('reading', 0.25); print(chr(0)); os.write(1, bytes([255, 10]))")
    assert run.until_end().kind == "done"
    assert [report.stage for report in run.reports] == ["reading"]


def test_megabytes_on_both_channels_neither_block_the_run_nor_are_kept(start):
    run = start(
        "import os\nfor n in range(200): os.write(2, b'e' * 49999 + b'\\n'); os.write(1, b'o' * 50000)\nos._exit(7)"
    )
    outcome = run.until_end()
    assert outcome.message.startswith("The computation ended with exit code 7.")
    assert len(outcome.details) < 20_000


def test_the_end_is_told_even_where_a_child_keeps_the_channels_open(start):
    run = start(JOB + CHILD)
    outcome = run.until_end()
    assert outcome.kind == "done"


@POSIX_ONLY
def test_what_a_run_leaves_behind_is_ended_with_it(start):
    run = start(JOB + CHILD)
    run.until_end()
    assert dies(int(run.reports[0].stage.split()[1]))


@POSIX_ONLY
@pytest.mark.parametrize("deaf", ["", DEAF], ids=["obedient", "deaf to SIGTERM"])
def test_cancel_ends_the_run_and_its_children_within_a_second(start, deaf):
    run = start(JOB + deaf + CHILD + HANG)
    child = int(run.until_report().stage.split()[1])
    begun = time.monotonic()
    run.run.cancel()
    run.run.cancel()
    outcome = run.until_end()
    assert time.monotonic() - begun < 5  # a second is promised; a busy machine may take longer
    assert (outcome.kind, outcome.message) == ("cancelled", "")
    assert dies(child)


@POSIX_ONLY
@pytest.mark.parametrize("deaf", ["", DEAF], ids=["obedient", "deaf to SIGTERM"])
def test_cancel_reaches_a_run_that_was_started_by_way_of_a_launcher(start, deaf):
    launcher = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', sys.argv[1]]))"
    run = start(launcher, JOB + deaf + "report(f'pid {os.getpid()}', 0.5)\n" + HANG)
    job = int(run.until_report().stage.split()[1])
    run.run.cancel()
    assert run.until_end().kind == "cancelled"
    assert dies(job)


@POSIX_ONLY
def test_cancel_leaves_a_run_the_time_to_clean_up(start, tmp_path):
    file = tmp_path / "half-written"
    clean_up = (
        f"import atexit, signal; atexit.register(os.remove, {str(file)!r}); signal.signal(15, lambda *_: sys.exit(1))"
    )
    run = start(JOB + clean_up + f"\nopen({str(file)!r}, 'w'); report('writing', 0.5)\n" + HANG)
    run.until_report()
    run.run.cancel()
    assert run.until_end().kind == "cancelled"
    assert not file.exists()


def test_a_run_whose_input_ends_has_been_asked_to_end(start):
    run = start(JOB + DEAF + "report('waiting', 0.5); sys.stdin.read(); print('asked', file=sys.stderr)")
    run.until_report()
    run.run.cancel()
    outcome = run.until_end()
    assert (outcome.kind, outcome.details) == ("cancelled", "asked")


def test_a_run_that_hangs_after_closing_its_output_can_be_cancelled(start):
    run = start(JOB + "report('closing', 0.5); sys.stdout.flush(); os.close(1); os.close(2)\n" + HANG)
    run.until_report()
    time.sleep(0.1)
    assert run.run.running
    run.run.cancel()
    assert run.until_end().kind == "cancelled"


def test_cancel_right_after_the_start_ends_the_run(start):
    run = start("import time; time.sleep(600)")
    run.run.cancel()
    assert run.until_end().kind == "cancelled"


def test_after_cancel_nothing_is_reported_and_after_the_end_cancel_does_nothing(start):
    run = start(JOB + DEAF + "report('begun', 0)\nwhile True: report('working', 0.5); time.sleep(0.01)")
    run.until_report()
    heard = len(run.reports)
    run.run.cancel()
    run.until_end()
    assert len(run.reports) == heard
    run.run.cancel()
    run.run.close()
    assert len(run.outcomes) == 1


@POSIX_ONLY
def test_close_ends_the_run_before_it_returns_and_tells_nothing(start, app):
    run = start(JOB + DEAF + CHILD + HANG)
    child = int(run.until_report().stage.split()[1])
    run.run.close()
    assert not run.run.running
    assert dies(child)
    app.process_events()
    assert run.outcomes == []


@POSIX_ONLY
def test_a_run_that_is_dropped_is_ended(start):
    run = start(JOB + CHILD + HANG)
    child = int(run.until_report().stage.split()[1])
    run.run = None
    assert dies(child)


def test_who_hears_of_the_end_may_drop_the_run(start):
    run = start("pass")

    def drop(outcome):
        run.outcomes.append(outcome)
        run.run = None

    run.run._on_end = drop
    run.app.wait_until(lambda: run.outcomes)
    run.app.process_events()
    run.run = start("pass").run
    assert [outcome.kind for outcome in run.outcomes] == ["done"]
