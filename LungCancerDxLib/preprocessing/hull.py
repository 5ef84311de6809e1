"""Lungs with what is attached to their walls: slice-wise convex hull and dilation (section III-B.2)."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.morphology import convex_hull_image

from ..preset import Preset
from .lung_mask import FACE_NEIGHBOURS
from .lung_split import bounding_box

_ROUNDING_MM = 1e-9  # four slices of 2.5 mm are 10 mm, also when the spacing comes out of an affine


def hull_lung(lung: np.ndarray, preset: Preset) -> np.ndarray:
    """One lung with each slice replaced by its convex hull, so that nodules on the pleura come inside.

    A slice whose hull is more than `max_hull_ratio` times as large is kept as it is (crescents above the diaphragm).

    Parameters
    ----------
    lung
        (K, J, I) bool, one lung.
    """
    if not lung.any():
        return lung.copy()
    box = bounding_box(lung)
    hull = lung.copy()
    for hull_slice in hull[box]:
        if hull_slice.any():
            convex = convex_hull_image(hull_slice)
            if convex.sum() <= preset.max_hull_ratio * hull_slice.sum():
                hull_slice[:] = convex
    return hull


def dilate_lungs(mask: np.ndarray, spacing_mm_kji: np.ndarray, preset: Preset) -> np.ndarray:
    """The union of both hulls with some surrounding space.

    The paper's 10 voxels are read as voxels of the 1 mm grid, like all its other lengths: a ball of 10 mm. The
    published code dilates with the face neighbours on the CT's own grid: 25 mm towards head and feet where slices
    are 2.5 mm apart, 7 mm in plane.

    Parameters
    ----------
    mask
        (K, J, I) bool.
    spacing_mm_kji
        (3,) voxel size in mm.
    """
    if preset.dilation == "cross of the CT grid":
        reach = np.full(3, preset.dilation_voxels)
    else:
        radius_mm = preset.dilation_voxels * preset.working_spacing_mm
        reach = np.floor(radius_mm / spacing_mm_kji).astype(int) + 1
    box = tuple(slice(max(side.start - r, 0), side.stop + r) for side, r in zip(bounding_box(mask), reach, strict=True))
    dilated = mask.copy()
    if preset.dilation == "cross of the CT grid":
        dilated[box] = ndimage.binary_dilation(mask[box], FACE_NEIGHBOURS, iterations=preset.dilation_voxels)
    else:
        dilated[box] = ndimage.distance_transform_edt(~mask[box], sampling=spacing_mm_kji) <= radius_mm + _ROUNDING_MM
    return dilated
