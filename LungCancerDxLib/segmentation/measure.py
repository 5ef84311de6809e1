"""Size and type of an outlined nodule: volume with partial volumes counted, diameters, density.

Terms: volume and equivalent-sphere diameter as in volumetry, longest axial diameter as read on a slice (RECIST).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError, distance

from .outline import Outline, Patch

_RIM_MM = 1.25  # to both sides of the outline: the width of the blur
_NOISE = 0.3  # how far a share may lie outside 0 to 1 because of noise
_SOLID_ABOVE_HU = -300.0  # denser tissue hides the vessels behind it
_CALCIFIED_ABOVE_HU = 200.0  # the usual bound; contrast medium stays below it in nodules
_EDGE_MM = 1.0  # the blurred rim says nothing about density
_CORE_DEPTH = 0.6
_GROUND_GLASS_UP_TO, _SOLID_FROM = 0.08, 0.75  # share of solid tissue: single vessels, and a frayed solid nodule


def volume_mm3(patch: Patch, outline: Outline) -> float:
    """Volume by partial volume analysis (Kuhnigk et al. 2006).

    Deep voxels count whole; those in the rim to both sides of the outline by where their HU lies between lung and
    core. The blur moves tissue across the outline but does not change this sum, so that small nodules in thick
    slices are not underestimated. Outside the lung and in what was cut off nothing counts.
    """
    share, rim = _shares(patch, outline), _rim(patch, outline)
    return float(((outline.mask & ~rim).sum() + share[rim].sum()) * patch.step_mm**3)


def fitted(patch: Patch, outline: Outline, volume_mm3: float) -> Outline:
    """The outline moved within its rim until the mask has the measured volume.

    The half-way surface of a small ball lies inside the ball once it is blurred; the surface that encloses the
    volume does not. Voxels join or leave by their HU, smoothed over a voxel.
    """
    rim = _rim(patch, outline)
    wanted = round(volume_mm3 / patch.step_mm**3) - int((outline.mask & ~rim).sum())
    if not 0 < wanted < rim.sum():
        return outline
    hu = patch.smooth_hu(patch.step_mm)
    mask = outline.mask & ~rim
    order = np.argsort(-hu[rim], kind="stable")[:wanted]
    chosen = np.zeros(int(rim.sum()), dtype=bool)
    chosen[order] = True
    mask[rim] = chosen
    mask = ndimage.binary_fill_holes(mask)
    labels, count = ndimage.label(mask)
    if count > 1:
        mask = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    return replace(outline, mask=mask)


def _shares(patch: Patch, outline: Outline) -> np.ndarray:
    """How much of each voxel is nodule, by its HU between lung (0) and core (1)."""
    share = (patch.hu - outline.background_hu) / (outline.core_hu - outline.background_hu)
    return np.clip(share, -_NOISE, 1 + _NOISE)


def _rim(patch: Patch, outline: Outline) -> np.ndarray:
    """The voxels (bool) of the lung near the outline, on both sides of it and clear of what was cut off."""
    mask = outline.mask
    outer = ~mask & patch.lung & (patch.away_mm(mask, _RIM_MM) <= _RIM_MM)
    if outline.leak.any():
        outer &= patch.away_mm(outline.leak, _RIM_MM) > _RIM_MM
    inner = mask & (patch.away_mm(patch.lung & ~mask, _RIM_MM, mask) <= _RIM_MM)
    return np.asarray(outer | inner)


def equivalent_diameter_mm(volume_mm3: float) -> float:
    """Diameter of the sphere of this volume."""
    return float(np.cbrt(6 * volume_mm3 / np.pi))


def longest_axial_diameter_mm(mask: np.ndarray, step_mm: float) -> float:
    """The longest straight line between two edge points of a mask (Z, Y, X) within one axial plane.

    From voxel centre to voxel centre: what the voxels reach beyond them is what noise adds to the longest of many
    lines (within 1 mm on balls of 6 to 30 mm).
    """
    return max(_longest_in_plane(plane) for plane in mask if plane.any()) * step_mm


def _longest_in_plane(plane: np.ndarray) -> float:
    """Greatest distance between two voxels of a non-empty plane, in voxels."""
    points = np.argwhere(plane & ~ndimage.binary_erosion(plane)).astype(float)
    with suppress(QhullError, ValueError):  # fewer than three points, or all in a line
        points = points[ConvexHull(points).vertices]
    return float(distance.pdist(points).max()) if len(points) > 1 else 0.0


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
