"""How a run goes: its log, its events, its curves, its pace."""

from __future__ import annotations

import time
from pathlib import Path

from ..errors import UsageError
from .curves import draw_curves
from .events import Events
from .run_folder import Log


class Records:
    """The log and the events of a run."""

    def __init__(self, folder: Path, first: int, events: bool) -> None:
        self._writers = (Log(folder, first), Events(folder, first, events))

    def add(self, row: dict[str, float]) -> None:
        """The values of a step."""
        for writer in self._writers:
            writer.add(row)

    def close(self) -> None:
        """No more values."""
        for writer in self._writers:
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
