"""From the sorted slices of one stack to a CTVolume on an even, orthogonal grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..volume import CTVolume
from .checks import check_extent
from .dicom_pixels import stacked
from .gantry_tilt import shift_slices, tilt_warning
from .slice_header import SliceHeader, distances_mm
from .slice_spacing import even_places, resample_slices


def volume_of(slices: Sequence[SliceHeader], path: Path) -> CTVolume:
    """Slices of one size and orientation, sorted along their normal, one a place, as a CTVolume.

    k runs along the slice normal, j down the columns, i along the rows; tilt and small gaps are repaired with a
    warning. Raises CTReadError where there are too few slices, too many missing, or pixels that cannot be decoded.
    """
    first = slices[0]
    along_i, along_j, normal = _directions(first)
    positions_mm = np.array([s.position_lps_mm for s in slices])
    places_mm = distances_mm(slices)
    typical_mm = float(np.median(np.diff(places_mm))) if len(slices) > 1 else 0.0
    check_extent(len(slices), typical_mm, normal, path)
    even_mm, gap_warnings = even_places(places_mm, path)

    pixel_mm = np.array(first.pixel_mm)
    offsets_mm = (positions_mm - positions_mm[0]) @ np.stack([along_j, along_i], axis=1)
    tilt_warnings = tilt_warning(offsets_mm, places_mm[-1] - places_mm[0], pixel_mm, path)

    voxels, origin_px = stacked(slices), np.zeros(2)
    if tilt_warnings:
        voxels, origin_px = shift_slices(voxels, offsets_mm / pixel_mm)
    if gap_warnings:
        voxels = resample_slices(voxels, places_mm, even_mm)

    kji_to_lps = np.eye(4)
    steps = np.stack([normal * (even_mm[1] - even_mm[0]), along_j * pixel_mm[0], along_i * pixel_mm[1]])
    kji_to_lps[:3, :3] = steps.T
    kji_to_lps[:3, 3] = positions_mm[0] + origin_px @ steps[1:]
    return CTVolume(voxels, kji_to_lps, _info(first, path), tilt_warnings + gap_warnings)


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
    }
    return {"path": str(path), **{name: value for name, value in known.items() if value}}
