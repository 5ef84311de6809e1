"""How a run goes: its log, its events, its curves, its pace."""

from __future__ import annotations

import time
from pathlib import Path

from ..errors import UsageError
from .curves import draw_curves
from .events import Events
from .run_folder import LOG_FILE, VALIDATION_FILE, Log


class Records:
    """The logs and the events of a run."""

    def __init__(self, folder: Path, first: int, events: bool, validated: bool) -> None:
        self._log = Log(folder / LOG_FILE, first)
        self._checks = Log(folder / VALIDATION_FILE, first - 1) if validated else None
        self._events = Events(folder, first, events)

    def add(self, row: dict[str, float]) -> None:
        """The values of a step."""
        self._log.add(row)
        self._events.add(row)

    def add_check(self, row: dict[str, float]) -> None:
        """The values of a check on other cases."""
        if self._checks is not None:
            self._checks.add(row)
        self._events.add(row, "validation/")

    def close(self) -> None:
        """No more values."""
        for writer in (self._log, self._checks, self._events):
            if writer is not None:
                writer.close()


class Pace:
    """How fast a run goes, in words."""

    def __init__(self, first: int, steps: int) -> None:
        self._first, self._steps, self._start = first, steps, time.monotonic()

    def words(self, done: int, loss: float) -> str:
        """Steps done, the loss, and the time left at the pace so far."""
        left_s = (time.monotonic() - self._start) / (done - self._first) * (self._steps - done)
        left = f"{left_s / 60:.0f} min left" if left_s >= 90 else f"{left_s:.0f} s left"
        return f"step {done} of {self._steps}, loss {loss:.3f}, {left}"


def draw_if_possible(folder: Path) -> None:
    """Draw the curves, unless there is no matplotlib: the log has all of it."""
    try:
        draw_curves(folder)
    except UsageError:
        return
