"""Whether an outline can be a nodule; what cannot be one gets no mask."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

SMALLEST_DIAMETER_MM = 2.0  # equivalent sphere; smaller findings are below what CT measures
_SMALLEST_OF_BOX = 0.35  # a detector's box is not three times as wide as its nodule; a piece of vessel may be
_WIDEST_TOUCH = 0.08  # share of the surface that may lie on the sphere's border
_LONGEST_TO_MIDDLE = 2.6  # spread along the main axis over that along the second: more is a vessel or a scar


def touches_border(mask: np.ndarray, from_center_mm: np.ndarray, sphere_mm: float, step_mm: float) -> bool:
    """Whether a non-empty mask lies against the border of the sphere it was looked for in with much of its surface."""
    surface = mask & ~ndimage.binary_erosion(mask)
    at_border = surface & (from_center_mm > sphere_mm - 1.5 * step_mm)
    return bool(at_border.sum() > _WIDEST_TOUCH * surface.sum())


def is_filament(mask: np.ndarray) -> bool:
    """Whether a non-empty mask is long and thin."""
    points = np.argwhere(mask)
    if len(points) < 2:
        return False
    spread = np.sqrt(np.clip(np.linalg.eigvalsh(np.cov(points.T) + np.eye(3) / 12), 0, None))
    return bool(spread[2] > _LONGEST_TO_MIDDLE * spread[1])


def is_too_small(mask: np.ndarray, step_mm: float, box_diameter_mm: float | None) -> bool:
    """Whether the equivalent sphere of a mask is below what can be measured, or has little to do with its box."""
    smallest_mm = max(SMALLEST_DIAMETER_MM, _SMALLEST_OF_BOX * (box_diameter_mm or 0.0))
    return bool(mask.sum() * step_mm**3 < np.pi / 6 * smallest_mm**3)
