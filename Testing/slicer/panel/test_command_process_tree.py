"""A process is ended with all that it started, and nobody else is."""

import os
import signal
import subprocess
import sys

import pytest

from LungCancerDxLib.slicer.panel.command import kill_tree, signal_group
from Testing.slicer.panel.processes import dies

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX process groups")
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def parent():
    """A process in a group of its own, with a child."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, process_group=0
    ) as process:
        yield process
        process.kill()


def test_a_tree_is_killed_with_its_children(parent):
    child = int(parent.stdout.readline())
    kill_tree(parent.pid, parent.pid)
    assert parent.wait(timeout=5) == -signal.SIGKILL
    assert dies(child)


def test_a_process_without_a_known_group_is_killed_alone(parent):
    child = int(parent.stdout.readline())
    kill_tree(parent.pid, None)
    assert parent.wait(timeout=5) == -signal.SIGKILL
    os.kill(child, signal.SIGKILL)


def test_our_own_group_and_what_is_none_are_never_signalled(monkeypatch):
    monkeypatch.setattr(os, "killpg", lambda *_: pytest.fail("signalled"))
    for group in (os.getpgrp(), None, 0, 1, -5):
        assert not signal_group(group, signal.SIGTERM)


def test_what_has_ended_already_is_no_failure():
    nobody = 2**22 + 1  # above the greatest process id of Linux
    assert not signal_group(nobody, signal.SIGTERM)
    kill_tree(nobody, nobody)
