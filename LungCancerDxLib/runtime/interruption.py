"""Work that stops within a second of a signal and leaves no unfinished folder."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from ..errors import Cancelled, UsageError
from .atomic import remove_unfinished
from .progress import Progress

Result = TypeVar("Result")

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]


class Stop:
    """Whether the user has asked to stop.

    A command may change how long it may take to stop by itself (`grace_s`) and the message that it ends with.
    """

    def __init__(self) -> None:
        self.message = "Stopped; nothing was written."
        self.grace_s = 0.5
        self._asked = threading.Event()

    def ask(self) -> None:
        """Ask the work to stop at its next report of progress."""
        self._asked.set()

    @property
    def asked(self) -> bool:
        return self._asked.is_set()

    def watched(self, progress: Progress) -> Progress:
        """A progress that raises `Cancelled` once the stop has been asked for."""

        def report(stage: str, fraction: float) -> None:
            if self.asked:
                raise Cancelled(self.message)
            progress(stage, fraction)

        return report


def _to_stderr(error: Cancelled) -> None:
    print(error, file=sys.stderr, flush=True)


def run_until_stopped(work: Callable[[Stop], Result], farewell: Callable[[Cancelled], object] = _to_stderr) -> Result:
    """Do the work in a thread while this one listens for signals.

    A single convolution can take seconds, and Python handles signals only between its own instructions. So at a
    signal the work is asked to stop, and if it has not within its grace (half a second, if it asks for no more) the
    process removes what is unfinished and ends with exit code 130, after a farewell. Call from the main thread.
    """
    stop = Stop()
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work(stop))
        except BaseException as error:
            errors.append(error)

    before = {number: signal.signal(number, lambda *_: stop.ask()) for number in _SIGNALS}
    thread = threading.Thread(target=run, daemon=True)
    try:
        thread.start()
        while thread.is_alive() and not stop.asked:
            thread.join(0.1)
        thread.join(stop.grace_s)
        if thread.is_alive():
            remove_unfinished()
            with suppress(Exception):  # nobody may be listening
                farewell(Cancelled(stop.message))
            os._exit(Cancelled.exit_code)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if errors:
        raise errors[0]
    return results[0]


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
