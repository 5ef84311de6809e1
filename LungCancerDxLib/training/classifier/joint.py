"""Detector and classifier trained in turn over one backbone (V-E)."""

from __future__ import annotations

import math

import torch

from ...networks.cnet import CNet
from ...preset import Preset
from ..detector.items import DetectorItems
from ..detector.loss import Losses, detector_loss
from ..engine.validation import Batch
from .items import CaseItems
from .network import NAMES, ClassifierWithLoss, seen
from .recipe import ClassifierRecipe

_DETECTOR_NAMES = ("classification", "regression", "found", "rejected")


class JointNet(ClassifierWithLoss):
    """A batch of either network to its losses; those of the other are not a number.

    Each network's last layers rest in the other's epochs.
    """

    def __init__(self, net: CNet, recipe: ClassifierRecipe, preset: Preset, frozen_norms: bool = False) -> None:
        super().__init__(net, recipe, preset, frozen_norms)
        net.requires_grad_(True)

    def forward(self, batch: dict[str, torch.Tensor]) -> Losses:
        of_cases = "cancer" in batch
        losses = super().forward(batch) if of_cases else self._detector_losses(batch)
        unknown = losses["loss"].new_tensor(math.nan)
        return {**dict.fromkeys((*NAMES, *_DETECTOR_NAMES), unknown), **losses}

    def _detector_losses(self, batch: dict[str, torch.Tensor]) -> Losses:
        output = self.net.NoduleNet(seen(batch["image"], self.preset), batch["location"])
        return detector_loss(output, batch["labels"], batch["positives"], batch["targets"], self.recipe.detector)


class JointItems:
    """Blocks of an epoch of patches and one of cases.

    Parameters
    ----------
    detector_steps, classifier_steps
        Batches of the two epochs of a block.
    """

    def __init__(
        self,
        patches: DetectorItems,
        cases: CaseItems,
        recipe: ClassifierRecipe,
        detector_steps: int,
        classifier_steps: int,
    ) -> None:
        self._patches, self._cases = patches, cases
        self._batches = (recipe.detector.batch, recipe.batch)
        self._steps = (detector_steps, classifier_steps)

    def batch(self, step: int, numbers: range) -> Batch:
        """A share of the step's cases, or the same share of its patches."""
        of_detector, of_classifier = self._steps
        block, within = divmod(step, of_detector + of_classifier)
        if within >= of_detector:
            return self._cases.batch(block * of_classifier + within - of_detector, numbers)
        patches, cases = self._batches
        share = range(numbers.start * patches // cases, numbers.stop * patches // cases)
        return self._patches.batch(block * of_detector + within, share)
