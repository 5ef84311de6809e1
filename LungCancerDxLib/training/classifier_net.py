"""C-Net with its loss, as the engine trains it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.utils import parametrize

from ..detection.whole_scan import normalised
from ..models.untrained import initialise
from ..networks.cnet import CNet
from ..networks.nnet import NNet
from ..preset import Preset
from .classifier_loss import case_loss, exact_score
from .classifier_recipe import ClassifierRecipe
from .losses import Losses


class ClassifierWithLoss(nn.Module):
    """A batch of `CaseItems` to its losses; the detector's head, which has no part in it, is not moved.

    Parameters
    ----------
    frozen_norms
        Batch norm stays as in inference (V-E): it uses its running statistics and does not change them.
    """

    def __init__(self, net: CNet, recipe: ClassifierRecipe, preset: Preset, frozen_norms: bool = False) -> None:
        super().__init__()
        self.net = net.requires_grad_(True)
        net.NoduleNet.output.requires_grad_(False)
        self.recipe, self.preset, self.frozen_norms = recipe, preset, frozen_norms

    def train(self, mode: bool = True) -> ClassifierWithLoss:
        """Training mode, of all but what is frozen."""
        super().train(mode)
        if self.frozen_norms:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm3d):
                    module.eval()
        return self

    def forward(self, batch: dict[str, torch.Tensor]) -> Losses:
        shown = some(batch["counted"])
        found = self.net.nodule_features(seen(batch["image"][shown], self.preset), batch["location"][shown])
        with torch.autocast(found.device.type, enabled=False):
            features = found.new_zeros((*shown.shape, found.shape[1]), dtype=torch.float32)
            features[shown] = found.float()
            score = exact_score(self.net, self.net.dropout(features), batch["counted"])
            return case_loss(score, batch, self.recipe)


def seen(grey: torch.Tensor, preset: Preset) -> torch.Tensor:
    """uint8 crops (N, 1, Z, Y, X) as the classifier's backbone sees them, float32."""
    image = grey.float() if preset.classifier_input == "raw" else normalised(grey, torch.float32)
    return image.contiguous(memory_format=torch.channels_last_3d)


def some(counted: torch.Tensor) -> torch.Tensor:
    """Which places (B, K) the backbone works on: those that count; one that does not, where none does."""
    if counted.any():
        return counted
    first = torch.zeros_like(counted)
    first[0, 0] = True
    return first


def new_classifier(detector: NNet, preset: Preset, join: str, recipe: ClassifierRecipe, seed: int) -> CNet:
    """C-Net with the detector's backbone (V-E) and random last layers from a seed."""
    net = CNet(preset, join)
    initialise(net, torch.Generator().manual_seed(seed))
    net.NoduleNet.load_state_dict(detector.state_dict())
    with torch.no_grad():
        net.fc2.bias.fill_(recipe.initial_logit)
    return net


class _InUnits(nn.Module):
    """A parameter counted in units of some size."""

    def __init__(self, unit: float) -> None:
        super().__init__()
        self.unit = unit

    def forward(self, count: torch.Tensor) -> torch.Tensor:
        return self.unit * count

    def right_inverse(self, value: torch.Tensor) -> torch.Tensor:
        """The count of a value."""
        return value / self.unit


@contextmanager
def leak_in_units(net: CNet, unit: float) -> Iterator[None]:
    """Within the block an optimiser sees the leak's logit in units of this size (see `ClassifierRecipe.leak_rate`)."""
    if not net.join.learns_leak or unit == 1:
        yield
        return
    parametrize.register_parametrization(net, "baseline", _InUnits(unit))
    try:
        yield
    finally:
        parametrize.remove_parametrizations(net, "baseline")
