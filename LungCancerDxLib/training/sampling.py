"""Which part of which scan a patch shows (IV-A, IV-E)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .recipe import Recipe

_TRIES = 64


class NoduleChances(NamedTuple):
    """All targets of a store: their case (N,), their number in it (N,), and how often each is drawn (N,), sum 1."""

    cases: np.ndarray
    numbers: np.ndarray
    probabilities: np.ndarray


def nodule_chances(nodules: Sequence[np.ndarray], recipe: Recipe) -> NoduleChances:
    """How often each nodule of `smallest_target` or more is drawn; larger ones more often (IV-E)."""
    found = [
        (case, number, _weight(box[3], recipe))
        for case, boxes in enumerate(nodules)
        for number, box in enumerate(boxes)
        if box[3] >= recipe.smallest_target
    ]
    cases, numbers, weights = np.array(found, dtype=float).reshape(-1, 3).T
    return NoduleChances(cases.astype(int), numbers.astype(int), weights / max(weights.sum(), 1.0))


def case_chances(synthetic: np.ndarray, recipe: Recipe) -> np.ndarray:
    """How often each case is drawn where no described nodule is: (C,), sum 1; the recipe's `scan_share` from scans.

    All cases alike where the recipe has no such share or the cases are all scans or all invented.

    Parameters
    ----------
    synthetic
        (C,) bool, which patients were invented.
    """
    invented = np.asarray(synthetic, dtype=bool)
    if recipe.scan_share is None or invented.all() or not invented.any():
        return np.full(len(invented), 1 / len(invented))
    return np.where(invented, (1 - recipe.scan_share) / invented.sum(), recipe.scan_share / (~invented).sum())


def rows(nodules: Sequence[np.ndarray], recipe: Recipe) -> float:
    """Patches of an epoch: each nodule as often as it weighs, and the random patches that belong to them."""
    weights = [_weight(box[3], recipe) for boxes in nodules for box in boxes if box[3] >= recipe.smallest_target]
    return sum(weights) / recipe.nodule_share


def _weight(diameter: float, recipe: Recipe) -> float:
    return next((weight for above, weight in reversed(recipe.weights) if diameter > above), 1.0)


def draw_scale(rng: np.random.Generator, recipe: Recipe, diameter: float | None) -> float:
    """A random size change; one that takes a nodule of this diameter beyond `scaled_diameters` is cut (IV-A)."""
    low, high = recipe.scale
    if diameter is not None and recipe.scaled_diameters is not None:
        smallest, largest = recipe.scaled_diameters
        low, high = min(max(smallest / diameter, low), 1.0), max(min(largest / diameter, high), 1.0)
    return float(rng.uniform(low, high))


def nodule_start(rng: np.random.Generator, box: np.ndarray, scale: float, recipe: Recipe) -> np.ndarray:
    """First voxel (3,) of a patch that shows a box (k, j, i, d) with the recipe's margin to every side.

    A nodule that is too large for it comes to the middle, but for a few voxels.
    """
    last, margin, radius = (recipe.patch - 1) / scale, recipe.margin / scale, box[3] / 2
    low = np.ceil(box[:3] + radius + margin - last).astype(int)
    high = np.floor(box[:3] - radius - margin).astype(int)
    if (low <= high).all():
        return rng.integers(low, high, endpoint=True)
    middle = np.rint(box[:3] - last / 2).astype(int)
    return middle + rng.integers(-recipe.off_centre, recipe.off_centre, 3, endpoint=True)


def random_start(
    rng: np.random.Generator, dilated: np.ndarray, keep_away: np.ndarray, size: int, recipe: Recipe
) -> np.ndarray:
    """First voxel (3,) of a cube of so many voxels, by the recipe's `random_places`.

    A cube that reaches into a sphere of `keep_away` (N, 4) k, j, i, radius is drawn again, a limited number of times.
    """
    start = np.zeros(3, dtype=int)
    for _ in range(_TRIES):
        start = _random_start(rng, dilated, size, recipe)
        if not reaches(start, size, keep_away):
            break
    return start


def _random_start(rng: np.random.Generator, dilated: np.ndarray, size: int, recipe: Recipe) -> np.ndarray:
    shape = np.array(dilated.shape)
    if recipe.random_places == "as published":
        half = size // 2
        return rng.integers(
            np.minimum(half, shape // 2 - recipe.margin), np.maximum(shape - half, shape // 2 + recipe.margin)
        )
    if recipe.random_places == "within the scan":
        return rng.integers(np.minimum(shape - size, 0), np.maximum(shape - size, 0), endpoint=True)
    return _voxel_within(rng, dilated) - size // 2


def _voxel_within(rng: np.random.Generator, mask: np.ndarray) -> np.ndarray:
    """A random voxel (3,) of a mask; of its whole box where the mask is empty."""
    voxel = rng.integers(0, mask.shape)
    for _ in range(_TRIES):
        if mask[tuple(voxel)]:
            return voxel
        voxel = rng.integers(0, mask.shape)
    inside = np.flatnonzero(mask)
    return np.array(np.unravel_index(rng.choice(inside), mask.shape)) if len(inside) else voxel


def reaches(start: np.ndarray, size: int, spheres: np.ndarray) -> bool:
    """Whether a cube reaches into one of the spheres (N, 4)."""
    nearest = np.clip(spheres[:, :3], start, start + size - 1)
    return bool((np.linalg.norm(nearest - spheres[:, :3], axis=1) <= spheres[:, 3]).any())
