"""The progress of a command on the terminal, or as JSON lines for a program."""

from __future__ import annotations

import json
import sys
import time
from typing import TextIO

from tqdm import tqdm

from ..runtime.progress import Progress, silent


def make_progress(kind: str) -> Progress:
    """A progress of the kind "bar" (on stderr), "json" (a line of JSON per report on stdout) or "none"."""
    if kind == "bar":
        return _Bar()
    return _JsonLines(sys.stdout) if kind == "json" else silent


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
