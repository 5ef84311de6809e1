"""C-Net, the case classifier: N-Net features of each nodule, a two-layer perceptron, a join (section V, Fig. 6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from ..names import FEATURE_COMBINING, JOINS, LEAKY_NOISY_OR, MAX_P
from ..preset import Preset
from .nnet import FEATURE_CHANNELS, NNet

HIDDEN = 64
CENTRAL_CELLS = 2


def join_nodules(
    join: str,
    hidden: torch.Tensor,
    output: Callable[[torch.Tensor], torch.Tensor],
    counted: torch.Tensor,
    leak: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The case's probability P from its nodules, by one of `names.JOINS`.

    Feature combining (V-A) takes the greatest of each hidden feature over the nodules and scores that; nodules have no
    score of their own. The others score each nodule: max-P (V-B) is the worst nodule's P_i, noisy-or (V-C, Eq. 4)
    1 - prod(1 - P_i), and leaky noisy-or (V-D, Eq. 5) the same with a dummy nodule of probability Pd for what the
    detector missed. Without nodules that count P is the leak, the output of zeros (feature combining), or zero.

    Parameters
    ----------
    hidden
        (B, K, 64) hidden features, not below zero.
    output
        The last layer, to (..., 1).
    counted
        (B, K) bool.
    leak
        Pd (1,), for the leaky noisy-or.

    Returns
    -------
    P (B,), and P_i (B, K) or None.
    """
    if join == FEATURE_COMBINING:
        pooled = _greatest(hidden.masked_fill(~counted[..., None], 0))
        return torch.sigmoid(output(pooled)).squeeze(-1), None
    malignancy = torch.sigmoid(output(hidden)).squeeze(-1)
    counting = malignancy.masked_fill(~counted, 0)
    if join == MAX_P:
        return _greatest(counting), malignancy
    survival = torch.prod(1 - counting, dim=1)
    return 1 - (survival if leak is None else (1 - leak) * survival), malignancy


def _greatest(values: torch.Tensor) -> torch.Tensor:
    """Maximum over the nodules, dimension 1, of values >= 0; zero where there are none."""
    return torch.cat((values, values.new_zeros(len(values), 1, *values.shape[2:])), dim=1).amax(dim=1)


@dataclass(frozen=True)
class CNetOutput:
    """probability (B,): of the case. malignancy (B, K): of each nodule, None where the join has none. leak: Pd."""

    probability: torch.Tensor
    malignancy: torch.Tensor | None
    leak: torch.Tensor | None


class CNet(nn.Module):
    """Score of a case (what it means depends on the model's outcome) from the crops around its proposals.

    Keys of the state dict are those of the published checkpoint: `NoduleNet.*`, `fc1`, `fc2`, and `baseline`, the
    logit of the leak, for the leaky noisy-or.

    Parameters
    ----------
    preset
        Architecture, dropout and the leak's start.
    join
        One of `names.JOINS`.
    """

    def __init__(self, preset: Preset, join: str = LEAKY_NOISY_OR) -> None:
        super().__init__()
        self.NoduleNet = NNet(preset)
        self.fc1 = nn.Linear(FEATURE_CHANNELS, HIDDEN)
        self.fc2 = nn.Linear(HIDDEN, 1)
        self.dropout = nn.Dropout(preset.classifier_dropout)
        if join not in JOINS:
            raise ValueError(f"unknown join '{join}'; expected one of {', '.join(JOINS)}")
        self.join = join
        if join == LEAKY_NOISY_OR:
            self.baseline = nn.Parameter(torch.tensor([preset.initial_leak_logit]))

    @property
    def leak(self) -> torch.Tensor | None:
        """Pd of Eq. 5, shape (1,); None for the other joins."""
        return torch.sigmoid(self.baseline) if self.join == LEAKY_NOISY_OR else None

    def nodule_features(self, crops: torch.Tensor, locations: torch.Tensor) -> torch.Tensor:
        """Crops (N, 1, S, S, S) and location maps (N, 3, S/4, S/4, S/4) to the central feature of each, (N, 128)."""
        return central_max(self.NoduleNet.features(crops, locations, None if self.training else CENTRAL_CELLS))

    def score(self, features: torch.Tensor, counted: torch.Tensor) -> CNetOutput:
        """Nodule features (B, K, 128) and which of them count (B, K) bool to the case's score."""
        hidden = torch.relu(self.fc1(features))
        leak = self.leak
        probability, malignancy = join_nodules(self.join, hidden, self.fc2, counted, leak)
        return CNetOutput(probability, malignancy, leak)

    def forward(self, crops: torch.Tensor, locations: torch.Tensor, counted: torch.Tensor | None = None) -> CNetOutput:
        """Crops (B, K, 1, S, S, S) and location maps (B, K, 3, S/4, S/4, S/4); all nodules count by default."""
        features = self.nodule_features(crops.flatten(0, 1), locations.flatten(0, 1))
        if counted is None:
            counted = torch.ones(crops.shape[:2], dtype=torch.bool, device=crops.device)
        return self.score(self.dropout(features).reshape(*crops.shape[:2], FEATURE_CHANNELS), counted)


def central_max(features: torch.Tensor) -> torch.Tensor:
    """Greatest value of each channel over the central 2 x 2 x 2 cells: (N, C, Z, Y, X) to (N, C)."""
    for axis in (2, 3, 4):
        features = features.narrow(axis, features.shape[axis] // 2 - CENTRAL_CELLS // 2, CENTRAL_CELLS)
    return features.amax(dim=(2, 3, 4))
