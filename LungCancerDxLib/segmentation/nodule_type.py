"""Solid, part-solid, ground-glass or calcified, as the Fleischner Society's guidelines (2017) tell nodules apart."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_SOLID_ABOVE_HU = -300.0  # denser tissue hides the vessels behind it
_CALCIFIED_ABOVE_HU = 200.0  # the usual bound; contrast medium stays below it in nodules
_EDGE_MM = 1.0  # the blurred rim says nothing about density
_CORE_DEPTH = 0.6
_GROUND_GLASS_UP_TO, _SOLID_FROM = 0.08, 0.75  # share of solid tissue: single vessels, and a frayed solid nodule


def nodule_type(hu: np.ndarray, mask: np.ndarray, threshold_hu: float, step_mm: float) -> str:
    """The type of a non-empty mask (Z, Y, X) by the HU inside its blurred rim; air in cavities does not count."""
    depth_mm = ndimage.distance_transform_edt(mask) * step_mm
    deepest_mm = depth_mm.max()
    if hu[mask & (depth_mm >= _CORE_DEPTH * deepest_mm)].mean() > _CALCIFIED_ABOVE_HU:
        return "calcified"
    inner = mask & (depth_mm > min(_EDGE_MM, 0.5 * deepest_mm))
    tissue = hu[inner & (hu >= threshold_hu)] if (inner & (hu >= threshold_hu)).any() else hu[inner]
    share = float((tissue > _SOLID_ABOVE_HU).mean())
    if share <= _GROUND_GLASS_UP_TO:
        return "ground-glass"
    return "solid" if share >= _SOLID_FROM else "part-solid"
