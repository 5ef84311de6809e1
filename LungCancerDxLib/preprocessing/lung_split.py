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
    block_depth = _least_of_blocks(depth)
    for erosions in range(preset.max_split_erosions):
        left = depth > erosions
        if _holds_together(block_depth > erosions, int(np.count_nonzero(left)), preset):
            continue
        components = Runs.of(left).components(FACES_AND_EDGES)
        if components.count >= 2:
            first, second = np.argsort(components.size, kind="stable")[::-1][:2]
            if components.size[first] < preset.max_split_ratio * components.size[second]:
                number = np.zeros(components.count, dtype=np.uint8)
                number[[first, second]] = 1, 2
                cores = components.runs.paint(number[components.of_run])
                surface = np.flatnonzero((depth == erosions + 1) & (cores > 0))
                return _by_nearest_core(mask, box, cores, surface, spacing_mm_kji)
    return mask.copy(), np.zeros_like(mask)


def _least_of_blocks(array: np.ndarray) -> np.ndarray:
    """The least value of each block of two voxels along each axis; a last odd plane is left out."""
    for axis in range(3):
        along = np.moveaxis(array, axis, 0)[: array.shape[axis] // 2 * 2]
        array = np.moveaxis(np.minimum(along[::2], along[1::2]), 0, axis)
    return array


def _holds_together(filled_blocks: np.ndarray, voxels: int, preset: Preset) -> bool:
    """Whether the whole blocks (2 x 2 x 2) in a mask of so many voxels show that one component outweighs the rest."""
    largest = 8 * int(Runs.of(filled_blocks).components(FACES_AND_EDGES).size.max(initial=0))
    return largest >= preset.max_split_ratio * (voxels - largest)


def _by_nearest_core(
    mask: np.ndarray, box: tuple[slice, ...], cores: np.ndarray, surface: np.ndarray, spacing_mm_kji: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    nearest = _nearest_core(cores, surface, mask[box], spacing_mm_kji)
    lungs = np.zeros_like(mask), np.zeros_like(mask)
    for number, lung in enumerate(lungs, start=1):
        lung[box] = nearest == number
    return lungs


def _nearest_core(cores: np.ndarray, surface: np.ndarray, mask: np.ndarray, spacing_mm_kji: np.ndarray) -> np.ndarray:
    """Which core, 1 or 2, is nearest to each voxel of the mask, either of them where both are; 0 outside.

    Distances between blocks of voxels settle it for all but a sheet between the cores; only there are exact ones
    needed, to the cores' surface (flat indices of its voxels).
    """
    block = tuple(max(round(_BLOCK_MM / spacing), 1) for spacing in spacing_mm_kji)
    block_mm = spacing_mm_kji * block
    distance_mm = [
        ndimage.distance_transform_edt(~_any_in_block(cores == number, block), sampling=block_mm) for number in (1, 2)
    ]
    lead_mm = distance_mm[1] - distance_mm[0]
    error_mm = 2 * float(np.linalg.norm(block_mm - spacing_mm_kji))  # of a difference of two distances
    close = (np.abs(lead_mm) <= error_mm) & _any_in_block(mask, block)
    nearest: np.ndarray = _of_voxels((lead_mm < 0).astype(np.uint8) + np.uint8(1), block, mask.shape) * mask
    unclear = np.flatnonzero(_of_voxels(close, block, mask.shape) & mask)
    if len(unclear):
        farthest_mm = np.minimum(*distance_mm)[close].max() + error_mm
        points_mm, surface_mm = (
            np.stack(np.unravel_index(flat, mask.shape), axis=-1) * spacing_mm_kji for flat in (unclear, surface)
        )
        low_mm, high_mm = points_mm.min(axis=0) - farthest_mm, points_mm.max(axis=0) + farthest_mm
        within = ((surface_mm >= low_mm) & (surface_mm <= high_mm)).all(axis=1)
        tree = KDTree(surface_mm[within], balanced_tree=False)
        _, nearest_of = tree.query(points_mm, workers=-1)
        nearest.ravel()[unclear] = cores.ravel()[surface[within][nearest_of]]
    return nearest


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
