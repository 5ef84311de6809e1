"""Slices that drift sideways, as under a tilted gantry, brought onto an orthogonal grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.ndimage import affine_transform

from ..errors import CTReadError
from .checks import AIR_HU

DRIFT_TOLERANCE_PX = 0.2  # sideways, between any two slices, before they are shifted
MAX_TILT_DEGREES = 45.0  # no gantry tilts that far


def tilt_warning(offsets_mm: np.ndarray, positions_mm: np.ndarray, pixel_mm: np.ndarray, path: Path) -> tuple[str, ...]:
    """One sentence where slices need to be shifted, none where they lie straight above each other.

    `offsets_mm` (n, 2) are the places of the slices' first pixels along j and i, `positions_mm` (n,) those along the
    slice normal. Raises CTReadError where the slices drift further than a gantry can tilt.
    """
    drift_mm = np.ptp(offsets_mm, axis=0)
    if (drift_mm <= DRIFT_TOLERANCE_PX * pixel_mm).all():
        return ()
    length_mm = float(np.ptp(positions_mm))
    degrees = np.degrees(np.arctan2(np.linalg.norm(drift_mm), length_mm))
    found = f"drift sideways by {drift_mm.max():.1f} mm over {length_mm:.0f} mm"
    if degrees > MAX_TILT_DEGREES:
        raise CTReadError(f"{path}: the slices {found}: no stack of slices; copy or export the series again.")
    line = np.polynomial.polynomial.polyfit(positions_mm, offsets_mm, 1)
    astray_mm = np.abs(offsets_mm - np.polynomial.polynomial.polyval(positions_mm, line).T)
    if (astray_mm <= pixel_mm).all():
        why = f" (gantry tilt of {degrees:.1f} degrees)"
    else:
        furthest = int(np.argmax(astray_mm.max(axis=1)))
        why = f", in no straight line (the furthest from one is slice {furthest + 1} of {len(positions_mm)})"
    return (f"The slices {found}{why}; they were shifted onto an orthogonal grid.",)


def shift_slices(voxels: np.ndarray, offsets_px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slices brought onto one grid, by linear interpolation within each slice.

    Parameters
    ----------
    voxels
        int16 HU (K, J, I).
    offsets_px
        (K, 2) place of each slice's first pixel along j and i, in pixels, from any common origin.

    Returns
    -------
    shifted
        int16 HU (K, J', I'), wide enough to hold every slice whole, -1024 around them.
    origin_px
        (2,) place of the new first pixel along j and i, from the same origin.
    """
    origin_px = np.floor(offsets_px.min(axis=0))
    extra = np.ceil(offsets_px.max(axis=0) - origin_px).astype(int)
    shape = tuple(np.array(voxels.shape[1:]) + extra)
    shifted = np.empty((len(voxels), *shape), np.int16)
    for k, offset in enumerate(offsets_px - origin_px):
        moved = affine_transform(
            voxels[k].astype(np.float32), [1.0, 1.0], -offset, shape, order=1, mode="constant", cval=AIR_HU
        )
        shifted[k] = np.rint(moved)
    return shifted, origin_px
