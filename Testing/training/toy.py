"""A toy to train: a small network with dropout and batch norm on random numbers, and runs of it as programs.

`python -m Testing.training.toy FOLDER` resumes a slow run; under `torchrun` with `--plain` every process writes its
final weights beside the run, which is checked now and then.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from LungCancerDxLib.training.engine.distributed import ranks_of_torchrun
from LungCancerDxLib.training.engine.loop import Run, Task, train
from LungCancerDxLib.training.engine.optimizer import OptimizerConfig
from LungCancerDxLib.training.engine.validation import Validation
from Testing.training.tiny import quiet

OPTIMIZER = OptimizerConfig("adamw", 0.02, 0.01, cosine=True, warm_up_steps=3, clip_norm=1.0)
STEPS = 40


class ToyNet(nn.Module):
    def __init__(self, plain: bool = False) -> None:
        super().__init__()
        extras = [] if plain else [nn.BatchNorm3d(3), nn.Dropout(0.3)]
        self.layers = nn.Sequential(nn.Conv3d(1, 3, 3), *extras, nn.ReLU(), nn.Conv3d(3, 1, 2))
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weight in self.parameters():
                if weight.ndim > 1:
                    weight.normal_(0, 0.3, generator=generator)
                else:
                    weight.fill_(0.5)

    def forward(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        error = self.layers(batch["x"]).mean(dim=(1, 2, 3, 4)) - batch["y"]
        return {"loss": (error**2).mean(), "bias": error.detach().mean()}


class Toy(Task):
    """Every item is drawn from the seed, the step and its number."""

    def __init__(self, plain: bool = False, pause_s: float = 0.0, broken_at: int | None = None) -> None:
        super().__init__(ToyNet(plain), items=self, items_per_step=4)
        self._pause_s, self._broken_at = pause_s, broken_at

    def batch(self, step: int, numbers: range) -> dict[str, torch.Tensor]:
        time.sleep(self._pause_s)
        x = np.stack([np.random.default_rng([step, n]).normal(size=(1, 4, 4, 4)) for n in numbers])
        y = np.full(len(x), np.nan if step == self._broken_at else 1.0)
        return {"x": torch.from_numpy(x).float(), "y": torch.from_numpy(y).float()}


class Shifted(Toy):
    """Other numbers than the toy's."""

    def batch(self, step: int, numbers: range) -> dict[str, torch.Tensor]:
        return super().batch(step + 1000, numbers)


def toy_run(folder: Path, *, steps: int = STEPS, optimizer: OptimizerConfig = OPTIMIZER) -> Run:
    config = {"task": "toy", "steps": steps}
    return Run(folder, config, optimizer, steps, 7)


def checked_run(folder: Path, **options: Any) -> Run:
    """A toy's run that is checked on other numbers."""
    return replace(toy_run(folder, **options), validation=Validation(Shifted(), 4, 3, every=15))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--plain", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    task = Toy(arguments.plain, pause_s=0.0 if arguments.plain else 0.05)
    with ranks_of_torchrun(torch.device("cpu")) as ranks:
        run = (checked_run if arguments.plain else toy_run)(arguments.folder)
        train(task, run, quiet(ranks=ranks, resume=True, checkpoint_minutes=0))
    torch.save(task.module.state_dict(), arguments.folder / f"weights-{ranks.rank}.pt")


if __name__ == "__main__":
    main()
