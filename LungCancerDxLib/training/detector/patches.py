"""Cubes cut out of a scan: padded, scaled, mirrored, with their boxes and their location crop (IV-A, IV-C)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ...detection.location import LocationScale
from ...networks.nnet import STRIDE
from ...preprocessing.working_grid import cut_out, linear_along
from .recipe import TISSUE, Recipe

_TRIES = 64


@dataclass(frozen=True)
class Cut:
    """Where a patch lies: its voxel v shows the scan's voxel start + v / scale, on each axis.

    Parameters
    ----------
    start_kji
        (3,) int: first voxel of the scan, may lie outside it.
    size
        Edge of the patch in its own voxels, a multiple of 16.
    """

    start_kji: np.ndarray
    size: int
    scale: float = 1.0

    def source(self, image: np.ndarray) -> np.ndarray:
        """The cube of a scan (Z, Y, X) uint8 that the patch is made of; tissue beyond the scan."""
        return cut_out(image, self.start_kji, source_size(self.size, self.scale), TISSUE)

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes or regions (N, 4) k, j, i, length in the scan's voxels to the patch's."""
        moved = np.array(boxes, dtype=float).reshape(-1, 4)
        moved[:, :3] -= self.start_kji
        return moved * self.scale

    def resampled(self, source: np.ndarray) -> np.ndarray:
        """What `source` gave to the patch (size,)*3 uint8: linear, rounded."""
        if self.scale == 1:
            return source
        image = source
        for axis in range(3):
            image = linear_along(image, axis, np.arange(self.size) / self.scale)
        return (image + 0.5).astype(np.uint8)

    def location(self, scale: LocationScale) -> np.ndarray:
        """The location crop (3, size/4, size/4, size/4): what inference gives the same part of the scan."""
        zoomed = replace(scale, zero_kji=scale.zero_kji * self.scale, span_kji=scale.span_kji * self.scale)
        return zoomed.map(self.start_kji * self.scale, (self.size // STRIDE,) * 3)


def source_size(size: int, scale: float) -> int:
    """Voxels of a scan that a patch of `size` voxels is made of."""
    return size if scale == 1 else int((size - 1) / scale) + 2


def mirrored(cube: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """A cube (..., Z, Y, X) turned round along some of its last three axes, numbered 0 to 2."""
    return np.ascontiguousarray(np.flip(cube, tuple(axis - 3 for axis in axes)))


def mirrored_boxes(boxes: np.ndarray, size: int, axes: tuple[int, ...]) -> np.ndarray:
    """Boxes or regions (N, 4) in the voxels of a patch that was mirrored."""
    turned = boxes.copy()
    turned[:, list(axes)] = size - 1 - turned[:, list(axes)]
    return turned


def mirrored_location(location: np.ndarray, axes: tuple[int, ...], of_patient: bool) -> np.ndarray:
    """The location crop (3, Z, Y, X) of a mirrored patch.

    Of a mirrored patient it rises along every axis as any patient's does, and what was left of the middle is now as far
    to the right of it. Otherwise it is turned round with the image, as in the published code.
    """
    turned = mirrored(location, axes)
    if of_patient:
        turned[list(axes)] *= -1
    return turned


class Targets(NamedTuple):
    """Nodules to be found: their case (N,), their number in it (N,), and how often each comes in an epoch (N,)."""

    cases: np.ndarray
    numbers: np.ndarray
    weights: np.ndarray


def targets_of(nodules: Sequence[np.ndarray], recipe: Recipe) -> Targets:
    """The nodules of a store's cases of `smallest_target` or more; larger ones come more often (IV-E)."""
    found = [
        (case, number, _weight(box[3], recipe))
        for case, boxes in enumerate(nodules)
        for number, box in enumerate(boxes)
        if box[3] >= recipe.smallest_target
    ]
    cases, numbers, weights = np.array(found, dtype=float).reshape(-1, 3).T
    return Targets(cases.astype(int), numbers.astype(int), weights)


def case_chances(synthetic: np.ndarray, recipe: Recipe) -> np.ndarray:
    """How often each case is drawn where no described nodule is: (C,), sum 1; the recipe's `scan_share` from scans.

    All cases alike where the recipe has no such share or the cases are all scans or all synthetic (C,) bool.
    """
    if recipe.scan_share is None or synthetic.all() or not synthetic.any():
        return np.full(len(synthetic), 1 / len(synthetic))
    of_synthetic, of_scan = (1 - recipe.scan_share) / synthetic.sum(), recipe.scan_share / (~synthetic).sum()
    return np.asarray(np.where(synthetic, of_synthetic, of_scan))


def patches_of_epoch(nodules: Sequence[np.ndarray], recipe: Recipe) -> float:
    """Each target as often as it weighs, and the random patches that belong to them."""
    return float(targets_of(nodules, recipe).weights.sum()) / recipe.nodule_share


def _weight(diameter: float, recipe: Recipe) -> float:
    return next((weight for above, weight in reversed(recipe.weights) if diameter > above), 1.0)


def draw_scale(
    rng: np.random.Generator, scale: tuple[float, float], diameters: tuple[float, float] | None, diameter: float | None
) -> float:
    """A random size change; one that takes a nodule of a diameter beyond a range of diameters is cut (IV-A)."""
    low, high = scale
    if diameter is not None and diameters is not None:
        smallest, largest = diameters
        low, high = min(max(smallest / diameter, low), 1.0), max(min(largest / diameter, high), 1.0)
    return float(rng.uniform(low, high)) if low < high else low


def nodule_start(rng: np.random.Generator, box: np.ndarray, scale: float, recipe: Recipe) -> np.ndarray:
    """First voxel (3,) of a patch that shows a box (k, j, i, d) with the recipe's margin to every side.

    A nodule that is too large for it comes to the middle, but for a few voxels.
    """
    last, margin, radius = (recipe.patch - 1) / scale, recipe.margin / scale, box[3] / 2
    low = np.ceil(box[:3] + radius + margin - last).astype(int)
    high = np.floor(box[:3] - radius - margin).astype(int)
    if (low <= high).all():
        return np.asarray(rng.integers(low, high, endpoint=True))
    middle: np.ndarray = np.rint(box[:3] - last / 2).astype(int)
    return middle + rng.integers(-recipe.off_centre, recipe.off_centre, 3, endpoint=True)


def random_start(
    rng: np.random.Generator, dilated: np.ndarray, exclusion_regions: np.ndarray, size: int, recipe: Recipe
) -> np.ndarray:
    """First voxel (3,) of a cube of so many voxels, by the recipe's `random_patches`.

    A cube that reaches into one of the `exclusion_regions` (N, 4) k, j, i, radius is drawn again, a few times.
    """
    start = np.zeros(3, dtype=int)
    for _ in range(_TRIES):
        start = _random_start(rng, dilated, size, recipe)
        if not reaches(start, size, exclusion_regions):
            break
    return start


def _random_start(rng: np.random.Generator, dilated: np.ndarray, size: int, recipe: Recipe) -> np.ndarray:
    shape, half = np.array(dilated.shape), size // 2
    if recipe.random_patches == "as published":
        low, high = np.minimum(half, shape // 2 - recipe.margin), np.maximum(shape - half, shape // 2 + recipe.margin)
        return np.asarray(rng.integers(low, high))
    if recipe.random_patches == "within the scan":
        low, high = np.minimum(shape - size, 0), np.maximum(shape - size, 0)
        return np.asarray(rng.integers(low, high, endpoint=True))
    return _voxel_within(rng, dilated) - half


def _voxel_within(rng: np.random.Generator, mask: np.ndarray) -> np.ndarray:
    """A random voxel (3,) of a mask; of its whole box where the mask is empty."""
    voxel: np.ndarray = rng.integers(0, mask.shape)
    for _ in range(_TRIES):
        if mask[tuple(voxel)]:
            return voxel
        voxel = rng.integers(0, mask.shape)
    inside = np.flatnonzero(mask)
    return np.array(np.unravel_index(rng.choice(inside), mask.shape)) if len(inside) else voxel


def reaches(start: np.ndarray, size: int, regions: np.ndarray) -> bool:
    """Whether a cube reaches into one of the regions (N, 4) k, j, i, radius."""
    nearest = np.clip(regions[:, :3], start, start + size - 1)
    return bool((np.linalg.norm(nearest - regions[:, :3], axis=1) <= regions[:, 3]).any())
