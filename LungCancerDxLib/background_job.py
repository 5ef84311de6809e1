"""A process that another program runs in the background and can end with all that belongs to it."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from .errors import UsageError

_POLL_S = 0.2


def become_background_job(at_end_of_input: Callable[[], object]) -> int | None:
    """Make this process a group of its own, and call a function once standard input has reached its end.

    Standard input must be a pipe that the caller keeps open; the system closes it when the caller dies, however it
    dies. On Linux and macOS the group holds this process and every process that it starts, so that `killpg` ends them
    all, also where the caller started this process by way of a launcher. Windows has no such groups: there a caller
    ends the tree with `taskkill /T`.

    Returns
    -------
    The id of the process group; None on Windows.

    Raises
    ------
    UsageError
        Where standard input is a terminal, which a process of another group may not read.
    """
    if os.isatty(0):
        raise UsageError("--background is for other programs: standard input must be a pipe, and it is a terminal.")

    def wait() -> None:
        _wait_for_end_of_input()
        at_end_of_input()

    threading.Thread(target=wait, daemon=True).start()
    if sys.platform == "win32":
        return None
    with suppress(PermissionError):  # leads a session, and so a group, already
        os.setpgid(0, 0)
    return os.getpgid(0)


def _wait_for_end_of_input() -> None:
    """Return at the end of standard input, or at once where there is none.

    On Windows a read that waits on a pipe blocks everything else that looks at the same pipe, and some libraries look
    at it while they are loaded: it is only peeked at there.
    """
    with suppress(OSError):
        if sys.platform == "win32":
            import _winapi
            import msvcrt

            handle = msvcrt.get_osfhandle(0)
            while True:
                _winapi.PeekNamedPipe(handle, 0)
                time.sleep(_POLL_S)
        while os.read(0, 4096):
            pass
