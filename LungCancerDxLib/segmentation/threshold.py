"""The adaptive threshold: half-way between a nodule's core and the lung around it.

Half-way is where a sharp edge lies after any symmetric blur, so volumes are unbiased whatever the nodule's density.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..preprocessing.lung_mask import bounding_box

LUNG_HU = -850.0  # air-filled lung, where too little of it is in sight to measure
LUNG_BELOW_HU = -600.0  # what is denser is no plain lung
_FEWEST_VOXELS = 50  # a median over fewer says little
_CORE_DEPTH = 0.7  # of the greatest depth: deeper voxels see nothing of the edge
FAINT_BELOW_HU = -450.0  # a core that is fainter is ground glass
_FAINT_CORE_DEPTH, _FAINT_AND_LARGE_MM = 0.35, 4.0  # in nodules whose inscribed radius is larger
_DENSEST_HU = 400.0  # calcium beyond this must not lift the threshold above soft tissue


def background_hu(hu: np.ndarray, around: np.ndarray) -> float:
    """Median HU of the plain lung in a neighbourhood (bool)."""
    lung = hu[around & (hu < LUNG_BELOW_HU)]
    return float(np.median(lung)) if len(lung) >= _FEWEST_VOXELS else LUNG_HU


def core_hu(hu: np.ndarray, mask: np.ndarray, step_mm: float) -> float:
    """Median HU of the deep voxels of a non-empty mask.

    Of a faint nodule that is not small all but the rim counts: its density varies, and its middle is often the
    densest part.
    """
    box = bounding_box(mask, 1)  # all that depths within the mask depend on
    hu, mask = hu[box], mask[box]
    depth = ndimage.distance_transform_edt(mask)
    core = _median_below(hu, mask, depth, _CORE_DEPTH)
    if core < FAINT_BELOW_HU and depth.max() * step_mm > _FAINT_AND_LARGE_MM:
        core = _median_below(hu, mask, depth, _FAINT_CORE_DEPTH)
    return min(core, _DENSEST_HU)


def _median_below(hu: np.ndarray, mask: np.ndarray, depth: np.ndarray, share: float) -> float:
    return float(np.median(hu[mask & (depth >= share * depth[mask].max())]))


def closed(mask: np.ndarray, radius: float) -> np.ndarray:
    """A mask closed with a ball of `radius` voxels: clefts and pores narrower than twice that are filled."""
    filled, box = mask.copy(), bounding_box(mask, int(radius) + 2)
    dilated = ndimage.distance_transform_edt(~mask[box]) <= radius
    filled[box] |= ndimage.distance_transform_edt(dilated) > radius
    return filled


def component_at(mask: np.ndarray, center_kji: np.ndarray, farthest: float) -> np.ndarray:
    """The face-connected component of a mask nearest to a point; empty where none is within `farthest` voxels."""
    labels, _ = ndimage.label(mask)
    points = np.argwhere(mask)
    if len(points) == 0:
        return mask
    distance = np.linalg.norm(points - center_kji, axis=1)
    nearest = int(distance.argmin())
    if distance[nearest] > farthest:
        return np.zeros_like(mask)
    return labels == labels[tuple(points[nearest])]


def blob_center(excess_hu: np.ndarray, sigma: float, distance: np.ndarray, search: float) -> np.ndarray:
    """Where a proposal's nodule lies: the maximum of the smoothed contrast near the block's middle, index (3,).

    Parameters
    ----------
    excess_hu
        Contrast to the lung, not negative, zero outside the lungs.
    sigma
        Scale of the nodule in voxels.
    distance
        Distance of each voxel from the proposal, in any unit.
    search
        How far the proposal may be off, in the same unit; candidates lose weight towards that distance.
    """
    smooth = ndimage.gaussian_filter(excess_hu, sigma)
    weight = np.clip(1 - 0.5 * (distance / search) ** 2, 0, None) * (distance <= search)
    return np.array(np.unravel_index(np.argmax(np.round(smooth * weight, 6)), smooth.shape))
