"""Outputs that are closed, full or no longer read, and limits of memory: the work is kept, one sentence is said."""

import json
import os
import subprocess
import sys

import pytest

from Testing.helpers import COMMAND, environment

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a device that is always full")
PROGRAM = """
import sys
from pathlib import Path
from LungCancerDxLib.cli import main, score
from LungCancerDxLib.cli.terminal import make_progress

def run(arguments, stop):
    progress = stop.watched(make_progress(arguments.progress))
    for step in range(2000):
        progress("working", step / 2000)
    Path(arguments.out).write_text("the result")
    return "All is done, in \\udcfc."

score.run = run
sys.exit(main(["score", "ct", "--out", sys.argv[1], *sys.argv[2:]]))
"""
"""The command with work that only reports and then writes a file."""
UNREAD = "Progress cannot be written any more"


@pytest.fixture
def shell(tmp_path):
    """A function that runs the program in a shell: its exit code, its outputs, and whether its work was kept."""

    def run(*options, redirected="", **variables):
        (tmp_path / "program.py").write_text(PROGRAM)
        command = f"set -o pipefail; '{sys.executable}' program.py result {' '.join(options)} {redirected}"
        environ = environment(PYTHONIOENCODING="utf-8:strict", **variables)
        ended = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, env=environ, check=False
        )
        assert "Traceback" not in ended.stderr + ended.stdout
        assert "Exception ignored" not in ended.stderr
        kept = (tmp_path / "result").exists() and (tmp_path / "result").read_text() == "the result"
        return ended.returncode, ended.stdout, ended.stderr, kept

    return run


@pytest.mark.slow
def test_characters_that_the_output_cannot_hold_are_escaped(shell):
    code, out, error, kept = shell("--progress none")
    assert (code, out, error, kept) == (0, "All is done, in \\udcfc.\n", "", True)


@pytest.mark.slow
def test_a_reader_of_progress_that_stops_reading_costs_no_work(shell):
    code, out, error, kept = shell("--progress json", redirected="| head -n 1")
    assert (code, kept) == (0, True)
    assert json.loads(out)["stage"] == "working"
    sentence, message = error.splitlines()
    assert sentence == f"lungcancerdx: {UNREAD} (Broken pipe); the work goes on."
    assert message.startswith("All is done")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("redirected", "why"), [("> /dev/full", "No space left on device"), (">&-", "Bad file descriptor")]
)
def test_a_full_or_closed_output_costs_no_work(shell, redirected, why):
    code, _, error, kept = shell("--progress json", redirected=redirected)
    assert (code, kept) == (0, True)
    assert error.splitlines()[0] == f"lungcancerdx: {UNREAD} ({why}); the work goes on."
    code, _, error, kept = shell("--progress none", redirected=redirected)
    assert (code, kept) == (6, True)
    assert error == (
        f"lungcancerdx: Standard output cannot be written ({why}); the work itself is done, and what it made is kept.\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("redirected", ["2> /dev/full", "2>&-"])
@pytest.mark.parametrize("progress", ["bar", "json", "none"])
def test_without_standard_error_everything_else_goes_on(shell, redirected, progress):
    code, out, error, kept = shell(f"--progress {progress}", redirected=redirected)
    assert (code, error, kept) == (0, "", True)
    assert ("All is done" in out) == (progress != "json")


@pytest.mark.slow
def test_without_any_output_the_work_is_done(shell):
    assert shell("--progress bar", redirected=">&- 2>&- <&-") == (6, "", "", True)


@pytest.mark.slow
@pytest.mark.parametrize("redirected", ["> /dev/full 2>&1", ">&- 2>&-"])
def test_what_is_refused_keeps_its_exit_code_where_nobody_listens(shell, redirected):
    assert shell("--progress json --no-such-option", redirected=redirected)[0] == 2
    assert shell("--help", redirected=redirected)[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [150_000, 400_000, 1_000_000])
def test_a_limit_of_address_space_is_said_in_one_sentence(tmp_path, kilobytes):
    command = f"ulimit -v {kilobytes}; exec '{COMMAND[0]}' -m LungCancerDxLib score ct.nrrd --out result --no-scene"
    ended = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, env=environment(), check=False
    )
    assert ended.returncode == 5
    assert ended.stderr.startswith("lungcancerdx: This process may take ")
    assert ended.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error", [RuntimeError("can't start new thread"), ImportError("libx.so: failed to map segment from shared object")]
)
def test_threads_and_libraries_that_are_refused_are_said(monkeypatch, capsys, error):
    from LungCancerDxLib.cli import main, score

    def run(arguments, stop):
        raise error

    monkeypatch.setattr(score, "run", run)
    assert main(["score", "ct", "--out", "result"]) == 5
    assert capsys.readouterr().err == (
        "lungcancerdx: Not enough memory, or too few threads are allowed. See `ulimit -a`.\n"
    )
