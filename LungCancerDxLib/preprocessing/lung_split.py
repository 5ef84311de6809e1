"""One mask into two lungs: erosion until it breaks, nearest core, and cleaning (section III-B.2)."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..preset import Preset
from .hull import convex_hull
from .lung_mask import ALL_NEIGHBOURS, PIXEL_NEIGHBOURS, bounding_box

_FACE_AND_EDGE_NEIGHBOURS = ndimage.generate_binary_structure(3, 2)


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
    inside = mask[box]
    depth = ndimage.distance_transform_cdt(np.pad(inside, 1), metric="taxicab")[1:-1, 1:-1, 1:-1]
    for erosions in range(preset.max_split_erosions):
        labels, count = ndimage.label(depth > erosions, _FACE_AND_EDGE_NEIGHBOURS)
        sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        if count >= 2:
            first, second = np.argsort(sizes, kind="stable")[::-1][:2] + 1
            if sizes[first - 1] < preset.max_split_ratio * sizes[second - 1]:
                return _by_nearest_core(mask, box, labels, (first, second), spacing_mm_kji)
    return mask.copy(), np.zeros_like(mask)


def _by_nearest_core(
    mask: np.ndarray, box: tuple[slice, ...], labels: np.ndarray, cores: tuple[int, int], spacing_mm_kji: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    core_of_voxel = np.select([labels == core for core in cores], [1, 2], 0).astype(np.uint8)
    nearest = _nearest_core(core_of_voxel, mask[box], spacing_mm_kji)
    lungs = np.zeros_like(mask), np.zeros_like(mask)
    for number, lung in enumerate(lungs, start=1):
        lung[box] = nearest == number
    return lungs


def _nearest_core(core_of_voxel: np.ndarray, mask: np.ndarray, spacing_mm_kji: np.ndarray) -> np.ndarray:
    """Which core, 1 or 2, is nearest to each voxel of the mask, either of them where both are; 0 outside.

    Most voxels lie further to one side than the other core reaches: only the region between the cores needs distances.
    """
    steps = ndimage.distance_transform_cdt(core_of_voxel == 0, metric="taxicab")
    at_most_mm = steps.astype(np.float32) * np.float32(spacing_mm_kji.max())  # to the nearest core, whichever it is
    within_reach = []
    for number in (1, 2):
        side = bounding_box(core_of_voxel == number)[2]
        i = np.arange(mask.shape[2])
        gap_mm = np.maximum(np.maximum(side.start - i, i - side.stop + 1), 0) * spacing_mm_kji[2]
        within_reach.append(mask & (gap_mm.astype(np.float32) <= at_most_mm))
    nearest = np.where(within_reach[0], np.uint8(1), np.uint8(2)) * mask
    unclear = within_reach[0] & within_reach[1]
    if unclear.any():
        reach = np.ceil(at_most_mm[unclear].max() / spacing_mm_kji).astype(int) + 1
        region = bounding_box(unclear, reach)
        feature = ndimage.distance_transform_edt(
            core_of_voxel[region] == 0, sampling=spacing_mm_kji, return_distances=False, return_indices=True
        )
        np.copyto(nearest[region], core_of_voxel[region][tuple(feature)], where=unclear[region])
    return nearest


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
    inside = np.stack([_main_parts(lung_slice, preset.slice_cover) for lung_slice in lung[box]])
    labels, _ = ndimage.label(inside, ALL_NEIGHBOURS)
    largest = labels == np.argmax(np.bincount(labels.ravel())[1:]) + 1
    cleaned = np.zeros_like(lung)
    cleaned[box] = fill_slice_holes(largest)
    return cleaned


def fill_slice_holes(mask: np.ndarray) -> np.ndarray:
    """Fill what each slice of a mask (K, J, I) encloses; a diagonal gap lets the outside in."""
    return np.stack([ndimage.binary_fill_holes(mask_slice, PIXEL_NEIGHBOURS) for mask_slice in mask])


def _main_parts(lung_slice: np.ndarray, cover: float) -> np.ndarray:
    """What lies in the convex hulls of the fewest largest components that make up `cover` of the slice's area."""
    labels, count = ndimage.label(lung_slice, PIXEL_NEIGHBOURS)
    if count < 2:
        return lung_slice
    sizes = np.bincount(labels.ravel())[1:]
    largest_first = np.argsort(-sizes, kind="stable")
    enough = int(np.searchsorted(np.cumsum(sizes[largest_first]), sizes.sum() * cover)) + 1
    boxes = ndimage.find_objects(labels)
    main = np.zeros_like(lung_slice)
    for label in largest_first[:enough] + 1:
        box = boxes[label - 1]
        main[box] |= convex_hull(labels[box] == label)
    return lung_slice & main
