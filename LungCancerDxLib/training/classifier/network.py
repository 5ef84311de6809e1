"""C-Net with its loss, as the engine trains it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize

from ...detection.whole_scan import normalised
from ...models.find import initialise
from ...networks.cnet import CNet, CNetOutput, join_nodules
from ...networks.nnet import NNet
from ...preset import Preset
from ..detector.loss import Losses, detector_loss, freeze_norms
from ..engine.validation import Batch
from .recipe import ClassifierRecipe

_MISSED_BELOW = 0.03
_MISS_OFFSET = 0.001
_LEAST_PROBABILITY = 1e-12

LOSSES = ("loss", "cross_entropy", "miss", "false_alarm", "leak", "right")
_DETECTOR_LOSSES = ("classification", "regression", "found", "rejected")


def exact_score(net: CNet, features: torch.Tensor, counted: torch.Tensor) -> CNetOutput:
    """`CNet.score` with nodules joined in float64, where there is that: in float32 1 - P of a case that is surely wrong
    is noise, and its gradient none at all or far too large.
    """
    exact = torch.float32 if features.device.type == "mps" else torch.float64
    hidden = torch.relu(net.fc1(features))
    leak = None if net.leak is None else net.leak.to(exact)
    probability, malignancy = join_nodules(net.join, hidden, lambda shown: net.fc2(shown).to(exact), counted, leak)
    return CNetOutput(probability, malignancy, leak)


def losses_of_features(net: CNet, features: torch.Tensor, batch: Batch, recipe: ClassifierRecipe) -> Losses:
    """`case_loss` of the features (B, K, 128) of a batch's cases, in full precision."""
    with torch.autocast(features.device.type, enabled=False):
        return case_loss(exact_score(net, net.dropout(features), batch["counted"]), batch, recipe)


def case_loss(score: CNetOutput, batch: Batch, recipe: ClassifierRecipe) -> Losses:
    """The loss of a batch and what is worth knowing of it.

    Parameters
    ----------
    batch
        cancer (B,) 0 or 1; counted, nodule (B, K) bool: which proposals vote, and which show a described nodule.
    recipe
        Has the weights of `miss_loss` and `false_alarm_loss` in the sum.

    Returns
    -------
    Scalars: `loss`, to be minimised, its parts `cross_entropy`, `miss` and `false_alarm`; `leak` (0 where the join has
    none), and `right`, the share of cases on the right side of one half.
    """
    probability = score.probability
    least = max(_LEAST_PROBABILITY, torch.finfo(probability.dtype).eps)
    probability = probability.clamp(least, 1 - least)
    cross_entropy = functional.binary_cross_entropy(probability, batch["cancer"].to(probability.dtype))
    loss, miss, false_alarm = cross_entropy, cross_entropy.new_zeros(()), cross_entropy.new_zeros(())
    if score.malignancy is not None:
        miss = miss_loss(score.malignancy, batch["nodule"])
        false_alarm = false_alarm_loss(score.malignancy, batch["counted"], batch["nodule"])
    if recipe.miss_loss:
        loss = loss + recipe.miss_loss * miss
    if recipe.false_alarm_loss:
        loss = loss + recipe.false_alarm_loss * false_alarm
    return {
        "loss": loss,
        "cross_entropy": cross_entropy.detach(),
        "miss": miss.detach(),
        "false_alarm": false_alarm.detach(),
        "leak": miss.new_zeros(()) if score.leak is None else score.leak.detach().mean(),
        "right": ((probability.detach() > 0.5) == (batch["cancer"] > 0.5)).float().mean(),
    }


def miss_loss(malignancy: torch.Tensor, nodule: torch.Tensor) -> torch.Tensor:
    """The published code's: described nodules of nearly no malignancy (under .03) cost -log(P_i + .001).

    All are (B, K); the sum is divided by B K.
    """
    missed = nodule & (malignancy.detach() < _MISSED_BELOW)
    return -(torch.log(malignancy + _MISS_OFFSET) * missed).sum() / missed.numel()


def false_alarm_loss(malignancy: torch.Tensor, counted: torch.Tensor, nodule: torch.Tensor) -> torch.Tensor:
    """Ours: proposals that show no described nodule are no cancers, and cost -log(1 - P_i).

    Only in cases of which some proposal shows a described nodule: of the others nobody may have described any. All are
    (B, K); the sum is divided by B K.
    """
    false = counted & ~nodule & nodule.any(dim=1, keepdim=True)
    sound = (1 - malignancy).clamp(min=torch.finfo(malignancy.dtype).eps)
    return -(torch.log(sound) * false).sum() / false.numel()


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
            freeze_norms(self)
        return self

    def forward(self, batch: Batch) -> Losses:
        shown = batch["counted"].clone()
        shown[0, 0] |= ~shown.any()  # the backbone works on the slots that count, and on one where none does
        found = self.net.nodule_features(seen(batch["image"][shown], self.preset), batch["location"][shown])
        features = found.new_zeros((*shown.shape, found.shape[1]), dtype=torch.float32)
        features[shown] = found.float()
        return losses_of_features(self.net, features, batch, self.recipe)


class JointNet(ClassifierWithLoss):
    """A batch of either network to its losses; those of the other are not a number.

    Each network's last layers rest in the other's epochs.
    """

    def __init__(self, net: CNet, recipe: ClassifierRecipe, preset: Preset, frozen_norms: bool = False) -> None:
        super().__init__(net, recipe, preset, frozen_norms)
        net.requires_grad_(True)

    def forward(self, batch: Batch) -> Losses:
        of_cases = "cancer" in batch
        losses = super().forward(batch) if of_cases else self._detector_losses(batch)
        unknown = losses["loss"].new_tensor(math.nan)
        return {**dict.fromkeys((*LOSSES, *_DETECTOR_LOSSES), unknown), **losses}

    def _detector_losses(self, batch: Batch) -> Losses:
        output = self.net.NoduleNet(seen(batch["image"], self.preset), batch["location"])
        return detector_loss(output, batch["labels"], batch["positives"], batch["targets"], self.recipe.detector)


def seen(grey: torch.Tensor, preset: Preset) -> torch.Tensor:
    """uint8 crops (N, 1, Z, Y, X) as the classifier's backbone sees them, float32."""
    image = grey.float() if preset.classifier_input == "raw" else normalised(grey, torch.float32)
    return image.contiguous(memory_format=torch.channels_last_3d)


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
    if net.leak is None or unit == 1:
        yield
        return
    parametrize.register_parametrization(net, "baseline", _InUnits(unit))
    try:
        yield
    finally:
        parametrize.remove_parametrizations(net, "baseline")
