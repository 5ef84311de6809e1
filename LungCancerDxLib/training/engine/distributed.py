"""The processes that train together: one by default, several under `torchrun`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from ...errors import UsageError

# How long processes wait for each other, say while the first finds the proposals of a cohort. Torch's own 10 or 30
# minutes are for hangs; where a process dies torchrun ends the others.
_PATIENCE = timedelta(days=30)

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """This process' number `rank` among `size`; `local` is its number on its machine."""

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def share(self, items: int) -> range:
        """The numbers of a step's items that this process works on.

        Raises
        ------
        UsageError
            Where the items cannot be shared out evenly.
        """
        if items % self.size:
            raise UsageError(f"a batch of {items} cannot be shared out evenly among {self.size} processes")
        each = items // self.size
        return range(self.rank * each, (self.rank + 1) * each)

    def device(self, device: torch.device) -> torch.device:
        """The device of this process: each has a GPU of its own."""
        return torch.device("cuda", self.local) if device.type == "cuda" and self.size > 1 else device

    def wrap_ddp(self, module: nn.Module, device: torch.device, find_unused_parameters: bool = False) -> nn.Module:
        """The module as it is to be called: gradients are averaged over the processes."""
        if self.size == 1:
            return module
        own = [device.index] if device.type == "cuda" else None
        return DistributedDataParallel(module, device_ids=own, find_unused_parameters=find_unused_parameters)

    def any(self, flag: torch.Tensor) -> bool:
        """Whether a flag (a scalar on the device) is set in any of the processes."""
        if self.size > 1:
            flag = flag.float()
            distributed.all_reduce(flag, distributed.ReduceOp.MAX)
        return bool(flag)

    def mean(self, value: torch.Tensor) -> float:
        """The mean of a scalar on the device over the processes."""
        if self.size > 1:
            distributed.all_reduce(value)
        return float(value) / self.size

    def in_turn(self, work: Callable[[], T]) -> T:
        """What the first process computes and keeps on disk, and the others then read."""
        if not self.first:
            self.wait()
        found = work()
        if self.first:
            self.wait()
        return found

    def wait(self) -> None:
        """Go on once all processes are here."""
        if self.size > 1:
            distributed.barrier()


ALONE = Ranks()


@contextmanager
def ranks_of_torchrun(device: torch.device) -> Iterator[Ranks]:
    """The processes that `torchrun` started with this one, or this one alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    ranks = Ranks(int(os.environ["RANK"]), size, int(os.environ["LOCAL_RANK"]))
    if device.type == "cuda":
        torch.cuda.set_device(ranks.local)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield ranks
    finally:
        distributed.destroy_process_group()
