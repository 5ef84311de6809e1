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


def working_shape_and_step(
    shape_kji: tuple[int, int, int], spacing_mm_kji: np.ndarray, preset: Preset
) -> tuple[np.ndarray, np.ndarray]:
    """Working voxels and source voxels per working voxel, along every axis, both shape (3,).

    Corner aligned: the first and last voxel centres of both grids coincide. Exact: working voxels stand at true
    distances from source voxel 0. A single corner-aligned working voxel has the step 1, which nothing uses.
    """
    shape = np.zeros(3, dtype=int)
    step = np.ones(3)
    for axis in range(3):
        n, mm = int(shape_kji[axis]), float(spacing_mm_kji[axis])
        if preset.working_grid == "corner aligned":
            shape[axis] = max(1, round(n * mm / preset.working_spacing_mm))
            if shape[axis] > 1:
                step[axis] = (n - 1) / (shape[axis] - 1)
        else:
            shape[axis] = math.floor((n - 1) * mm / preset.working_spacing_mm + ROUNDING_SLACK) + 1
            step[axis] = preset.working_spacing_mm / mm
    return shape, step


def resample_grey(grey: np.ndarray, spacing_mm_kji: np.ndarray, preset: Preset) -> np.ndarray:
    """Grey values on the working grid, linear between source voxels, uint8.

    Where scipy interpolates into uint8 it adds one half and truncates, so halves go up (2.5 becomes 3) unlike in numpy.
    The self check compares `zoom` into uint8 with `zoom` into float64 on random values, exact halves included.
    """
    shape, step = working_shape_and_step(grey.shape, spacing_mm_kji, preset)
    if preset.working_grid == "corner aligned":
        return ndimage.zoom(grey, shape / np.array(grey.shape), order=1, mode="nearest")
    source = grey.astype(np.float64)
    j, i = np.meshgrid(np.arange(shape[1]) * step[1], np.arange(shape[2]) * step[2], indexing="ij")
    working = np.zeros(shape, dtype=np.uint8)
    for k in range(shape[0]):
        at = [np.full(j.shape, k * step[0]), j, i]
        values = ndimage.map_coordinates(source, at, order=1, mode="nearest")
        working[k] = np.clip(np.floor(values + 0.5), 0, 255)
    return working


def crop_box(lungs: np.ndarray, spacing_mm_kji: np.ndarray, preset: Preset) -> tuple[np.ndarray, np.ndarray]:
    """First working voxel and end (exclusive) of the box around the lungs (neither hulled nor grown), with margins.

    Corner aligned: the published arithmetic, index times spacing although the grid is not quite at 1 mm, and the end
    counted from the last lung voxel itself, so the high margin holds one voxel less than its number. Exact: every lung
    voxel centre is inside, both margins whole; quotients that only rounding keeps from an integer count as integers.
    The exact box begins at a multiple of four voxels from source voxel 0, which is at the patient's origin here.
    """
    shape, step = working_shape_and_step(lungs.shape, spacing_mm_kji, preset)
    low, high = np.zeros(3, dtype=int), np.zeros(3, dtype=int)
    for axis in range(3):
        indices = np.nonzero(lungs)[axis]
        if len(indices) == 0:
            raise ValueError("no lung voxels to crop around")
        first, last = int(indices.min()), int(indices.max())
        if preset.working_grid == "corner aligned":
            working_mm = float(spacing_mm_kji[axis]) / preset.working_spacing_mm
            start = math.floor(first * working_mm) - preset.crop_margin_low
            end = math.floor(last * working_mm) + preset.crop_margin_high
        else:
            start = math.floor(first / step[axis] + ROUNDING_SLACK) - preset.crop_margin_low
            end = math.ceil(last / step[axis] - ROUNDING_SLACK) + 1 + preset.crop_margin_high
            start -= start % 4
        low[axis], high[axis] = max(start, 0), min(end, int(shape[axis]))
    return low, high


# ---------------------------------------------------------------------- the whole


def preprocess(hu: np.ndarray, spacing_mm_kji: np.ndarray, preset: Preset) -> dict[str, Any]:
    """Every intermediate result; `box` is the pair of `crop_box`, `hull` the union of both lungs' hulls.

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
    working = resample_grey(masked, spacing_mm_kji, preset)
    low, high = crop_box(lungs, spacing_mm_kji, preset)
    cropped = working[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
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
        "working": working,
        "box": (low, high),
        "cropped": cropped,
    }
