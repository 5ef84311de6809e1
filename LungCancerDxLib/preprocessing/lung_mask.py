"""Which voxels are lung: mask extraction of section III-B.1."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..preset import Preset
from ..runtime.progress import in_threads
from .runs import ALL, FACES, PIXELS, Components, Runs

FACE_NEIGHBOURS = ndimage.generate_binary_structure(3, 1)
CORNER_PATCH = 10  # pixels: where this corner of a slice has one single value, the field of view is a padded circle


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
    outside_circle = outside_circle_of(hu.shape[1:]) if preset.circle_is_background else None

    def threshold(k: int) -> None:
        hu_slice = hu[k].astype(np.float32)
        if outside_circle is not None and np.ptp(hu_slice[:CORNER_PATCH, :CORNER_PATCH]) == 0:
            hu_slice[outside_circle] = np.nan
        smooth = ndimage.gaussian_filter(hu_slice, preset.gaussian_sigma_px, truncate=preset.gaussian_truncate)
        np.less(smooth, preset.air_below_hu, out=air[k])

    for _ in in_threads(threshold, range(len(hu))):
        pass
    components = Runs.of(air).components(PIXELS)
    keep = (components.size * pixel_mm2 > preset.min_area_mm2) & (_eccentricity(components) < preset.max_eccentricity)
    return components.mask(keep)


def outside_circle_of(shape: tuple[int, ...]) -> np.ndarray:
    """The pixels of a square slice (J, I) outside its inscribed circle; none of any other."""
    rows, columns = shape
    if rows != columns:
        return np.zeros(shape, dtype=bool)
    offset = np.arange(rows) - (rows - 1) / 2
    outside: np.ndarray = np.hypot(offset[:, None], offset) > rows / 2
    return outside


def _eccentricity(components: Components) -> np.ndarray:
    """Eccentricity of the ellipse with the second moments of each component of a slice, (count,)."""
    runs, which = components.runs, components.of_run
    row, column = runs.row.astype(float), (runs.first + runs.last) / 2 % runs.shape[2]

    def mean(of_runs: np.ndarray) -> np.ndarray:
        return np.asarray(components.sums(of_runs * runs.size) / components.size)

    row, column = row - mean(row)[which], column - mean(column)[which]
    row_variance, covariance = mean(row**2), mean(row * column)
    column_variance = mean(column**2 + (runs.size**2 - 1) / 12)
    middle = (row_variance + column_variance) / 2
    spread = np.hypot((row_variance - column_variance) / 2, covariance)
    major, minor = middle + spread, np.maximum(middle - spread, 0)
    return np.asarray(np.sqrt(1 - np.divide(minor, major, out=np.ones_like(major), where=major > 0)))


def lung_components(air: np.ndarray, spacing_mm_kji: np.ndarray, preset: Preset) -> np.ndarray:
    """The 3D air components that are lungs: closed, of a lung's volume, and central.

    Lungs that are open to the outside in the top slices (an image that begins below the apices) are found after
    removing those slices, two more at each try; the removed part is given back afterwards.

    Returns
    -------
    (K, J, I) bool; empty where no component qualifies.
    """
    runs = Runs.of(air)
    for cut in range(0, len(air), preset.top_slices_per_cut):
        closed = runs.below(len(air) - cut).components(FACES)
        chosen = _central_and_closed(closed, len(air) - cut - 1, spacing_mm_kji, preset)
        if chosen.any():
            lungs = closed.mask(chosen)
            return _with_top_slices(lungs, air, cut) if cut else lungs
    return np.zeros_like(air)


def _central_and_closed(components: Components, last: int, spacing_mm_kji: np.ndarray, preset: Preset) -> np.ndarray:
    """Which components (count,) have a lung's volume, are closed and central."""
    volume_l = components.size * float(np.prod(spacing_mm_kji)) / 1e6
    lowest, highest = preset.volume_range_l
    chosen = (volume_l >= lowest) & (volume_l <= highest)
    chosen &= ~components.choose(components.runs.holding(_outside_points(components.runs.shape, last)))
    for number in np.flatnonzero(chosen).tolist():
        distance_mm = _mean_central_distance_mm(components, number, spacing_mm_kji, preset)
        chosen[number] = distance_mm < preset.max_central_distance_mm
    return chosen


def _outside_points(shape: tuple[int, int, int], last: int) -> np.ndarray:
    """(12, 3) the corners and the middles of the front and back edge of the first and the last imaged slice."""
    _, rows, columns = shape
    grid = np.meshgrid([0, last], [0, rows - 1], [0, columns // 2, columns - 1], indexing="ij")
    return np.stack(grid, axis=-1).reshape(-1, 3)


def _mean_central_distance_mm(components: Components, number: int, spacing_mm_kji: np.ndarray, preset: Preset) -> float:
    """MinDist of the paper: smallest distance to the image centre, averaged over the slices of large area."""
    runs, own = components.runs, np.flatnonzero(components.of_run == number)
    _, rows, columns = runs.shape
    begin = runs.first[own] % columns
    nearest = np.clip((columns - 1) // 2, begin, begin + runs.size[own] - 1)
    distance_mm = np.hypot(
        (runs.row[own] % rows - (rows - 1) / 2) * spacing_mm_kji[1], (nearest - (columns - 1) / 2) * spacing_mm_kji[2]
    )
    first_of_slice = np.flatnonzero(np.diff(runs.k[own], prepend=-1))
    area_mm2 = np.add.reduceat(runs.size[own], first_of_slice) * spacing_mm_kji[1] * spacing_mm_kji[2]
    big = area_mm2 > preset.big_slice_area_mm2
    return float(np.minimum.reduceat(distance_mm, first_of_slice)[big].mean()) if big.any() else np.inf


def _with_top_slices(lungs: np.ndarray, air: np.ndarray, cut: int) -> np.ndarray:
    """Give back the removed top slices where they lie near the lungs and hang together with them."""
    first_removed = len(air) - cut
    low = max(first_removed - cut - 1, 0)  # the dilation reaches no further down than this matters
    near = ndimage.binary_dilation(lungs[low:], FACE_NEIGHBOURS, iterations=cut)
    extended = lungs.copy()
    extended[first_removed:] = air[first_removed:] & near[first_removed - low :]
    components = Runs.of(extended).components(FACES)
    return components.mask(components.choose(components.runs.holding(np.argwhere(lungs))))


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """Fill everything that is not connected to a corner of the volume: vessels, nodules, walls inside the lungs.

    Parameters
    ----------
    mask
        (K, J, I) bool, not empty.
    """
    tight, box = bounding_box(mask), bounding_box(mask, np.ones(3, dtype=int))
    components = Runs.of(~mask[box]).components(ALL)
    runs = components.runs
    corners = np.stack(np.meshgrid(*([0, size - 1] for size in runs.shape), indexing="ij"), axis=-1).reshape(-1, 3)
    outside = components.choose(runs.holding(corners))
    for axis, (inner, outer) in enumerate(zip(tight, box, strict=True)):
        # A rim around the mask hangs together with a corner of the volume; where the mask touches the volume's face
        # there is no rim.
        for side, has_rim in ((0, outer.start < inner.start), (-1, outer.stop > inner.stop)):
            if has_rim:
                outside |= components.choose(runs.at_border(axis, side))
    filled = mask.copy()
    filled[box] = ~components.mask(outside)
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
