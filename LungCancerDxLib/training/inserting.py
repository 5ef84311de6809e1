"""Nodules put into a patch while it is made, the strongest ingredient where few scans have described nodules."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from .case_store import TrainingCase
from .recipe import Recipe

_TRIES = 4


class Inserter(Protocol):
    """What puts one nodule into a piece of a scan."""

    def __call__(
        self,
        rng: np.random.Generator,
        case: TrainingCase,
        crop: np.ndarray,
        start_kji: np.ndarray,
        diameter_mm: float,
        margin: float,
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Insert a nodule of about this diameter.

        Parameters
        ----------
        crop
            (S, S, S) uint8, the scan's voxels from `start_kji` on, maybe with nodules inserted before; not changed.
        margin
            Voxels that the nodule's box keeps from every side of the crop, where it fits.

        Returns
        -------
        The new crop and the box (4,) k, j, i, d in voxels of the scan; None where no place was found.
        """


def draw_diameter(rng: np.random.Generator, recipe: Recipe) -> float:
    """A diameter in mm from the recipe's log-normal distribution, within its range."""
    median, spread = recipe.inserted_diameter
    return float(np.clip(median * np.exp(spread * rng.standard_normal()), *recipe.inserted_range))


def insert(
    rng: np.random.Generator,
    inserter: Inserter,
    case: TrainingCase,
    crop: np.ndarray,
    start_kji: np.ndarray,
    recipe: Recipe,
) -> tuple[np.ndarray, np.ndarray]:
    """A crop with one nodule, sometimes two, and their boxes (N, 4) in voxels of the scan; none where none fits.

    A nodule never touches another or a sphere that must be kept away from.
    """
    boxes: list[np.ndarray] = []
    for _ in range(1 + (rng.random() < recipe.second_inserted)):
        for _ in range(_TRIES):
            taken = np.concatenate([case.nodules, case.keep_away * (1, 1, 1, 2), np.array(boxes).reshape(-1, 4)])
            found = inserter(rng, case, crop, start_kji, draw_diameter(rng, recipe), recipe.margin)
            if found is not None and not _touches(found[1], taken):
                crop = found[0]
                boxes.append(found[1])
                break
    return crop, np.array(boxes).reshape(-1, 4)


def _touches(box: np.ndarray, others: np.ndarray) -> bool:
    distance = np.linalg.norm(others[:, :3] - box[:3], axis=1)
    return bool((distance < (box[3] + others[:, 3]) / 2).any())
