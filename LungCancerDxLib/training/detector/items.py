"""The detector's training patches: each a pure function of the seed, the step and its number in the step's batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import expit

from ...datasets.nodule_bank import BankNodule
from ...detection.anchors import AnchorLabels, draw_pool, ignore_spheres, label_anchors
from ...detection.location import location_scale
from ...detection.proposals import Boxes, Proposals
from ...errors import UsageError
from ...networks.nnet import STRIDE
from ...preset import Preset
from ..cases.real_nodules import cube_image, draw_turn
from ..cases.store import CaseStore, TrainingCase
from ..engine.validation import Batch
from .insertion import Inserter, insert
from .patches import (
    Cut,
    case_chances,
    draw_scale,
    mirrored,
    mirrored_boxes,
    mirrored_location,
    nodule_start,
    random_start,
    source_size,
    targets_of,
)
from .recipe import Recipe

_PATCHES_TRIED = 4  # until one has room for a nodule
_CUBE_DEGREES, _CUBE_SHIFT = 25.0, 12.0  # how far a cube is turned about each axis, and shifted along it, voxels


class Item(NamedTuple):
    """image (P, P, P) uint8; location (3, P/4, P/4, P/4) float32; labels; boxes (N, 4) of the targets, in the patch."""

    image: np.ndarray
    location: np.ndarray
    labels: AnchorLabels
    boxes: np.ndarray


class _Shown(NamedTuple):
    """A patch before it is scaled and mirrored; boxes (N, 4) in voxels of the scan, the one it was drawn for first."""

    case: TrainingCase
    cut: Cut
    source: np.ndarray
    boxes: np.ndarray
    augmented: bool
    chosen: int  # how many of the first boxes it was made for


class DetectorItems:
    """Draws patches from a store's cases by a recipe.

    Parameters
    ----------
    cubes
        Of a bank of real nodules, for the recipe's `cube_share`.
    false_alarms
        Of each case, for the recipe's `false_alarm_share`: drawn in proportion to their confidence.

    Raises
    ------
    UsageError
        Where there is nothing to find: no nodule is large enough and nothing is inserted.
    """

    def __init__(
        self,
        store: CaseStore,
        recipe: Recipe,
        preset: Preset,
        seed: int,
        inserter: Inserter | None = None,
        cubes: Sequence[BankNodule] = (),
        false_alarms: Sequence[Proposals] = (),
    ) -> None:
        self._cubes = cubes if recipe.cube_share > 0 else ()
        self._store, self._recipe, self._preset, self._seed = store, recipe, preset, seed
        self._targets = targets_of(store.nodules, recipe)
        self._case_chances = case_chances(store.synthetic, recipe)
        self._false_alarms = false_alarms
        self._alarm_chances = self._case_chances[: len(false_alarms)] * [len(found) > 0 for found in false_alarms]
        self._inserter = inserter if recipe.inserted_share > 0 else None
        if len(self._targets.cases) == 0 and self._inserter is None:
            raise UsageError(
                f"No case in {store.folder} has a nodule of {recipe.smallest_target:g} mm or more, and recipe "
                f"{recipe.name} inserts none. Add cases with nodules or use a recipe that inserts them (cpu)."
            )

    def batch(self, step: int, numbers: range) -> Batch:
        """The patches of these numbers of a step as tensors.

        image (B, 1, P, P, P) uint8, location (B, 3, C, C, C), labels (B, C, C, C, A) int8, positives (M, 5) int64 with
        the number in the batch first, targets (M, 4).
        """
        items = [self.item(step, number) for number in numbers]
        positives = [np.insert(item.labels.positives, 0, n, axis=1) for n, item in enumerate(items)]
        return {
            "image": torch.from_numpy(np.stack([item.image for item in items])[:, None]),
            "location": torch.from_numpy(np.stack([item.location for item in items])),
            "labels": torch.from_numpy(np.stack([item.labels.labels for item in items])),
            "positives": torch.from_numpy(np.concatenate(positives)),
            "targets": torch.from_numpy(np.concatenate([item.labels.targets for item in items])),
        }

    def item(self, step: int, number: int) -> Item:
        """One patch."""
        rng = np.random.default_rng([self._seed, step, number])
        recipe = self._recipe
        shown = self._shown(rng)
        axes = tuple(axis for axis in recipe.flipped_axes if rng.random() < 0.5) if shown.augmented else ()
        image = mirrored(shown.cut.resampled(shown.source), axes)
        scan = shown.case.scan
        location = shown.cut.location(location_scale(self._preset, scan.image.shape, scan.lung_ends_kji))
        location = mirrored_location(location, axes, recipe.flipped_location == "of the mirrored patient")
        boxes = mirrored_boxes(shown.cut.boxes(shown.boxes), recipe.patch, axes)
        regions = mirrored_boxes(shown.cut.boxes(shown.case.exclusion_regions), recipe.patch, axes)
        wanted = self._wanted(shown, boxes)
        labels = label_anchors(
            Boxes.from_rows(boxes[wanted]),
            Boxes.from_rows(boxes[~wanted]),
            (recipe.patch // STRIDE,) * 3,
            self._preset.anchors_mm,
            rng,
            positive_iou=recipe.positive_iou,
            negative_iou=recipe.negative_iou,
        )
        ignore_spheres(labels.labels, regions[:, :3], regions[:, 3])
        draw_pool(labels.labels, recipe.pool, rng)
        return Item(image, location, labels, boxes[wanted])

    def _wanted(self, shown: _Shown, boxes: np.ndarray) -> np.ndarray:
        """Which boxes are to be found (N,) bool; the others, too small or beyond the patch, count neither way."""
        large = shown.boxes[:, 3] >= self._recipe.smallest_target
        if not self._recipe.every_nodule:
            return large & (np.arange(len(boxes)) < shown.chosen)
        centred = ((boxes[:, :3] >= 0) & (boxes[:, :3] <= self._recipe.patch - 1)).all(axis=1)
        return large & centred

    def _shown(self, rng: np.random.Generator) -> _Shown:
        recipe = self._recipe
        if rng.random() >= recipe.nodule_share:
            scale = self._scale(rng, None) if recipe.augment_random else 1.0
            at_alarm = self._alarm_chances.any() and rng.random() < recipe.false_alarm_share
            case, cut = self._at_false_alarm(rng, scale) if at_alarm else self._anywhere(rng, scale)
            return _Shown(case, cut, cut.source(case.scan.image), case.nodules, recipe.augment_random, chosen=0)
        if self._cubes and rng.random() < recipe.cube_share:
            return self._cube(rng)
        none = len(self._targets.cases) == 0
        if self._inserter is not None and (none or rng.random() < recipe.inserted_share):
            for _ in range(_PATCHES_TRIED):
                case, cut = self._anywhere(rng, self._scale(rng, None))
                source, boxes = insert(rng, self._inserter, case, cut.source(case.scan.image), cut.start_kji, recipe)
                if len(boxes):
                    break
            return _Shown(case, cut, source, np.concatenate([boxes, case.nodules]), True, chosen=len(boxes))
        weights = self._targets.weights
        drawn = rng.choice(len(weights), p=weights / weights.sum())
        case, number = self._store.case(self._targets.cases[drawn]), self._targets.numbers[drawn]
        box, others = case.nodules[number], np.delete(case.nodules, number, axis=0)
        scale = self._scale(rng, box[3])
        cut = Cut(nodule_start(rng, box, scale, recipe), recipe.patch, scale)
        boxes = np.concatenate([box[None], others])
        return _Shown(case, cut, cut.source(case.scan.image), boxes, True, chosen=1)

    def _cube(self, rng: np.random.Generator) -> _Shown:
        """A cube of the bank where some patch of a scan lies; what else is in it counts neither way."""
        case, cut = self._anywhere(rng, self._scale(rng, None))
        cube, size = self._cubes[int(rng.integers(len(self._cubes)))], source_size(self._recipe.patch, cut.scale)
        turn, shift = draw_turn(rng, _CUBE_DEGREES), rng.uniform(-1, 1, 3) * _CUBE_SHIFT
        source = cube_image(cube, turn, shift, size, self._preset)
        middle = cut.start_kji + (size - 1) / 2
        box = np.array([[*(middle - turn.T @ shift), cube.diameter_mm / case.scan.spacing_mm]])
        alone = replace(case, nodules=box, exclusion_regions=np.array([[*middle, size]]))
        return _Shown(alone, cut, source, box, True, chosen=1)

    def _scale(self, rng: np.random.Generator, diameter: float | None) -> float:
        return draw_scale(rng, self._recipe.scale, self._recipe.scaled_diameters, diameter)

    def _at_false_alarm(self, rng: np.random.Generator, scale: float) -> tuple[TrainingCase, Cut]:
        chances = self._alarm_chances / self._alarm_chances.sum()
        number = int(rng.choice(len(chances), p=chances))
        found = self._false_alarms[number]
        confidence = expit(found.logit)
        drawn = int(rng.choice(len(found), p=confidence / confidence.sum()))
        box = np.array([*found.center_kji[drawn], found.diameter[drawn]])
        return self._store.case(number), Cut(nodule_start(rng, box, scale, self._recipe), self._recipe.patch, scale)

    def _anywhere(self, rng: np.random.Generator, scale: float) -> tuple[TrainingCase, Cut]:
        case = self._store.case(int(rng.choice(len(self._store), p=self._case_chances)))
        size = source_size(self._recipe.patch, scale)
        start = random_start(rng, case.scan.dilated, case.exclusion_regions, size, self._recipe)
        return case, Cut(start, self._recipe.patch, scale)
