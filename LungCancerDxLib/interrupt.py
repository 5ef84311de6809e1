"""Work that stops within a second of a signal and leaves no unfinished folder."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

from .errors import Cancelled
from .progress import Progress
from .staging import remove_unfinished

Result = TypeVar("Result")

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)]


class Stop:
    """Whether the user has asked to stop.

    A command may change how long it may take to stop by itself (`grace_s`) and the words that it ends with.
    """

    def __init__(self) -> None:
        self.words = "Stopped; nothing was written."
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
                raise Cancelled(self.words)
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
            farewell(Cancelled(stop.words))
            os._exit(Cancelled.exit_code)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if errors:
        raise errors[0]
    return results[0]
