"""From the sorted slices of one stack to a CTVolume on an even, orthogonal grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import CTReadError
from ...volume import CTVolume
from ..checks import AIR_HU, check_extent
from ..tilt import shift_slices, tilt_warning
from .files import listed_files
from .header import SliceHeader, slice_positions_mm
from .pixels import stacked

JITTER_SHARE = 0.05  # of the spacing, by which a slice may stray from its even position unnoticed
MAX_GAP_SPACINGS = 2.5  # a wider gap is refused
MAX_GAP_MM = 10.0  # and so is this, where the spacing is not that wide throughout
MAX_MISSING_SHARE = 0.05  # of the slices of the whole stack
MAX_UNEVEN_SHARE = 0.33  # of the steps from slice to slice, by which two neighbours may differ
_UNEVEN_SHARE = 0.1  # of the usual step: two steps that differ by more are uneven
_ROUNDING_MM = 1e-3
_LOST_SHARE = 0.1  # of a slice's rows, that end in zeros and in its neighbours do not
_LISTED = 5  # gaps named in a warning


def volume_of(slices: Sequence[SliceHeader], path: Path) -> CTVolume:
    """Slices of one size and orientation, sorted along their normal, one a position, as a CTVolume.

    k runs along the slice normal, j down the columns, i along the rows; tilt and small gaps are repaired with a
    warning. Raises CTReadError where there are too few slices, too many missing, or pixels that cannot be decoded.
    """
    first = slices[0]
    along_i, along_j, normal = _directions(first)
    corners_lps_mm = np.array([s.position_lps_mm for s in slices])
    positions_mm = slice_positions_mm(slices)
    check_extent(len(slices), float(np.ptp(positions_mm)) / max(len(slices) - 1, 1), normal, path)
    even_mm, gap_warnings = regular_positions(positions_mm, path)

    pixel_mm = np.array(first.pixel_mm)
    offsets_mm = (corners_lps_mm - corners_lps_mm[0]) @ np.stack([along_j, along_i], axis=1)
    tilt_warnings = tilt_warning(offsets_mm, positions_mm, pixel_mm, path)

    _check_intercepts(slices, path)
    voxels, origin_px = stacked(slices), np.zeros(2)
    zero_rows = np.array([_zero_rows(s, pixels) for s, pixels in zip(slices, voxels, strict=True)])
    broken = _are_broken(zero_rows, voxels.shape[1])
    if broken.any() and not broken.all():
        return _without_broken(slices, broken, path)
    if tilt_warnings:
        voxels, origin_px = shift_slices(voxels, offsets_mm / pixel_mm)
    if gap_warnings:
        voxels = resample_slices(voxels, positions_mm, even_mm)

    kji_to_lps = np.eye(4)
    steps = np.stack([normal * (even_mm[1] - even_mm[0]), along_j * pixel_mm[0], along_i * pixel_mm[1]])
    kji_to_lps[:3, :3] = steps.T
    kji_to_lps[:3, 3] = corners_lps_mm[0] + origin_px @ steps[1:]
    return CTVolume(voxels, kji_to_lps, _info(first, path), tilt_warnings + gap_warnings)


def _check_intercepts(slices: Sequence[SliceHeader], path: Path) -> None:
    """CTReadError where some slices state what makes Hounsfield units of their pixels, and others do not."""
    without = [s for s in slices if not s.has_intercept]
    if 0 < len(without) < len(slices):
        which = listed_files([s.path for s in without])
        raise CTReadError(
            f"{path}: {len(without)} of {len(slices)} slices do not state their RescaleIntercept ({which}), without "
            "which they would be about 1000 HU too bright. Copy or export the series again."
        )


def _zero_rows(header: SliceHeader, pixels: np.ndarray) -> int:
    """How many rows at the end of a slice (J, I) hold only zeros."""
    if header.plain is None:
        return 0
    shown = np.flatnonzero((pixels != max(header.plain.intercept, AIR_HU)).any(axis=1))
    return len(pixels) - 1 - int(shown[-1]) if len(shown) else len(pixels)


def _are_broken(zero_rows: np.ndarray, rows: int) -> np.ndarray:
    """Which slices (n,) hold only zeros, else which end in many more rows of them than their neighbours.

    That is how files look whose copy broke off: some wholly empty, which are left out first, and one in part.
    """
    empty: np.ndarray = zero_rows == rows
    if empty.any():
        return empty
    beside = np.maximum(np.r_[0, zero_rows[:-1]], np.r_[zero_rows[1:], 0])
    return np.asarray(zero_rows > beside + _LOST_SHARE * rows)


def _without_broken(slices: Sequence[SliceHeader], broken: np.ndarray, path: Path) -> CTVolume:
    """The volume of the other slices."""
    files = [s.path for s, is_broken in zip(slices, broken, strict=True) if is_broken]
    what = f"Left out slices that hold only zeros, or end in them: {len(files)} ({listed_files(files)})."
    try:
        volume = volume_of([s for s, is_broken in zip(slices, broken, strict=True) if not is_broken], path)
    except CTReadError as error:
        raise CTReadError(f"{error} {what}") from error
    return replace(volume, warnings=(what, *volume.warnings))


def regular_positions(positions_mm: np.ndarray, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Evenly spaced positions (m,) over the range of the growing ones (n,), and a warning where the two differ.

    Without a warning m is n and the slices can be taken as they are. Raises CTReadError where too much is missing.
    """
    even = np.linspace(positions_mm[0], positions_mm[-1], len(positions_mm))
    spacing = even[1] - even[0]
    if np.abs(positions_mm - even).max() <= JITTER_SHARE * spacing:
        return even, ()
    steps = np.diff(positions_mm)
    usual = float(np.median(steps))
    missing = np.maximum(np.rint(steps / usual).astype(int) - 1, 0)
    _check_gaps(positions_mm, steps, usual, missing, path)
    count = round((positions_mm[-1] - positions_mm[0]) / usual) + 1
    if missing.any():
        total = int(missing.sum())
        slices = "missing slice was" if total == 1 else "missing slices were"
        what = f"{total} {slices} interpolated ({_gaps(positions_mm, missing > 0)})"
    else:
        what = f"The slices are {steps.min():.2f} to {steps.max():.2f} mm apart and were interpolated"
    return np.linspace(positions_mm[0], positions_mm[-1], count), (f"{what}, {usual:.2f} mm apart.",)


def resample_slices(voxels: np.ndarray, from_mm: np.ndarray, to_mm: np.ndarray) -> np.ndarray:
    """int16 slices (n, J, I) at `from_mm` (n,) interpolated linearly at `to_mm` (m,), which lies within: (m, J, I)."""
    below = np.clip(np.searchsorted(from_mm, to_mm, side="right") - 1, 0, len(from_mm) - 2)
    weights = (to_mm - from_mm[below]) / (from_mm[below + 1] - from_mm[below])
    resampled = np.empty((len(to_mm), *voxels.shape[1:]), np.int16)
    for k, (n, weight) in enumerate(zip(below, weights.astype(np.float32), strict=True)):
        resampled[k] = np.rint((1 - weight) * voxels[n] + weight * voxels[n + 1])
    return resampled


def _check_gaps(positions_mm: np.ndarray, steps: np.ndarray, usual: float, missing: np.ndarray, path: Path) -> None:
    uneven = np.count_nonzero(np.abs(np.diff(steps)) > _UNEVEN_SHARE * usual) / len(steps)
    if uneven > MAX_UNEVEN_SHARE:
        raise CTReadError(
            f"{path}: the slices lie {steps.min():.2f} to {steps.max():.2f} mm apart without any order, as where many "
            "are missing, or a series holds several acquisitions that nothing in it tells apart; give one whole scan."
        )
    widest = int(np.argmax(steps))
    share = missing.sum() / (len(positions_mm) + missing.sum())
    limit = min(MAX_GAP_SPACINGS * usual, MAX_GAP_MM) + _ROUNDING_MM
    if steps[widest] > limit:
        found = f"a gap of {steps[widest]:.1f} mm ({_gaps(positions_mm, np.arange(len(steps)) == widest)})"
        expected = f"gaps of {limit:.1f} mm at most"
    elif share > MAX_MISSING_SHARE:
        found = f"{missing.sum()} slices missing ({_gaps(positions_mm, missing > 0)})"
        expected = f"{MAX_MISSING_SHARE:.0%} of the slices at most"
    else:
        return
    raise CTReadError(
        f"{path}: {found} in a stack with {usual:.2f} mm between slices, expected {expected}; "
        f"copy or export the whole series again."
    )


def _gaps(positions_mm: np.ndarray, chosen: np.ndarray) -> str:
    """The gaps as text, by their ends along the slice normal."""
    ends = [f"{positions_mm[n]:.1f} and {positions_mm[n + 1]:.1f} mm" for n in np.flatnonzero(chosen)]
    more = f" and {len(ends) - _LISTED} more gaps" if len(ends) > _LISTED else ""
    return "between " + ", ".join(ends[:_LISTED]) + more + " along the slice normal"


def _directions(header: SliceHeader) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Orthogonal LPS unit vectors along i, j and the slice normal; the header's own are rounded."""
    along_i = np.array(header.orientation[:3]) / np.linalg.norm(header.orientation[:3])
    normal = header.normal_lps
    return along_i, np.cross(normal, along_i), normal


def _info(header: SliceHeader, path: Path) -> dict[str, Any]:
    series = header.series
    known = {
        "series_uid": series.uid,
        "series_description": series.description,
        "kernel": series.kernel,
        "modality": series.modality,
        "slice_thickness_mm": series.slice_thickness_mm,
        "patient_age_years": series.patient_age_years,
        "patient_sex": series.patient_sex,
    }
    return {"path": str(path.absolute()), **{name: value for name, value in known.items() if value}}
