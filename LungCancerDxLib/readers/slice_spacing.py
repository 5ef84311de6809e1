"""Even slice spacing: small gaps are interpolated, large ones refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import CTReadError

JITTER_SHARE = 0.05  # of the spacing, by which a slice may stray from its even place unnoticed
MAX_GAP_SPACINGS = 2.5  # a wider gap is refused
MAX_GAP_MM = 10.0  # and so is this, where the spacing is not that wide throughout
MAX_MISSING_SHARE = 0.05  # of the slices of the whole stack
_ROUNDING_MM = 1e-3
_LISTED = 5  # gaps named in a warning


def even_places(places_mm: np.ndarray, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Evenly spaced places (m,) over the range of the growing `places_mm` (n,), and a warning where the two differ.

    Without a warning m is n and the slices can be taken as they are. Raises CTReadError where too much is missing.
    """
    even = np.linspace(places_mm[0], places_mm[-1], len(places_mm))
    spacing = even[1] - even[0]
    if np.abs(places_mm - even).max() <= JITTER_SHARE * spacing:
        return even, ()
    steps = np.diff(places_mm)
    usual = float(np.median(steps))
    missing = np.maximum(np.rint(steps / usual).astype(int) - 1, 0)
    _check_gaps(places_mm, steps, usual, missing, path)
    count = round((places_mm[-1] - places_mm[0]) / usual) + 1
    if missing.any():
        total = int(missing.sum())
        words = "missing slice was" if total == 1 else "missing slices were"
        what = f"{total} {words} interpolated ({_gaps(places_mm, missing > 0)})"
    else:
        what = f"The slices are {steps.min():.2f} to {steps.max():.2f} mm apart and were interpolated"
    return np.linspace(places_mm[0], places_mm[-1], count), (f"{what}, {usual:.2f} mm apart.",)


def resample_slices(voxels: np.ndarray, from_mm: np.ndarray, to_mm: np.ndarray) -> np.ndarray:
    """int16 slices (n, J, I) at `from_mm` (n,) interpolated linearly at `to_mm` (m,), which lies within: (m, J, I)."""
    below = np.clip(np.searchsorted(from_mm, to_mm, side="right") - 1, 0, len(from_mm) - 2)
    weights = (to_mm - from_mm[below]) / (from_mm[below + 1] - from_mm[below])
    resampled = np.empty((len(to_mm), *voxels.shape[1:]), np.int16)
    for k, (n, weight) in enumerate(zip(below, weights.astype(np.float32), strict=True)):
        resampled[k] = np.rint((1 - weight) * voxels[n] + weight * voxels[n + 1])
    return resampled


def _check_gaps(places_mm: np.ndarray, steps: np.ndarray, usual: float, missing: np.ndarray, path: Path) -> None:
    widest = int(np.argmax(steps))
    share = missing.sum() / (len(places_mm) + missing.sum())
    limit = min(MAX_GAP_SPACINGS * usual, MAX_GAP_MM) + _ROUNDING_MM
    if steps[widest] > limit:
        found = f"a gap of {steps[widest]:.1f} mm ({_gaps(places_mm, np.arange(len(steps)) == widest)})"
        expected = f"gaps of {limit:.1f} mm at most"
    elif share > MAX_MISSING_SHARE:
        found = f"{missing.sum()} slices missing ({_gaps(places_mm, missing > 0)})"
        expected = f"{MAX_MISSING_SHARE:.0%} of the slices at most"
    else:
        return
    raise CTReadError(
        f"{path}: {found} in a stack with {usual:.2f} mm between slices, expected {expected}; "
        f"copy or export the whole series again."
    )


def _gaps(places_mm: np.ndarray, chosen: Sequence[bool] | np.ndarray) -> str:
    """The gaps in words, by their places along the slice normal."""
    ends = [f"{places_mm[n]:.1f} and {places_mm[n + 1]:.1f} mm" for n in np.flatnonzero(chosen)]
    more = f" and {len(ends) - _LISTED} more gaps" if len(ends) > _LISTED else ""
    return "between " + ", ".join(ends[:_LISTED]) + more + " along the slice normal"
