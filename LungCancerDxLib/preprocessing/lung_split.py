"""One mask into two lungs: erosion until it breaks, nearest core, and cleaning (section III-B.2)."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.morphology import convex_hull_image

from ..preset import Preset
from .lung_mask import ALL_NEIGHBOURS

_FACE_AND_EDGE_NEIGHBOURS = ndimage.generate_binary_structure(3, 2)
_PIXEL_NEIGHBOURS = np.ones((3, 3), dtype=bool)


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
    for erosions in range(preset.max_split_erosions + 1):
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
    to_first, to_second = (ndimage.distance_transform_edt(labels != core, sampling=spacing_mm_kji) for core in cores)
    lungs = np.zeros_like(mask), np.zeros_like(mask)
    lungs[0][box] = mask[box] & (to_first < to_second)
    lungs[1][box] = mask[box] & (to_second < to_first)
    return lungs


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
    return np.stack([ndimage.binary_fill_holes(mask_slice, _PIXEL_NEIGHBOURS) for mask_slice in mask])


def _main_parts(lung_slice: np.ndarray, cover: float) -> np.ndarray:
    """What lies in the convex hulls of the fewest largest components that make up `cover` of the slice's area."""
    labels, count = ndimage.label(lung_slice, _PIXEL_NEIGHBOURS)
    if count < 2:
        return lung_slice
    sizes = np.bincount(labels.ravel())[1:]
    largest_first = np.argsort(-sizes, kind="stable")
    enough = int(np.searchsorted(np.cumsum(sizes[largest_first]), sizes.sum() * cover)) + 1
    boxes = ndimage.find_objects(labels)
    main = np.zeros_like(lung_slice)
    for label in largest_first[:enough] + 1:
        box = boxes[label - 1]
        main[box] |= convex_hull_image(labels[box] == label)
    return lung_slice & main


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box of slices that holds every True voxel of a non-empty mask."""
    return ndimage.find_objects(mask.astype(np.uint8))[0]
