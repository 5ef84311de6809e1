"""C-Net, the case classifier: N-Net features of each nodule, a two-layer perceptron, a join (section V, Fig. 6)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from ..preset import Preset
from .nnet import FEATURE_CHANNELS, NNet

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


HIDDEN = 64
CENTRAL_CELLS = 2


@dataclass(frozen=True)
class CaseScore:
    """probability (B,): of the case. malignancy (B, K): of each nodule, None where the join has none. leak: Pd."""

    probability: torch.Tensor
    malignancy: torch.Tensor | None
    leak: torch.Tensor | None


class CNet(nn.Module):
    """Cancer probability of a case from the crops around its proposals.

    Keys of the state dict are those of the published checkpoint: `NoduleNet.*`, `fc1`, `fc2`, and `baseline`, the
    logit of the leak, for the leaky noisy-or.

    Parameters
    ----------
    preset
        Architecture, dropout and the leak's start.
    join
        One of `pooling.JOINS`.
    """

    def __init__(self, preset: Preset, join: str = LeakyNoisyOr.name) -> None:
        super().__init__()
        self.NoduleNet = NNet(preset)
        self.fc1 = nn.Linear(FEATURE_CHANNELS, HIDDEN)
        self.fc2 = nn.Linear(HIDDEN, 1)
        self.dropout = nn.Dropout(preset.classifier_dropout)
        self.join = JOINS[join]()
        if self.join.learns_leak:
            self.baseline = nn.Parameter(torch.tensor([preset.initial_leak_logit]))

    @property
    def leak(self) -> torch.Tensor | None:
        """Pd of Eq. 5, shape (1,); None for the other joins."""
        return torch.sigmoid(self.baseline) if self.join.learns_leak else None

    def nodule_features(self, crops: torch.Tensor, locations: torch.Tensor) -> torch.Tensor:
        """Crops (N, 1, 96, 96, 96) and location maps (N, 3, 24, 24, 24) to the central feature of each, (N, 128)."""
        return central_max(self.NoduleNet.features(crops, locations, None if self.training else CENTRAL_CELLS))

    def score(self, features: torch.Tensor, counted: torch.Tensor) -> CaseScore:
        """Nodule features (B, K, 128) and which of them count (B, K) bool to the case's score."""
        hidden = torch.relu(self.fc1(features))
        leak = self.leak
        probability, malignancy = self.join(hidden, self.fc2, counted, leak)
        return CaseScore(probability, malignancy, leak)

    def forward(self, crops: torch.Tensor, locations: torch.Tensor, counted: torch.Tensor | None = None) -> CaseScore:
        """Crops (B, K, 1, 96, 96, 96) and location maps (B, K, 3, 24, 24, 24); all nodules count unless told."""
        features = self.nodule_features(crops.flatten(0, 1), locations.flatten(0, 1)).unflatten(0, crops.shape[:2])
        if counted is None:
            counted = torch.ones(crops.shape[:2], dtype=torch.bool, device=crops.device)
        return self.score(self.dropout(features), counted)


def central_max(features: torch.Tensor) -> torch.Tensor:
    """Greatest value of each channel over the central 2 x 2 x 2 cells: (N, C, Z, Y, X) to (N, C)."""
    for axis in (2, 3, 4):
        features = features.narrow(axis, features.shape[axis] // 2 - CENTRAL_CELLS // 2, CENTRAL_CELLS)
    return features.amax(dim=(2, 3, 4))
