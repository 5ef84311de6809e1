"""The lung preprocessing of the paper (III-B) and of the code published in 2017, step by step and slowly.

Fast code is checked against this one, so it is written from the description alone and imports nothing but the
constants. Arrays run (K, J, I) in the canonical order: k to the head, so the top slices are the last ones. Spacings are
mm along k, j, i. `Preset.recover_lost_lungs` is our own addition and is left out here on purpose.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import ndimage

from LungCancerDxLib.preset import Preset
from Testing.Oracles.lung_mask import (
    ROUNDING_SLACK,
    air_components_per_slice,
    clean_lung,
    dilate_lungs,
    fill_holes,
    fill_slice_holes,
    hull_lung,
    lung_components,
    split_lungs,
)

# ---------------------------------------------------------------------- intensity (III-B.3)


def to_grey(hu: np.ndarray, preset: Preset) -> np.ndarray:
    """Hounsfield units to 0..255 over the window, truncated to uint8."""
    low, high = preset.window_hu
    share = np.clip((hu.astype(np.float64) - low) / (high - low), 0.0, 1.0)
    return (share * 255).astype(np.uint8)


def mask_grey(grey: np.ndarray, dilated: np.ndarray, lungs: np.ndarray, preset: Preset) -> np.ndarray:
    """Tissue outside the dilated mask, and in place of the bone between it and the lungs (neither hulled nor grown)."""
    masked = grey.copy()
    masked[~dilated] = preset.tissue_value
    masked[dilated & ~lungs & (grey > preset.bone_value)] = preset.tissue_value
    return masked


# ---------------------------------------------------------------------- working grid and crop (III-B.3)


def corner_aligned_shape(shape_kji: tuple[int, int, int], spacing_mm_kji: np.ndarray, preset: Preset) -> np.ndarray:
    """Working voxels along every axis, (3,), where the first and last voxel centres of both grids coincide."""
    sizes = [n * float(mm) / preset.working_spacing_mm for n, mm in zip(shape_kji, spacing_mm_kji, strict=True)]
    return np.array([max(1, round(size)) for size in sizes])


def corner_aligned_grey(grey: np.ndarray, spacing_mm_kji: np.ndarray, preset: Preset) -> np.ndarray:
    """Grey values on the corner aligned grid, linear between source voxels, uint8.

    Where scipy interpolates into uint8 it adds one half and truncates, so halves go up (2.5 becomes 3) unlike in numpy.
    The self check compares `zoom` into uint8 with `zoom` into float64 on random values, exact halves included.
    """
    shape = corner_aligned_shape(grey.shape, spacing_mm_kji, preset)
    return ndimage.zoom(grey, shape / np.array(grey.shape), order=1, mode="nearest")


def corner_aligned_box(lungs: np.ndarray, spacing_mm_kji: np.ndarray, preset: Preset) -> tuple[np.ndarray, np.ndarray]:
    """First working voxel and end (exclusive) of the box around the lungs (neither hulled nor grown), with margins.

    The published arithmetic, index times spacing although the grid is not quite at 1 mm, and the end counted from the
    last lung voxel itself, so the high margin holds one voxel less than its number.
    """
    shape = corner_aligned_shape(lungs.shape, spacing_mm_kji, preset)
    low, high = np.zeros(3, dtype=int), np.zeros(3, dtype=int)
    for axis in range(3):
        first, last = lung_ends(lungs, axis)
        working_mm = float(spacing_mm_kji[axis]) / preset.working_spacing_mm
        low[axis] = max(math.floor(first * working_mm) - preset.crop_margin_low, 0)
        high[axis] = min(math.floor(last * working_mm) + preset.crop_margin_high, int(shape[axis]))
    return low, high


def centred_positions(lungs: np.ndarray, spacing_mm_kji: np.ndarray, preset: Preset) -> list[np.ndarray]:
    """Source indices of the exact grid's voxels along every axis.

    They lie symmetrically about the lungs' middle, 1 mm apart, so many fours of them that both margins are whole;
    outer fours that lie outside the source altogether are left out. What only rounding keeps from an integer counts as
    one.
    """
    positions = []
    for axis in range(3):
        first, last = (
            index * float(spacing_mm_kji[axis]) / preset.working_spacing_mm for index in lung_ends(lungs, axis)
        )
        wanted = last - first + 1 + preset.crop_margin_low + preset.crop_margin_high
        fours = np.arange(4 * math.ceil(wanted / 4 - ROUNDING_SLACK), dtype=float).reshape(-1, 4)
        fours += (first + last) / 2 - (fours.size - 1) / 2
        source = fours * preset.working_spacing_mm / float(spacing_mm_kji[axis])
        inside = (source >= -ROUNDING_SLACK) & (source <= lungs.shape[axis] - 1 + ROUNDING_SLACK)
        positions.append(source[inside.any(axis=1)].ravel())
    return positions


def lung_ends(lungs: np.ndarray, axis: int) -> tuple[int, int]:
    """First and last index of the lungs along an axis."""
    indices = np.nonzero(lungs)[axis]
    if len(indices) == 0:
        raise ValueError("no lung voxels to crop around")
    return int(indices.min()), int(indices.max())


def sampled_grey(grey: np.ndarray, positions: list[np.ndarray]) -> np.ndarray:
    """Grey values at source indices along every axis, linear between voxels, halves up, uint8."""
    source = grey.astype(np.float64)
    j, i = np.meshgrid(positions[1], positions[2], indexing="ij")
    working = np.zeros([len(along) for along in positions], dtype=np.uint8)
    for k, at_k in enumerate(positions[0]):
        values = ndimage.map_coordinates(source, [np.full(j.shape, at_k), j, i], order=1, mode="nearest")
        working[k] = np.clip(np.floor(values + 0.5), 0, 255)
    return working


# ---------------------------------------------------------------------- the whole


def preprocess(hu: np.ndarray, spacing_mm_kji: np.ndarray, preset: Preset) -> dict[str, Any]:
    """Every intermediate result; `hull` is the union of both lungs' hulls.

    A mask that never splits may still hold two lungs, so it only has its slices' holes filled: the largest component
    alone could lose one of them. Hulls are taken per lung before they are united.
    """
    spacing_mm_kji = np.asarray(spacing_mm_kji, dtype=float)
    air = air_components_per_slice(hu, spacing_mm_kji, preset)
    lungs_raw = lung_components(air, spacing_mm_kji, preset)
    filled = fill_holes(lungs_raw)
    lung_a, lung_b = split_lungs(filled, spacing_mm_kji, preset)
    if lung_b.any():
        lung_a, lung_b = clean_lung(lung_a, preset), clean_lung(lung_b, preset)
    else:
        lung_a = fill_slice_holes(lung_a)
    lungs = lung_a | lung_b
    hull = hull_lung(lung_a, preset) | hull_lung(lung_b, preset)
    dilated = dilate_lungs(hull, spacing_mm_kji, preset)
    grey = to_grey(hu, preset)
    masked = mask_grey(grey, dilated, lungs, preset)
    if preset.working_grid == "corner aligned":
        low, high = corner_aligned_box(lungs, spacing_mm_kji, preset)
        working = corner_aligned_grey(masked, spacing_mm_kji, preset)
        cropped = working[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    else:
        cropped = sampled_grey(masked, centred_positions(lungs, spacing_mm_kji, preset))
    return {
        "air": air,
        "lungs_raw": lungs_raw,
        "filled": filled,
        "lung_a": lung_a,
        "lung_b": lung_b,
        "hull": hull,
        "dilated": dilated,
        "grey": grey,
        "masked": masked,
        "cropped": cropped,
    }
