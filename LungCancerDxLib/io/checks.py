"""Is it a chest CT? Enough of the patient, and numbers that can be Hounsfield units (which they are made)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import CTReadError
from ..volume import CTVolume

MIN_SLICES = 20  # along every axis
MIN_EXTENT_MM = 50.0  # along every axis
AIR_HU = -1024  # the lowest value kept: padding outside the field of view (-2000, -2048, -3024) is air for us
LUNG_AND_AIR_HU = (AIR_HU, -500)
TISSUE_HU = (-200, 300)
MAX_EXTENT_MM = 2500.0  # along every axis: no scanner reaches further
MIN_SHARE = 0.002  # of all voxels, for air and for tissue
SHEAR_TOLERANCE = 1e-3  # cosine between two axes that still count as orthogonal
NO_ORIENTATION = "The file does not say how the patient lies in it: check left and right."

_PATIENT_AXES = ("left-right", "front-back", "head-foot")


def check_chest_ct(volume: CTVolume, path: Path) -> None:
    """Refuse what cannot be a chest CT: too small, one value everywhere, no air, no tissue, not in Hounsfield units."""
    _check_grid(volume, path)
    _check_hounsfield(volume.voxels, path)


def check_extent(count: int, spacing_mm: float, direction_lps: np.ndarray, path: Path) -> None:
    """Refuse `count` slices, `spacing_mm` apart along `direction_lps`, where they are too few or cover too little."""
    extent_mm = count * spacing_mm
    if count >= MIN_SLICES and extent_mm >= MIN_EXTENT_MM:
        return
    axis = _PATIENT_AXES[int(np.argmax(np.abs(direction_lps)))]
    slices = "a single slice" if count == 1 else f"{count} slices over {extent_mm:.0f} mm"
    raise CTReadError(
        f"{path}: {slices} along the {axis} axis: too few for a chest; "
        f"expected at least {MIN_SLICES} slices over {MIN_EXTENT_MM:.0f} mm. Give the whole series."
    )


def to_hounsfield(values: np.ndarray, path: Path | str) -> np.ndarray:
    """Any numeric array to int16 HU of the same shape: rounded, clamped to -1024 below and the int16 limit above.

    Raises CTReadError where values are NaN or infinite.
    """
    lowest, highest = AIR_HU, np.iinfo(np.int16).max
    if values.dtype.kind == "f":
        broken = values.size - np.count_nonzero(np.isfinite(values))
        if broken:
            raise CTReadError(
                f"{path}: {broken} of {values.size} voxels are NaN or infinite, where Hounsfield units were expected; "
                f"export the scan again, with -1024 outside the field of view."
            )
        values = np.rint(values)
    else:
        own = np.iinfo(values.dtype)
        lowest, highest = max(lowest, own.min), min(highest, own.max)
    clamped: np.ndarray = np.clip(values, lowest, highest)
    return clamped.astype(np.int16)


def _check_grid(volume: CTVolume, path: Path) -> None:
    spacing_mm = volume.spacing_mm_kji
    if not np.isfinite(volume.kji_to_lps).all() or not (spacing_mm > 0).all():
        raise CTReadError(f"{path}: the voxel size or position is missing or not a number; export the scan again.")
    check_size(volume.shape_kji, spacing_mm, path)
    for axis, count in enumerate(volume.shape_kji):
        check_extent(count, spacing_mm[axis], volume.kji_to_lps[:3, axis], path)


def check_size(shape_kji: Sequence[int], spacing_mm: np.ndarray, path: Path) -> None:
    """Refuse what would be larger than any patient."""
    extent_mm = np.multiply(shape_kji, spacing_mm)
    if extent_mm.max() > MAX_EXTENT_MM:
        size, voxel = (" x ".join(f"{mm:.4g}" for mm in sides) for sides in (extent_mm, spacing_mm))
        raise CTReadError(
            f"{path}: the scan measures {size} mm, more than any patient: its voxel size, {voxel} mm, must be wrong; "
            f"export the scan again."
        )


def _check_hounsfield(voxels: np.ndarray, path: Path) -> None:
    lowest, highest = int(voxels.min()), int(voxels.max())
    if lowest == highest:
        raise CTReadError(f"{path}: the image is empty (all voxels {lowest}); give the original scan.")
    found = f"the values run from {lowest} to {highest}"
    if lowest >= 0:
        raise CTReadError(
            f"{path}: {found} and never go below 0: this looks not rescaled to Hounsfield units, or is not a CT; "
            f"give the original CT, or export it in Hounsfield units (air -1000, water 0)."
        )
    if _share(voxels, LUNG_AND_AIR_HU) < MIN_SHARE:
        raise CTReadError(
            f"{path}: {found} and hardly any voxel is air (below {LUNG_AND_AIR_HU[1]}): not a chest CT in Hounsfield "
            f"units; give the original chest CT."
        )
    if _share(voxels, TISSUE_HU) < MIN_SHARE:
        raise CTReadError(
            f"{path}: {found} and hardly any voxel is tissue ({TISSUE_HU[0]} to {TISSUE_HU[1]} HU): "
            f"the scan holds only air, or is not in Hounsfield units; give the original chest CT."
        )


def _share(voxels: np.ndarray, range_hu: tuple[int, int]) -> float:
    low, high = range_hu
    return np.count_nonzero((voxels >= low) & (voxels <= high)) / voxels.size
