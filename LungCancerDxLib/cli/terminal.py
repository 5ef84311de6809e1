"""What a command says while it works and when it is done: on the terminal, or as JSON lines for a program.

An output that is closed, full or that nobody reads any more costs no work: see `say` and `make_progress`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from typing import TextIO

from tqdm import tqdm

from ..runtime.progress import Progress, silent


def open_streams() -> None:
    """Give the process the standard streams that it was started without, and let no character be one too many.

    Else the next file that is opened becomes standard output or error, and libraries print into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)  # printing to a closed output must fail
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # a program may have put something else in its place
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def say(text: str, stream: TextIO, end: str = "\n") -> OSError | None:
    """Print a text at once; where that fails, why. Nothing goes to that stream any more then."""
    try:
        print(text, file=stream, end=end, flush=True)
    except OSError as error:
        _silence(stream)
        return error
    return None


def _silence(stream: TextIO) -> None:
    """Send away what is still in its buffer, and all that follows: it would fail again at the end of the process."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def make_progress(kind: str) -> Progress:
    """A progress of the kind "bar" (on stderr), "json" (a line of JSON per report on stdout) or "none".

    Where it can no longer be written, one sentence on stderr says so, and the work goes on without.
    """
    if kind == "bar":
        return _WhileHeard(_Bar(), sys.stderr)
    return _WhileHeard(_JsonLines(sys.stdout), sys.stdout) if kind == "json" else silent


class _WhileHeard:
    def __init__(self, progress: Progress, stream: TextIO) -> None:
        self._progress = progress
        self._stream = stream

    def __call__(self, stage: str, fraction: float) -> None:
        try:
            self._progress(stage, fraction)
        except OSError as error:
            self._progress = silent
            _silence(self._stream)
            say(f"lungcancerdx: Progress cannot be written any more ({error.strerror}); the work goes on.", sys.stderr)


class _Bar:
    """A bar with the stage and the time left."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None

    def __call__(self, stage: str, fraction: float) -> None:
        if self._bar is None:
            self._bar = tqdm(total=1.0, bar_format="{desc:<22} {percentage:3.0f} % |{bar}| {remaining} left")
        self._bar.set_description_str(stage, refresh=False)
        self._bar.update(max(fraction - self._bar.n, 0))
        self._bar.refresh()
        if fraction >= 1:
            self._bar.close()


class _JsonLines:
    """One JSON object a line: stage, fraction (never falls), seconds_left (null until it can be told)."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._start = time.monotonic()
        self._reached = 0.0

    def __call__(self, stage: str, fraction: float) -> None:
        fraction = self._reached = max(fraction, self._reached)
        elapsed = time.monotonic() - self._start
        left = round(elapsed * (1 - fraction) / fraction, 1) if fraction > 0 else None
        report = {"stage": stage, "fraction": round(fraction, 4), "seconds_left": left}
        print(json.dumps(report), file=self._stream, flush=True)
