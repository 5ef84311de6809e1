"""`--background`: a process group of its own, and an end when the caller is gone."""

import json
import os
import subprocess
import sys
import time

import pytest

from LungCancerDxLib.cli import main
from Testing.cli.files import names
from Testing.helpers import TINY_PROGRAM, environment

pytestmark = pytest.mark.slow

ALLOWED_S = 2.5  # a second is promised; a busy machine may take longer
POSIX_ONLY = pytest.mark.skipif(os.name == "nt", reason="POSIX process groups")
CALLER = """
import subprocess, sys, time
process = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)
time.sleep(600)
"""


def job(*command, program=(sys.executable, "-c", TINY_PROGRAM), **options):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    arguments = [*program, *map(str, command), "--background", "--progress", "json"]
    return subprocess.Popen(arguments, text=True, env=environment(), **{**pipes, **options})


def until_report(process, stage):
    """The lines up to the first report of a stage."""
    lines = []
    for line in process.stdout:
        lines.append(json.loads(line))
        if lines[-1].get("stage") == stage:
            return lines
    pytest.fail(f"'{stage}' never came; stderr: {process.stderr.read()}")


def test_the_end_of_its_input_and_no_input_stops_a_job_within_a_second_and_nothing_is_left(tmp_path, ct):
    process = job("score", ct, "--out", tmp_path / "out", "--no-scene")
    process.stdin.write("hello\n" * 5000)
    process.stdin.flush()
    until_report(process, "detecting nodules")
    begun = time.monotonic()
    process.stdin.close()
    rest, error = process.stdout.read(), process.stderr.read()
    assert process.wait(timeout=30) == 130
    assert time.monotonic() - begun < ALLOWED_S
    assert json.loads(rest.splitlines()[-1]) == {"error": "Stopped; nothing was written.", "exit_code": 130}
    assert "Stopped; nothing was written." in error
    assert names(tmp_path) == []


@POSIX_ONLY
def test_a_job_stops_where_its_caller_is_killed(tmp_path, ct):
    caller = job(
        *("score", ct, "--out", tmp_path / "out", "--no-scene"),
        program=(sys.executable, "-c", CALLER, sys.executable, "-c", TINY_PROGRAM),
        stdin=subprocess.DEVNULL,
    )
    group = until_report(caller, "reading the CT")[0]["process_group"]
    assert os.getpgid(group) == group
    caller.kill()
    caller.wait()
    begun = time.monotonic()
    caller.stdout.read()  # ends when the job has ended
    assert time.monotonic() - begun < ALLOWED_S
    assert names(tmp_path) == []


@POSIX_ONLY
@pytest.mark.parametrize("options", [["--background"], []])
def test_only_a_background_job_has_a_process_group_of_its_own(options):
    arguments = ["models", "import", "x", "y", *options]
    code = f"import os; from LungCancerDxLib.cli import main; main({arguments}); print(os.getpgid(0) == os.getpid())"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], text=True, env=environment(), **pipes) as process:
        assert process.stdout.read().strip() == str(options != [])


@POSIX_ONLY
def test_a_terminal_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(os, "isatty", lambda number: True)
    assert main(["score", "ct.nrrd", "--out", str(tmp_path / "out"), "--background"]) == 2
    assert "standard input must be a pipe" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["score", "ct", "--out", "x"],
        ["demo"],
        ["models", "fetch"],
        ["models", "import", "detector.ckpt", "classifier.ckpt"],
    ],
)
def test_every_long_command_can_be_a_background_job(arguments, monkeypatch, capsys):
    monkeypatch.setattr(os, "isatty", lambda number: True)
    assert main([*arguments, "--background", "--progress", "json"]) == 2
    assert json.loads(capsys.readouterr().out)["exit_code"] == 2
