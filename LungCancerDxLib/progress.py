"""Progress is one callable; raising `Cancelled` from it stops the work."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float], None]
"""`progress(stage, fraction)`: the stage in words, the fraction of the work done so far, 0 to 1."""


def silent(stage: str, fraction: float) -> None:
    """Report to nobody."""


def part(progress: Progress, start: float, end: float) -> Progress:
    """A progress whose 0..1 is the range start..end of another."""
    return lambda stage, fraction: progress(stage, start + (end - start) * fraction)
