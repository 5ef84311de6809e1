"""How a run does on cases that it does not learn from: its losses on them, now and then. Nothing is chosen by them."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import nn

from ...errors import UsageError
from ...names import listed
from ..cases.store import CaseStore

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


def loaded_ahead(load: Callable[[int], Batch], first: int, end: int, threads: int) -> Generator[Loaded, None, None]:
    """The batches of the steps from `first` to before `end`, in order; what `load` raises is raised here.

    Close the iterator to stop the threads early.
    """

    def timed(step: int) -> tuple[Batch, float]:
        start = time.perf_counter()
        return load(step), time.perf_counter() - start

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


_CHECKS = 20  # of a run, besides the one before its first step
MOST_BATCHES = 32  # of one check


@dataclass(frozen=True)
class Validation:
    """The same batches at every check.

    Parameters
    ----------
    items_per_batch
        Of all processes together.
    every
        Steps of the training from one check to the next.
    measure
        The whole check, instead of the mean losses over the batches: takes the module, gives numbers by name.
    """

    items: Items
    items_per_batch: int
    batches: int
    every: int
    measure: Callable[[nn.Module], dict[str, float]] | None = None

    @staticmethod
    def of(items: Items, items_per_batch: int, epoch: int, steps: int) -> Validation:
        """An epoch of so many batches, or the first part of it, some times in a run of so many steps."""
        return Validation(items, items_per_batch, min(epoch, MOST_BATCHES), math.ceil(steps / _CHECKS))

    def is_due(self, done: int, steps: int) -> bool:
        """Whether the weights after so many of all steps are to be checked."""
        return done % self.every == 0 or done == steps


@torch.no_grad()
def mean_losses(
    module: nn.Module, batches: Iterator[Batch], autocast: AbstractContextManager[None]
) -> dict[str, torch.Tensor]:
    """The means of a module's losses, in evaluation mode, over batches on its device.

    What is not a number in some batches, as one network's losses in the other's, is left out of the mean there. The
    module is in training mode afterwards.
    """
    module.eval()
    try:
        with autocast:
            rows = [module(batch) for batch in batches]
    finally:
        module.train()
    return {name: torch.stack([row[name].float() for row in rows]).nanmean() for name in rows[0]}


def check_apart(store: CaseStore, validation: CaseStore) -> None:
    """Whether cases can show how a training on a store's does.

    Raises
    ------
    UsageError
        Where they are of another preset, or some of them are learned from.
    """
    if validation.preset != store.preset:
        raise UsageError(
            f"The cases to learn from in {store.folder} are of preset {store.preset}, those for the validation in "
            f"{validation.folder} of {validation.preset}. Prepare both with the same --preset."
        )
    shared = sorted(set(store.names) & set(validation.names))
    if shared:
        raise UsageError(
            f"{store.folder} and {validation.folder} both list {listed(shared)}: what is learned from shows nothing. "
            "Give the validation cases of its own."
        )
