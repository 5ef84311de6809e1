"""What recipe `readers` teaches: a classifier's suspicion of crops, and how well it follows the readers."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import nn
from torch.nn import functional

from ...classification.classifier import mirrored_crop
from ...evaluation.ratings import MIDDLE_SIZES_MM, rated_auc
from ...names import LEAKY_NOISY_OR
from ...networks.cnet import CENTRAL_CELLS, HIDDEN, CNet, central_max
from ...networks.nnet import FEATURE_CHANNELS
from ...preset import Preset
from ..detector.loss import Losses
from .held_out import HeldOut
from .network import seen
from .rated_crops import UNKNOWN_TRAITS, Rated, collate

TRAITS_WEIGHT = 0.5  # of the loss of what is learned beside the suspicion


class RatedNodules(nn.Module):
    """A batch of crops to the loss of their suspicion against soft targets; batch norm stays as it is.

    The readers' other ratings and the diameter are learned beside, from the same hidden features, by a layer that is no
    part of the model: they tell the backbone what to look at.
    """

    def __init__(self, net: CNet, preset: Preset) -> None:
        super().__init__()
        self.net, self.preset, self.traits = net.requires_grad_(True), preset, nn.Linear(HIDDEN, len(UNKNOWN_TRAITS))
        nn.init.zeros_(self.traits.weight)  # the same start for every run
        nn.init.zeros_(self.traits.bias)
        net.NoduleNet.preBlock.requires_grad_(False)  # at full resolution, where a convolution costs most
        net.NoduleNet.output.requires_grad_(False)
        if net.join == LEAKY_NOISY_OR:
            net.baseline.requires_grad_(False)

    def train(self, mode: bool = True) -> RatedNodules:
        """Training mode, of all but the batch norms."""
        super().train(mode)
        self.net.NoduleNet.eval()
        return self

    def features(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """(B, 128) central features of each crop, float32."""
        image = seen(batch["image"], self.preset)
        return central_max(self.net.NoduleNet.features(image, batch["location"], CENTRAL_CELLS)).float()

    def hidden(self, features: torch.Tensor) -> torch.Tensor:
        """(B, 64) hidden features of central ones, float32."""
        with torch.autocast(features.device.type, enabled=False):
            return torch.relu(self.net.fc1(self.net.dropout(features)))

    def forward(self, batch: dict[str, torch.Tensor]) -> Losses:
        hidden, target, traits = self.hidden(self.features(batch)), batch["target"], batch["traits"]
        with torch.autocast(hidden.device.type, enabled=False):
            logits, other = self.net.fc2(hidden)[:, 0], self.traits(hidden)
        known = ~traits.isnan()
        missed = functional.smooth_l1_loss(other, traits.nan_to_num(), reduction="none")
        of_traits = (missed * known).sum() / known.sum().clamp(min=1)
        of_rating = functional.binary_cross_entropy_with_logits(logits, target)
        least = functional.binary_cross_entropy(target, target)
        error = (torch.sigmoid(logits.detach()) - target).abs().mean()
        return {
            "loss": of_rating + TRAITS_WEIGHT * of_traits,
            "above_least": (of_rating - least).detach(),
            "traits": of_traits.detach(),
            "error": error,
        }


@torch.no_grad()
def suspicions(module: RatedNodules, crops: Sequence[Rated], batch: int) -> np.ndarray:
    """(N,) of crops and, where the preset mirrors, the mirrored ones, in the module's precision."""
    device, views = next(module.parameters()).device, [list(crops)]
    if module.preset.mirrored_crops:
        mirrored = (mirrored_crop(crop.image, crop.location) for crop in crops)
        views.append([Rated(image, location, np.nan) for image, location in mirrored])
    features = torch.zeros(len(crops), FEATURE_CHANNELS)
    for view in views:
        for first in range(0, len(view), batch):
            tensors = collate(view[first : first + batch])
            found = module.features({name: tensor.to(device) for name, tensor in tensors.items()})
            features[first : first + batch] += found.cpu() / len(views)
    hidden = module.hidden(features.to(device))
    with torch.autocast(device.type, enabled=False):
        return torch.sigmoid(module.net.fc2(hidden)[:, 0]).cpu().numpy().astype(float)


def measured(module: RatedNodules, others: HeldOut, batch: int) -> dict[str, float]:
    """How well suspicion follows the readers on nodules that are not learned from, and the diameter beside it.

    `auc` tells ratings 4 and 5 from 1 and 2, `auc_middle` the same from 8 to 20 mm, `rank` is Spearman's with the
    rating; `sd_resampled` is the mean standard deviation of a nodule's suspicion over its samplings, `alarms` the mean
    suspicion of false alarms.
    """
    module.eval()
    suspicion = suspicions(module, others.crops, batch)
    anew = [suspicions(module, crops, batch) for crops in others.resampled]
    alarms = suspicions(module, others.alarms, batch)
    module.train()
    target = np.array([crop.target for crop in others.crops])
    rating = np.array([nodule.malignancy for nodule in others.nodules])
    diameter = np.array([nodule.diameter_mm for nodule in others.nodules])
    middle = (diameter >= MIDDLE_SIZES_MM[0]) & (diameter <= MIDDLE_SIZES_MM[1])
    clipped = np.clip(suspicion, 1e-6, 1 - 1e-6)
    spread = [np.std([one, *again]) for one, again in zip(suspicion, anew, strict=False)]
    row = {"rating_loss": float(-np.mean(target * np.log(clipped) + (1 - target) * np.log(1 - clipped)))}
    for name, score in (("", suspicion), ("_diameter", diameter)):
        row[f"auc{name}"] = rated_auc(score, rating)
        row[f"auc_middle{name}"] = rated_auc(score[middle], rating[middle])
        row[f"rank{name}"] = float(spearmanr(score, rating).statistic)
    means = {"sd_resampled": np.array(spread), "alarms": alarms}
    return {**row, **{name: float(np.mean(values)) if len(values) else nan for name, values in means.items()}}
