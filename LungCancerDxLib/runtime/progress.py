"""Progress is one callable; raising `Cancelled` from it stops the work."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Progress = Callable[[str, float], None]
"""`progress(stage, fraction)`: the stage in words, the fraction of the work done so far, 0 to 1."""


def silent(stage: str, fraction: float) -> None:
    """Report to nobody."""


def part(progress: Progress, start: float, end: float) -> Progress:
    """A progress whose 0..1 is the range start..end of another."""
    return lambda stage, fraction: progress(stage, start + (end - start) * fraction)


Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
    """The results in the order of the items, on as many threads as there are processors for this process.

    For functions that spend their time in libraries which let go of Python's lock. Where the caller stops early or
    fails, what has not begun is dropped.
    """
    pool = ThreadPoolExecutor(available_processors())
    try:
        yield from pool.map(function, items)
    finally:
        pool.shutdown(cancel_futures=True)


def available_processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
