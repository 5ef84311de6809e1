"""Batches made ahead in threads, while the networks work on the ones before."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, Protocol

import torch

Batch = dict[str, torch.Tensor]


class Items(Protocol):
    """What batches are made from."""

    def batch(self, step: int, numbers: range) -> Batch:
        """These items of a step; a pure function, called from several threads."""


class Loaded(NamedTuple):
    """A step's batch, the seconds it took to make, and those that had to be waited for it."""

    step: int
    batch: Batch
    load_s: float
    wait_s: float


def loaded_ahead(make: Callable[[int], Batch], first: int, end: int, threads: int) -> Iterator[Loaded]:
    """The batches of the steps from `first` to before `end`, in order; what `make` raises is raised here.

    Close the iterator to stop the threads early.
    """

    def timed(step: int) -> tuple[Batch, float]:
        start = time.perf_counter()
        return make(step), time.perf_counter() - start

    pool = ThreadPoolExecutor(threads, thread_name_prefix="loader")
    waiting: deque[Future[tuple[Batch, float]]] = deque()
    try:
        for step in range(first, end):
            while len(waiting) <= threads and step + len(waiting) < end:
                waiting.append(pool.submit(timed, step + len(waiting)))
            start = time.perf_counter()
            batch, load_s = waiting.popleft().result()
            yield Loaded(step, batch, load_s, time.perf_counter() - start)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
