"""Ending a process together with all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress


def signal_group(group: int | None, number: int) -> bool:
    """Signal every process of a group on Linux and macOS; False where there is none, and for our own group."""
    if sys.platform == "win32" or group is None or group <= 1 or group == os.getpgrp():
        return False
    with suppress(OSError):
        os.killpg(group, number)
        return True
    return False


def kill_tree(process: int, group: int | None) -> None:
    """Kill a process and all that it started, at once.

    On Linux and macOS these are the processes of the group; on Windows those that descend from the process.
    """
    if sys.platform == "win32":
        command = ["taskkill", "/PID", str(process), "/T", "/F"]
        with suppress(OSError):
            subprocess.run(command, capture_output=True, check=False, creationflags=subprocess.CREATE_NO_WINDOW)
    else:
        signal_group(group, signal.SIGKILL)
        with suppress(OSError):
            os.kill(process, signal.SIGKILL)
