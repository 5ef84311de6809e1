"""Which voxels are lung: mask extraction of section III-B.1."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..preset import Preset

FACE_NEIGHBOURS = ndimage.generate_binary_structure(3, 1)
ALL_NEIGHBOURS = ndimage.generate_binary_structure(3, 3)
PIXEL_NEIGHBOURS = np.ones((3, 3), dtype=bool)
_CORNER_PATCH = 10  # pixels: where this corner of a slice has one single value, the field of view is a padded circle


def air_components(hu: np.ndarray, spacing_mm_kji: np.ndarray, preset: Preset) -> np.ndarray:
    """Air in each slice, without specks and streaks.

    Each slice is smoothed and thresholded; its 8-connected components that are small or elongated (radial noise) go.

    Parameters
    ----------
    hu
        (K, J, I) Hounsfield units in canonical order.
    spacing_mm_kji
        (3,) voxel size in mm.

    Returns
    -------
    (K, J, I) bool.
    """
    pixel_mm2 = spacing_mm_kji[1] * spacing_mm_kji[2]
    air = np.empty(hu.shape, dtype=bool)
    for k, hu_slice in enumerate(hu):
        smooth = _smooth_slice(hu_slice.astype(np.float32), preset)
        labels, count = ndimage.label(smooth < preset.air_below_hu, PIXEL_NEIGHBOURS)
        area_px, eccentricity = _area_and_eccentricity(labels, count)
        keep = (area_px * pixel_mm2 > preset.min_area_mm2) & (eccentricity < preset.max_eccentricity)
        keep[0] = False
        air[k] = keep[labels]
    return air


def _smooth_slice(hu_slice: np.ndarray, preset: Preset) -> np.ndarray:
    if preset.circle_is_background and np.ptp(hu_slice[:_CORNER_PATCH, :_CORNER_PATCH]) == 0:
        rows, columns = hu_slice.shape
        if rows == columns:
            offset = np.arange(rows) - (rows - 1) / 2
            hu_slice[np.hypot(offset[:, None], offset) > rows / 2] = np.nan
    return ndimage.gaussian_filter(hu_slice, preset.gaussian_sigma_px, truncate=preset.gaussian_truncate)


def _area_and_eccentricity(labels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Area in pixels and eccentricity of the ellipse of equal second moments, for labels 0..count."""
    pixels = np.flatnonzero(labels)
    which = labels.ravel()[pixels]
    row, column = np.divmod(pixels.astype(float), labels.shape[1])
    area = np.bincount(which, minlength=count + 1).astype(float)
    safe_area = np.maximum(area, 1)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(which, values, minlength=count + 1) / safe_area

    row -= mean(row)[which]
    column -= mean(column)[which]
    row_variance, column_variance, covariance = mean(row * row), mean(column * column), mean(row * column)
    middle = (row_variance + column_variance) / 2
    spread = np.hypot((row_variance - column_variance) / 2, covariance)
    major, minor = middle + spread, np.maximum(middle - spread, 0)
    eccentricity = np.sqrt(1 - np.divide(minor, major, out=np.ones_like(major), where=major > 0))
    return area, eccentricity


def lung_components(air: np.ndarray, spacing_mm_kji: np.ndarray, preset: Preset) -> np.ndarray:
    """The 3D air components that are lungs: closed, of a lung's volume, and central.

    Lungs that are open to the outside in the top slices (an image that begins below the apices) are found after
    removing those slices, two more at each try; the removed part is given back afterwards.

    Returns
    -------
    (K, J, I) bool; empty where no component qualifies.
    """
    for cut in range(0, len(air), preset.top_slices_per_cut):
        closed = air.copy()
        closed[len(air) - cut :] = False
        lungs = _central_closed_components(closed, len(air) - cut - 1, spacing_mm_kji, preset)
        if lungs.any():
            return _with_top_slices(lungs, air, cut) if cut else lungs
    return np.zeros_like(air)


def _central_closed_components(air: np.ndarray, last: int, spacing_mm_kji: np.ndarray, preset: Preset) -> np.ndarray:
    labels, count = ndimage.label(air, FACE_NEIGHBOURS)
    voxel_l = float(np.prod(spacing_mm_kji)) / 1e6
    volume_l = np.bincount(labels.ravel(), minlength=count + 1) * voxel_l
    lowest, highest = preset.volume_range_l
    candidate = (volume_l >= lowest) & (volume_l <= highest)
    candidate[0] = False
    candidate[_labels_open_to_the_outside(labels, last)] = False
    boxes = ndimage.find_objects(labels)
    lungs = np.zeros_like(air)
    for label in np.flatnonzero(candidate):
        box = boxes[label - 1]
        component = labels[box] == label
        if (
            _mean_central_distance_mm(component, box, air.shape, spacing_mm_kji, preset)
            < preset.max_central_distance_mm
        ):
            lungs[box] |= component
    return lungs


def _labels_open_to_the_outside(labels: np.ndarray, last: int) -> np.ndarray:
    """Labels at the corners and at the middle of the front and back edge of the first and the last imaged slice."""
    middle = labels.shape[2] // 2
    return np.unique(labels[np.ix_([0, last], [0, -1], [0, middle, -1])])


def _mean_central_distance_mm(
    component: np.ndarray, box: tuple[slice, ...], shape: tuple[int, ...], spacing_mm_kji: np.ndarray, preset: Preset
) -> float:
    """MinDist of the paper: smallest distance to the image centre, averaged over the slices of large area."""
    offset_j = ((np.arange(shape[1]) - (shape[1] - 1) / 2) * spacing_mm_kji[1])[box[1]]
    offset_i = ((np.arange(shape[2]) - (shape[2] - 1) / 2) * spacing_mm_kji[2])[box[2]]
    distance = np.hypot(offset_j[:, None], offset_i)
    area_mm2 = component.sum(axis=(1, 2)) * spacing_mm_kji[1] * spacing_mm_kji[2]
    big = np.flatnonzero(area_mm2 > preset.big_slice_area_mm2)
    return float(np.mean([distance[component[k]].min() for k in big])) if len(big) else np.inf


def _with_top_slices(lungs: np.ndarray, air: np.ndarray, cut: int) -> np.ndarray:
    """Give back the removed top slices where they lie near the lungs and hang together with them."""
    first_removed = len(air) - cut
    low = max(first_removed - cut - 1, 0)  # the dilation reaches no further down than this matters
    near = ndimage.binary_dilation(lungs[low:], FACE_NEIGHBOURS, iterations=cut)
    extended = lungs.copy()
    extended[first_removed:] = air[first_removed:] & near[first_removed - low :]
    labels, count = ndimage.label(extended, FACE_NEIGHBOURS)
    keep = np.zeros(count + 1, dtype=bool)
    keep[np.unique(labels[lungs])] = True
    keep[0] = False
    return keep[labels]


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """Fill everything that is not connected to a corner of the volume: vessels, nodules, walls inside the lungs.

    Parameters
    ----------
    mask
        (K, J, I) bool, not empty.
    """
    tight, box = bounding_box(mask), bounding_box(mask, np.ones(3, dtype=int))
    labels, count = ndimage.label(~mask[box], ALL_NEIGHBOURS)
    outside = np.zeros(count + 1, dtype=bool)
    outside[np.unique(labels[np.ix_([0, -1], [0, -1], [0, -1])])] = True
    for axis, (inner, outer) in enumerate(zip(tight, box, strict=True)):
        # A rim around the mask hangs together with a corner of the volume; where the mask touches the volume's face
        # there is no rim.
        rims = ([0] if outer.start < inner.start else []) + ([-1] if outer.stop > inner.stop else [])
        outside[np.unique(labels.take(rims, axis=axis))] = True
    outside[0] = False
    filled = mask.copy()
    filled[box] = ~outside[labels]
    return filled


def bounding_box(mask: np.ndarray, margin: np.ndarray | int = 0) -> tuple[slice, ...]:
    """The box of slices that holds every True voxel of a non-empty mask, with a margin, within the mask's array."""
    margin = np.broadcast_to(margin, mask.ndim)
    box = []
    for axis in range(mask.ndim):
        occupied = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        low, high = occupied[0] - margin[axis], occupied[-1] + 1 + margin[axis]
        box.append(slice(int(max(low, 0)), int(min(high, mask.shape[axis]))))
    return tuple(box)
