"""The classifier's training cases: each a pure function of the seed, the step and its number in the step's batch.

Where both networks learn in turn (V-E), epochs of the detector's patches lie between those of the cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from ...detection.proposals import Proposals
from ...networks.nnet import STRIDE
from ...preset import Preset
from ...runtime.npz import Arrays
from ..cases.proposals import of_nodules
from ..cases.store import CaseStore
from ..detector.items import DetectorItems
from ..engine.validation import Batch
from .crops import draw_pose, posed_crop
from .proposals import draw
from .recipe import Augmentation, ClassifierRecipe


class KnownCases(NamedTuple):
    """Cases, their labels (N,) bool, and the proposals of each."""

    store: CaseStore
    labels: np.ndarray
    proposals: Sequence[Proposals]


@dataclass(frozen=True)
class CaseItems:
    """Draws cases, of each case proposals, and a pose for each proposal."""

    cases: KnownCases
    recipe: ClassifierRecipe
    augmentation: Augmentation
    preset: Preset
    seed: int

    def batch(self, step: int, numbers: range) -> Batch:
        """The cases of these numbers of a step."""
        return collate([self.item(step, number) for number in numbers])

    def item(self, step: int, number: int) -> Arrays:
        """One case: image (K, 1, S, S, S) uint8, location (K, 3, S/4, S/4, S/4), and those of `slot_masks`.

        What is left of the K slots is blank, zero in image and location.
        """
        preset, recipe = self.preset, self.recipe
        chosen = case_of(step * recipe.batch + number, len(self.cases.labels), self.seed)
        rng = np.random.default_rng([self.seed, step, number])
        case, slots = self.cases.store.case(chosen), preset.scored_nodules
        proposals = scorable(self.cases.proposals[chosen], preset)
        proposals = proposals[draw(rng, proposals.logit, slots, recipe)]
        image = np.zeros((slots, 1) + (preset.crop_size,) * 3, dtype=np.uint8)
        location = np.zeros((slots, 3) + (preset.crop_size // STRIDE,) * 3, dtype=np.float32)
        for slot, center_kji in enumerate(proposals.center_kji):
            pose = draw_pose(rng, self.augmentation, float(proposals.diameter[slot]))
            image[slot, 0], location[slot] = posed_crop(case.scan, center_kji, pose, self.augmentation, preset)
        known = slot_masks(of_nodules(proposals, case.nodules), self.cases.labels[chosen], preset)
        return {"image": image, "location": location, **known}


@dataclass(frozen=True)
class JointItems:
    """Blocks of an epoch of patches, of so many batches, and one of cases."""

    patches: DetectorItems
    cases: CaseItems
    detector_steps: int
    classifier_steps: int

    def batch(self, step: int, numbers: range) -> Batch:
        """A share of the step's cases, or the same share of its patches."""
        block, within = divmod(step, self.detector_steps + self.classifier_steps)
        if within >= self.detector_steps:
            return self.cases.batch(block * self.classifier_steps + within - self.detector_steps, numbers)
        patches, cases = self.cases.recipe.detector.batch, self.cases.recipe.batch
        share = range(numbers.start * patches // cases, numbers.stop * patches // cases)
        return self.patches.batch(block * self.detector_steps + within, share)


def scorable(proposals: Proposals, preset: Preset) -> Proposals:
    """The proposals that may count in inference, too."""
    return proposals[proposals.logit > preset.score_above_logit]


def slot_masks(nodule: np.ndarray, cancer: bool, preset: Preset) -> Arrays:
    """What is known of a case whatever the network is shown.

    counted (K,) bool: which slots vote, those with a proposal and, where the preset says so, blanks. nodule (K,) bool:
    which show a described nodule. cancer: 0 or 1.

    Parameters
    ----------
    nodule
        (N,) bool, of the proposals that were drawn; they have the first slots.
    """
    slots = np.arange(preset.scored_nodules)
    shown = np.zeros(len(slots), dtype=bool)
    shown[: len(nodule)] = nodule
    counted = (slots < len(nodule)) | preset.blanks_scored
    return {"counted": counted, "nodule": shown, "cancer": np.array(cancer, dtype=np.float32)}


def collate(items: Sequence[Arrays]) -> Batch:
    """Items of the same shapes as one batch."""
    return {name: torch.from_numpy(np.stack([item[name] for item in items])) for name in items[0]}


def case_of(position: int, cases: int, seed: int) -> int:
    """The case at a position of the endless sequence in which every epoch has each case once, in random order."""
    epoch, within = divmod(position, cases)
    return int(_order(cases, seed, epoch)[within])


@lru_cache(maxsize=4)
def _order(cases: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng([seed, cases, epoch]).permutation(cases)
