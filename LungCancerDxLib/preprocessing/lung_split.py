"""One mask into two lungs: erosion until it breaks, nearest core, and cleaning (section III-B.2)."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from ..preset import Preset
from .hull import convex_hull
from .lung_mask import bounding_box
from .runs import ALL, FACES_AND_EDGES, PIXELS, Runs

_BLOCK_MM = 2.5


def split_lungs(mask: np.ndarray, spacing_mm_kji: np.ndarray, preset: Preset) -> tuple[np.ndarray, np.ndarray]:
    """The two lungs of a mask, the one with the larger core first; the second is empty where the mask never breaks.

    The mask is eroded voxel layer by voxel layer until its two largest components are of similar volume; every voxel
    of the original mask then belongs to the nearer of these two cores.

    Parameters
    ----------
    mask
        (K, J, I) bool.
    spacing_mm_kji
        (3,) voxel size in mm.
    """
    box = bounding_box(mask)
    depth = ndimage.distance_transform_cdt(np.pad(mask[box], 1), metric="taxicab")[1:-1, 1:-1, 1:-1]
    depth = np.minimum(depth, preset.max_split_erosions).astype(np.uint8)
    for erosions in range(preset.max_split_erosions):
        components = Runs.of(depth > erosions).components(FACES_AND_EDGES)
        if components.count >= 2:
            first, second = np.argsort(components.size, kind="stable")[::-1][:2]
            if components.size[first] < preset.max_split_ratio * components.size[second]:
                number = np.zeros(components.count, dtype=np.uint8)
                number[[first, second]] = 1, 2
                return _by_nearest_core(mask, box, components.runs.paint(number[components.of_run]), spacing_mm_kji)
    return mask.copy(), np.zeros_like(mask)


def _by_nearest_core(
    mask: np.ndarray, box: tuple[slice, ...], core_of_voxel: np.ndarray, spacing_mm_kji: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    nearest = _nearest_core(core_of_voxel, mask[box], spacing_mm_kji)
    lungs = np.zeros_like(mask), np.zeros_like(mask)
    for number, lung in enumerate(lungs, start=1):
        lung[box] = nearest == number
    return lungs


def _nearest_core(core_of_voxel: np.ndarray, mask: np.ndarray, spacing_mm_kji: np.ndarray) -> np.ndarray:
    """Which core, 1 or 2, is nearest to each voxel of the mask, either of them where both are; 0 outside.

    Distances between blocks of voxels settle it for all but a sheet between the cores; only there are exact ones
    needed.
    """
    block = tuple(max(round(_BLOCK_MM / spacing), 1) for spacing in spacing_mm_kji)
    block_mm = spacing_mm_kji * block
    distance_mm = [
        ndimage.distance_transform_edt(~_any_in_block(core_of_voxel == number, block), sampling=block_mm)
        for number in (1, 2)
    ]
    error_mm = 2 * float(np.linalg.norm(block_mm - spacing_mm_kji))  # of a difference of two distances
    lead_mm = distance_mm[1] - distance_mm[0]
    error_mm = 2 * float(np.linalg.norm(block_mm - spacing_mm_kji))  # of a difference of two distances
    close = (np.abs(lead_mm) <= error_mm) & _any_in_block(mask, block)
    nearest = _of_voxels((lead_mm < 0).astype(np.uint8) + np.uint8(1), block, mask.shape) * mask
    unclear = np.argwhere(_of_voxels(close, block, mask.shape) & mask)
    if len(unclear):
        farthest_mm = np.minimum(*distance_mm)[close].max() + error_mm
        region = _region(unclear, np.ceil(farthest_mm / spacing_mm_kji).astype(int) + 1, mask.shape)
        core = core_of_voxel[region]
        surface = np.argwhere((core > 0) & ~ndimage.binary_erosion(core > 0, border_value=1))
        corner = np.array([side.start for side in region])
        _, nearest_of = KDTree(surface * spacing_mm_kji).query((unclear - corner) * spacing_mm_kji, workers=-1)
        nearest[tuple(unclear.T)] = core[tuple(surface[nearest_of].T)]
    return nearest


def _region(points_kji: np.ndarray, margin: np.ndarray, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """The box of slices that holds points (N, 3) with a margin, within an array."""
    low, high = points_kji.min(axis=0) - margin, points_kji.max(axis=0) + 1 + margin
    return tuple(slice(int(max(a, 0)), int(min(b, n))) for a, b, n in zip(low, high, shape, strict=True))


def _any_in_block(mask: np.ndarray, block: tuple[int, ...]) -> np.ndarray:
    """Which blocks of a mask hold any voxel; those at the far ends may be cut off."""
    for axis, size in enumerate(block):
        along = np.moveaxis(mask, axis, 0)
        found = along[::size].copy()
        for offset in range(1, size):
            part = along[offset::size]
            found[: len(part)] |= part
        mask = np.moveaxis(found, 0, axis)
    return mask


def _of_voxels(of_blocks: np.ndarray, block: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    """The values of blocks, given to their voxels."""
    for axis, size in enumerate(block):
        of_blocks = of_blocks.repeat(size, axis=axis)
    return of_blocks[tuple(slice(size) for size in shape)]


def clean_lung(lung: np.ndarray, preset: Preset) -> np.ndarray:
    """One lung without crumbs: the main parts of each slice, the largest 3D component, its slices without holes.

    Parameters
    ----------
    lung
        (K, J, I) bool.
    """
    if not lung.any():
        return lung.copy()
    box = bounding_box(lung)
    components = Runs.of(_main_parts(lung[box], preset.slice_cover)).components(ALL)
    largest = np.zeros(components.count, dtype=bool)
    largest[np.argmax(components.size)] = True
    cleaned = np.zeros_like(lung)
    cleaned[box] = fill_slice_holes(components.mask(largest))
    return cleaned


def fill_slice_holes(mask: np.ndarray) -> np.ndarray:
    """Fill what each slice of a mask (K, J, I) encloses; a diagonal gap lets the outside in."""
    components = Runs.of(~mask).components(PIXELS)
    outside = np.zeros(components.count, dtype=bool)
    for axis in (1, 2):
        for side in (0, -1):
            outside |= components.choose(components.runs.at_border(axis, side))
    return ~components.mask(outside)


def _main_parts(lung: np.ndarray, cover: float) -> np.ndarray:
    """Of each slice what lies in the convex hulls of the fewest largest components that make up `cover` of its area."""
    components = Runs.of(lung).components(PIXELS)
    first_run = np.unique(components.of_run, return_index=True)[1]
    parts_of_slice = np.bincount(components.runs.k[first_run], minlength=len(lung))
    main = lung.copy()
    for k in np.flatnonzero(parts_of_slice > 1).tolist():
        runs, here = components.runs.in_slice(k)
        labels = runs.paint(components.of_run[here] + 1)[0]
        main[k] &= _main_hulls(labels, cover)
    return main


def _main_hulls(labels: np.ndarray, cover: float) -> np.ndarray:
    """The convex hulls of the fewest largest parts that make up `cover` of a slice; labels (J, I) of its parts."""
    part, size = np.unique(labels[labels > 0], return_counts=True)
    largest_first = np.argsort(-size, kind="stable")
    enough = int(np.searchsorted(np.cumsum(size[largest_first]), size.sum() * cover)) + 1
    hulls = np.zeros(labels.shape, dtype=bool)
    for number in part[largest_first[:enough]]:
        hulls |= convex_hull(labels == number)
    return hulls
