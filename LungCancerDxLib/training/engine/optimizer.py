"""How weights are moved: optimiser, learning rate over a run, gradient clipping."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch

MOMENTUM = 0.9


@dataclass(frozen=True)
class OptimizerConfig:
    """An optimiser and its schedule, whatever the run's length.

    Parameters
    ----------
    drops
        (share of the run, factor): from that share on the learning rate is `learning_rate` times the factor. Used
        without `cosine`.
    cosine
        The rate falls to zero along half a cosine instead.
    warm_up_steps
        The rate rises linearly over so many first steps, at most a tenth of the run.
    clip_norm
        Gradients of a greater l2 norm are scaled down to it (V-E); None for no clipping.
    """

    optimiser: Literal["sgd", "adamw"]
    learning_rate: float
    weight_decay: float
    drops: tuple[tuple[float, float], ...] = ()
    cosine: bool = False
    warm_up_steps: int = 0
    clip_norm: float | None = None

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser of some parameters, at the learning rate of the first step."""
        if self.optimiser == "sgd":
            return torch.optim.SGD(parameters, self.learning_rate, MOMENTUM, weight_decay=self.weight_decay)
        return torch.optim.AdamW(parameters, self.learning_rate, weight_decay=self.weight_decay)

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step, 0 to steps - 1."""
        if self.cosine:
            factor = (1 + math.cos(math.pi * step / steps)) / 2
        else:
            factor = next((factor for share, factor in reversed(self.drops) if step >= share * steps), 1.0)
        warm_up = min(self.warm_up_steps, steps // 10)
        return self.learning_rate * factor * min((step + 1) / (warm_up + 1), 1.0)
