"""Oblique scans: brought onto the patient's axes before the slice-wise steps, and labels brought back."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..volume import CTVolume, index_to_world

_STRAIGHT_WITHIN_DEGREES = 1.0
_AIR_HU = -1024


def aligned_to_patient(volume: CTVolume) -> CTVolume:
    """The volume itself where its axes are the patient's to within 1 degree, else resampled (linear) so that they are.

    The new grid keeps the voxel size and covers the whole old one; what lies beyond the old one is air.

    Parameters
    ----------
    volume
        In canonical order.
    """
    spacing = volume.spacing_mm_kji
    directions = volume.kji_to_lps[:3, :3] / spacing
    straight = np.eye(3)[::-1]  # k, j, i along z, y, x of LPS
    cosines = np.clip((directions * straight).sum(axis=0), -1, 1)
    if np.degrees(np.arccos(cosines)).max() <= _STRAIGHT_WITHIN_DEGREES:
        return volume
    last = np.array(volume.shape_kji) - 1
    corners = np.stack(np.meshgrid(*[[0, n] for n in last], indexing="ij"), axis=-1).reshape(-1, 3)
    corners_lps_mm = index_to_world(volume.kji_to_lps, corners)
    low_lps_mm, high_lps_mm = corners_lps_mm.min(axis=0), corners_lps_mm.max(axis=0)
    shape = np.ceil((high_lps_mm - low_lps_mm)[::-1] / spacing).astype(int) + 1
    kji_to_lps = np.eye(4)
    kji_to_lps[:3, :3] = straight * spacing
    kji_to_lps[:3, 3] = low_lps_mm
    to_old = np.linalg.inv(volume.kji_to_lps) @ kji_to_lps
    voxels = ndimage.affine_transform(
        volume.voxels.astype(np.float32), to_old, output_shape=tuple(shape), order=1, cval=_AIR_HU
    )
    return CTVolume(np.rint(voxels).astype(np.int16), kji_to_lps, volume.info, volume.warnings)


def labels_onto(labels: np.ndarray, kji_to_lps: np.ndarray, target: CTVolume) -> np.ndarray:
    """A label map (K, J, I) with its affine on the grid of another volume, nearest voxel, 0 beyond it."""
    if labels.shape == target.shape_kji and np.array_equal(kji_to_lps, target.kji_to_lps):
        return labels
    to_labels = np.linalg.inv(kji_to_lps) @ target.kji_to_lps
    return ndimage.affine_transform(labels, to_labels, output_shape=target.shape_kji, order=0)
