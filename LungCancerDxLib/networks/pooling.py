"""The four ways to join a case's nodules into one probability (sections V-A to V-D, Fig. 6b).

Every join takes the nodules' hidden features after the first fully connected layer, the second layer, which of the
nodules count, and the leak; it returns the case's probability and, where the method has them, the nodules' own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch

OutputLayer = Callable[[torch.Tensor], torch.Tensor]
Joined = tuple[torch.Tensor, torch.Tensor | None]


def _greatest(values: torch.Tensor) -> torch.Tensor:
    """Maximum over the nodules, dimension 1, of values >= 0; zero where there are none."""
    return torch.cat((values, values.new_zeros(len(values), 1, *values.shape[2:])), dim=1).amax(dim=1)


class FeatureCombining:
    """V-A: the hidden features are max-pooled over the nodules, then scored; nodules have no own score."""

    name = "feature-combining"
    learns_leak = False

    def __call__(
        self, hidden: torch.Tensor, output: OutputLayer, counted: torch.Tensor, leak: torch.Tensor | None
    ) -> Joined:
        """hidden (B, K, 64), counted (B, K) bool; a case without nodules has hidden features of zero."""
        pooled = _greatest(hidden.masked_fill(~counted[..., None], 0))  # features are >= 0 after ReLU
        return torch.sigmoid(output(pooled)).squeeze(-1), None


class _PerNodule(ABC):
    """A join of the nodules' own probabilities P_i."""

    name: str
    learns_leak = False

    def __call__(
        self, hidden: torch.Tensor, output: OutputLayer, counted: torch.Tensor, leak: torch.Tensor | None
    ) -> Joined:
        """hidden (B, K, 64), counted (B, K) bool, leak scalar or None; returns (B,) and (B, K)."""
        malignancy = torch.sigmoid(output(hidden)).squeeze(-1)
        return self.join(malignancy.masked_fill(~counted, 0), leak), malignancy

    @abstractmethod
    def join(self, malignancy: torch.Tensor, leak: torch.Tensor | None) -> torch.Tensor:
        """P_i (B, K), zero where a nodule does not count, to P (B,)."""


class MaxP(_PerNodule):
    """V-B: the case is as malignant as its worst nodule."""

    name = "max-p"

    def join(self, malignancy: torch.Tensor, leak: torch.Tensor | None) -> torch.Tensor:
        return _greatest(malignancy)


class NoisyOr(_PerNodule):
    """V-C, Eq. 4: every nodule is an independent cause, P = 1 - prod(1 - P_i)."""

    name = "noisy-or"

    def join(self, malignancy: torch.Tensor, leak: torch.Tensor | None) -> torch.Tensor:
        return 1 - torch.prod(1 - malignancy, dim=1)


class LeakyNoisyOr(_PerNodule):
    """V-D, Eq. 5: noisy-or with a dummy nodule of learned probability Pd for what the detector missed."""

    name = "leaky-noisy-or"
    learns_leak = True

    def join(self, malignancy: torch.Tensor, leak: torch.Tensor | None) -> torch.Tensor:
        assert leak is not None
        return 1 - (1 - leak) * torch.prod(1 - malignancy, dim=1)


Join = FeatureCombining | _PerNodule
JOINS: dict[str, type[FeatureCombining] | type[_PerNodule]] = {
    join.name: join for join in (FeatureCombining, MaxP, NoisyOr, LeakyNoisyOr)
}
