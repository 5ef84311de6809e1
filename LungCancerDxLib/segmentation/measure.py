"""What is measured in a nodule's masks, on the CT's own grid.

A mask ends where readers outline, at the nodule's outer edge; its volume is that of the tissue in it and in its rim.
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError, distance

from ..names import CALCIFIED, GROUND_GLASS, PART_SOLID, SOLID

_LUNG_HU, _LUNG_BELOW_HU = -850.0, -600.0  # where too little lung is in sight to measure; what is denser is none
_FEWEST_VOXELS = 30  # a median over fewer says little
_AROUND_MM = (2.5, 8.0)  # from the mask: the lung around it
_OUTER_MM, _INNER_MM = 1.25, 2.0  # the rim, to both sides of the mask's surface: what blur and readers' margin move
_CORE_DEPTH = 0.7  # of the greatest depth: deeper voxels see nothing of the edge
_FEW_SLICES = 3  # in which none may be full of the nodule
_LEAST_SOLID_HU = 0.0  # of solid tissue without fat
_NOISE = 0.3  # how far a share may lie outside 0 to 1 because of noise
_LEAST_CONTRAST_HU = 60.0
_LEAST_OF_MASK = 0.1  # of a mask's voxels: what makes less of it, among a few noisy ones, has measured noise
MARGIN_MM = 10.0  # around a mask that measurements look at
_CALCIFIED_ABOVE_HU = 200.0  # 164 HU without contrast medium (Siegelman et al. 1980); the rest is room for that (ours)
_SOLID_ABOVE_HU = -300.0  # of solid components (Scholten et al. 2015, Eur Radiol 25:488)
_SMALLEST_CORE_MM = 2.0  # a smaller solid component is a vessel
_BLURRED_MM, _SOLID_FROM = 1.25, 0.75  # depth of the rim; share of what is deeper


def volume_mm3(hu: np.ndarray, mask: np.ndarray, spacing_mm_kji: np.ndarray, is_solid: bool = False) -> float:
    """Volume by partial volume analysis (Kuhnigk et al. 2006).

    Deep voxels count whole; those in the rim to both sides of the mask's surface by where their HU lies between lung
    and core. Blur and thick slices move tissue across the surface but do not change this sum. In the rim outside the
    mask nothing counts that is near other dense tissue, a vessel or the wall. Where that does not tell tissue from
    lung, for want of contrast or of voxels, the volume is the mask's.

    Parameters
    ----------
    hu, mask
        (K, J, I) of a box around the nodule, `MARGIN_MM` wider than the mask; the mask is not empty.
    is_solid
        Whether it is known to be solid tissue, of which no voxel may be full in thick slices.
    """
    sampling = spacing_mm_kji / np.maximum(spacing_mm_kji, 1.0)  # a thick slice blurs over its own thickness
    outside, depth = ndimage.distance_transform_edt(~mask, sampling), ndimage.distance_transform_edt(mask, sampling)
    core = max(_core_hu(hu, mask, depth), _LEAST_SOLID_HU if is_solid else -np.inf)
    around = hu[(outside > _AROUND_MM[0]) & (outside < _AROUND_MM[1]) & (hu < _LUNG_BELOW_HU)]
    lung = float(np.median(around)) if len(around) >= _FEWEST_VOXELS else _LUNG_HU
    whole = float(np.prod(spacing_mm_kji))
    if core - lung < _LEAST_CONTRAST_HU:
        return float(mask.sum() * whole)
    share = np.clip((hu - lung) / (core - lung), -_NOISE, 1 + _NOISE)
    other = (share > 0.5) & (outside > _OUTER_MM) & (outside < _AROUND_MM[1])
    outer = (outside > 0) & (outside <= _OUTER_MM)
    if other.any():
        outer &= ndimage.distance_transform_edt(~other, sampling) > _OUTER_MM
    inner = mask & (depth <= _INNER_MM)
    voxels = (mask & ~inner).sum() + share[inner].sum() + share[outer].sum()
    return float((voxels if voxels > _LEAST_OF_MASK * mask.sum() else mask.sum()) * whole)


def _core_hu(hu: np.ndarray, mask: np.ndarray, depth: np.ndarray) -> float:
    """HU of what fills a nodule: of its deep voxels; where it has few slices, of the middle of the fullest."""
    slices = np.flatnonzero(mask.any(axis=(1, 2)))
    if len(slices) > _FEW_SLICES:
        return float(np.median(hu[depth >= _CORE_DEPTH * depth.max()]))
    within = ((hu[k], ndimage.distance_transform_edt(mask[k])) for k in slices)
    return max(float(np.median(plane[deep >= _CORE_DEPTH * deep.max()])) for plane, deep in within)


def equivalent_diameter_mm(volume_mm3: float) -> float:
    """Diameter of the sphere of this volume."""
    return float(np.cbrt(6 * max(volume_mm3, 0.0) / np.pi))


def longest_axial_diameter_mm(mask: np.ndarray, spacing_mm_ji: np.ndarray) -> float:
    """The longest straight line between two edge voxels of a mask (K, J, I) within one slice, from centre to centre.

    What the voxels reach beyond their centres is what noise adds to the longest of many lines.
    """
    longest = 0.0
    for plane in mask:
        points = np.argwhere(plane & ~ndimage.binary_erosion(plane)) * spacing_mm_ji
        with suppress(QhullError, ValueError):  # fewer than three points, or all in a line
            points = points[ConvexHull(points).vertices]
        longest = max(longest, distance.pdist(points).max(initial=0.0))
    return float(longest)


def nodule_type(hu: np.ndarray, mask: np.ndarray, core: np.ndarray, spacing_mm_kji: np.ndarray) -> str:
    """Solid, part-solid or ground-glass (Fleischner 2017) by the solid core (Scholten et al. 2015), or calcified.

    Where a nodule is solid is asked within its blurred rim, where it is calcified in its middle.
    """
    depth_mm = ndimage.distance_transform_edt(mask, spacing_mm_kji)
    deepest_mm = float(depth_mm.max())
    if np.median(hu[depth_mm >= _CORE_DEPTH * deepest_mm]) > _CALCIFIED_ABOVE_HU:
        return CALCIFIED
    share = float(core[depth_mm > min(_BLURRED_MM, 0.5 * deepest_mm)].mean())
    return SOLID if share >= _SOLID_FROM else PART_SOLID if core.any() else GROUND_GLASS


def solid_core(hu: np.ndarray, core: np.ndarray, voxel_mm3: float) -> tuple[np.ndarray, float | None]:
    """The part of a core (bool) that is solid tissue, and its diameter; nothing and None where it may be a vessel."""
    solid = core & (hu > _SOLID_ABOVE_HU)
    diameter_mm = equivalent_diameter_mm(np.count_nonzero(solid) * voxel_mm3)
    return (solid, diameter_mm) if diameter_mm >= _SMALLEST_CORE_MM else (np.zeros_like(solid), None)
