"""Lungs with what is attached to their walls: slice-wise convex hull and dilation (section III-B.2)."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull

from ..preset import Preset
from ..runtime.progress import in_threads
from .lung_mask import bounding_box

_ROUNDING = 1e-9  # four slices of 2.5 mm are 10 mm, also when the spacing comes out of an affine


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
    hull = lung.copy()
    for hull_slice in hull[bounding_box(lung)]:
        if hull_slice.any():
            convex = convex_hull(hull_slice)
            if np.count_nonzero(convex) <= preset.max_hull_ratio * np.count_nonzero(hull_slice):
                hull_slice[:] = convex
    return hull


def convex_hull(mask: np.ndarray) -> np.ndarray:
    """Pixels whose centres lie in the convex hull of a non-empty mask (J, I), each mask pixel taken as a diamond.

    What scikit-image's `convex_hull_image` gives, but filled row by row: within a row a convex figure is one run.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    row, column = np.concatenate([rows, rows]), np.concatenate([first, last])
    diamonds = np.concatenate(
        [np.column_stack([row + dj, column + di]) for dj, di in ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5))]
    )
    corners = diamonds[ConvexHull(diamonds).vertices]
    top, bottom = rows[0], rows[-1] + 1
    start, end = _run_in_each_row(corners, np.arange(top, bottom))
    columns = np.arange(mask.shape[1])
    filled = np.zeros_like(mask)
    filled[top:bottom] = (columns >= start[:, None] - _ROUNDING) & (columns <= end[:, None] + _ROUNDING)
    return filled


def _run_in_each_row(corners: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a convex polygon with corners (N, 2) (row, column) begins and ends in each row."""
    (row_a, column_a), (row_b, column_b) = corners.T, np.roll(corners, -1, axis=0).T
    slanted = row_a != row_b
    row_a, column_a, row_b, column_b = (side[slanted, None] for side in (row_a, column_a, row_b, column_b))
    crossing = column_a + (column_b - column_a) * (rows - row_a) / (row_b - row_a)
    crossed = (np.minimum(row_a, row_b) <= rows) & (rows <= np.maximum(row_a, row_b))
    return np.where(crossed, crossing, np.inf).min(axis=0), np.where(crossed, crossing, -np.inf).max(axis=0)


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
    ball = preset.dilation == "ball of the working grid"
    radius_mm = preset.dilation_voxels * preset.working_spacing_mm
    reach = np.ceil(radius_mm / spacing_mm_kji).astype(int) if ball else np.full(3, preset.dilation_voxels)
    box = bounding_box(mask, reach)
    dilated = mask.copy()
    if ball:
        dilated[box] = _dilate_by_ball(mask[box], radius_mm, spacing_mm_kji)
    else:
        dilated[box] = ndimage.distance_transform_cdt(~mask[box], "taxicab") <= preset.dilation_voxels
    return dilated


def _dilate_by_ball(mask: np.ndarray, radius_mm: float, spacing_mm_kji: np.ndarray) -> np.ndarray:
    """Voxels at most `radius_mm` from the mask: in each slice near it, within the disc that the ball has there."""
    thickness_mm, in_plane_mm = spacing_mm_kji[0], spacing_mm_kji[1:]
    offsets = np.arange(int(radius_mm / thickness_mm + _ROUNDING) + 1)
    discs_mm = np.sqrt(np.maximum(radius_mm**2 - (offsets * thickness_mm) ** 2, 0)) + _ROUNDING
    reach = np.zeros(mask.shape, dtype=np.uint8)  # of how many discs, the ball's widest first, a pixel lies within
    dilated = np.zeros_like(mask)

    def measure(k: int) -> None:
        if mask[k].any():
            box = bounding_box(mask[k], np.ceil(radius_mm / in_plane_mm).astype(int))
            distance_mm = ndimage.distance_transform_edt(~mask[k][box], sampling=in_plane_mm)
            for disc_mm in discs_mm:
                reach[k][box] += distance_mm <= disc_mm

    def gather(k: int) -> None:
        for other in range(max(k - offsets[-1], 0), min(k + offsets[-1] + 1, len(mask))):
            dilated[k] |= reach[other] > abs(k - other)

    for step in (measure, gather):
        for _ in in_threads(step, range(len(mask))):
            pass
    return dilated
