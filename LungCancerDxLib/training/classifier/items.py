"""The classifier's training cases: each a pure function of the seed, the step and its number in the step's batch.

Where both networks learn in turn (V-E), epochs of the detector's patches lie between those of the cases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from ...detection.proposals import Proposals
from ...networks.nnet import STRIDE
from ...preset import Preset
from ..cases.store import CaseStore
from ..detector.items import DetectorItems
from ..engine.validation import Batch
from .crops import draw_pose, posed_crop
from .proposals import draw, of_nodules
from .recipe import Augmentation, ClassifierRecipe


class KnownCases(NamedTuple):
    """Cases, their labels (N,) bool, and the proposals of each."""

    store: CaseStore
    labels: np.ndarray
    proposals: Sequence[Proposals]


class CaseItem(NamedTuple):
    """image (K, S, S, S) uint8; location (K, 3, S/4, S/4, S/4) float32; counted, nodule (K,) bool; cancer.

    What is left of the K slots is blank, zero in image and location; `counted` says which slots vote, `nodule` which
    show a described nodule.
    """

    image: np.ndarray
    location: np.ndarray
    counted: np.ndarray
    nodule: np.ndarray
    cancer: bool


class CaseItems:
    """Draws cases, of each case proposals, and a pose for each proposal."""

    def __init__(
        self, cases: KnownCases, recipe: ClassifierRecipe, augmentation: Augmentation, preset: Preset, seed: int
    ) -> None:
        self.cases, self._recipe, self._augmentation = cases, recipe, augmentation
        self._preset, self._seed = preset, seed

    def batch(self, step: int, numbers: range) -> Batch:
        """The cases of these numbers of a step as tensors.

        image (B, K, 1, S, S, S) uint8, location (B, K, 3, C, C, C), counted and nodule (B, K) bool, cancer (B,) float.
        """
        items = [self.item(step, number) for number in numbers]
        return {
            "image": torch.from_numpy(np.stack([item.image for item in items])[:, :, None]),
            "location": torch.from_numpy(np.stack([item.location for item in items])),
            **collate([(item.counted, item.nodule, item.cancer) for item in items]),
        }

    def item(self, step: int, number: int) -> CaseItem:
        """One case."""
        preset, recipe = self._preset, self._recipe
        chosen = case_of(step * recipe.batch + number, len(self.cases.labels), self._seed)
        rng = np.random.default_rng([self._seed, step, number])
        case, slots = self.cases.store.case(chosen), preset.scored_nodules
        proposals = scorable(self.cases.proposals[chosen], preset)
        proposals = proposals[draw(rng, proposals.logit, slots, recipe)]
        image = np.zeros((slots,) + (preset.crop_size,) * 3, dtype=np.uint8)
        location = np.zeros((slots, 3) + (preset.crop_size // STRIDE,) * 3, dtype=np.float32)
        for slot, center_kji in enumerate(proposals.center_kji):
            pose = draw_pose(rng, self._augmentation, float(proposals.diameter[slot]))
            image[slot], location[slot] = posed_crop(case.scan, center_kji, pose, self._augmentation, preset)
        counted, nodule = slot_masks(of_nodules(proposals, case.nodules), preset)
        return CaseItem(image, location, counted, nodule, bool(self.cases.labels[chosen]))


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


def scorable(proposals: Proposals, preset: Preset) -> Proposals:
    """The proposals that may count in inference, too."""
    return proposals[proposals.logit > preset.score_above_logit]


def slot_masks(nodule: np.ndarray, preset: Preset) -> tuple[np.ndarray, np.ndarray]:
    """Which of a case's slots count, and which of them show a nodule, (K,) bool each.

    Parameters
    ----------
    nodule
        (N,) bool, for each proposal that was drawn; it has a slot from the first on. Blanks, which have the others,
        count where the preset says so.
    """
    slots = np.arange(preset.scored_nodules)
    shown = np.zeros(len(slots), dtype=bool)
    shown[: len(nodule)] = nodule
    return (slots < len(nodule)) | preset.blanks_scored, shown


def collate(rows: Sequence[tuple[np.ndarray, np.ndarray, bool]]) -> Batch:
    """The parts of a batch that are the same whatever the network is shown."""
    counted, nodule, cancer = zip(*rows, strict=True)
    return {
        "counted": torch.from_numpy(np.stack(counted)),
        "nodule": torch.from_numpy(np.stack(nodule)),
        "cancer": torch.tensor(cancer, dtype=torch.float32),
    }


def case_of(position: int, cases: int, seed: int) -> int:
    """The case at a position of the endless sequence in which every epoch has each case once, in random order."""
    epoch, within = divmod(position, cases)
    return int(_order(cases, seed, epoch)[within])


@lru_cache(maxsize=4)
def _order(cases: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, cases, epoch]).permutation(cases)


def steps_of_epoch(cases: int, recipe: ClassifierRecipe) -> int:
    """Batches in which each case comes once, but for rounding."""
    return math.ceil(cases / recipe.batch)
