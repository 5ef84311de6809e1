"""Oblique scans: brought onto the patient's axes before the slice-wise steps, and labels brought back."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..volume import CTVolume, index_to_world
from .landmarks import TISSUE_ABOVE_HU

_STRAIGHT_WITHIN_DEGREES = 1.0
_AIR_AROUND_MM = 15.0
_COARSE_STEP = 4  # pixels: enough to find the box of the body


def aligned_to_patient(volume: CTVolume) -> tuple[CTVolume, np.ndarray | None]:
    """The volume itself where its axes are the patient's to within 1 degree, else resampled (linear) so that they are.

    The new grid keeps the voxel size and covers all tissue with some space around. Beyond the scan its border is
    continued, so that lungs which the scan cuts off do not open to the outside there.

    Parameters
    ----------
    volume
        In canonical order.

    Returns
    -------
    volume
        On the patient's axes.
    within
        (K, J, I) bool, which of its voxels the scan really holds; None for all.
    """
    spacing = volume.spacing_mm_kji
    straight = np.eye(3)[::-1]  # k, j, i along z, y, x of LPS
    cosines = np.clip((volume.kji_to_lps[:3, :3] / spacing * straight).sum(axis=0), -1, 1)
    if np.degrees(np.arccos(cosines)).max() <= _STRAIGHT_WITHIN_DEGREES:
        return volume, None
    low_lps_mm, high_lps_mm = _tissue_box(volume)
    shape = np.ceil((high_lps_mm - low_lps_mm)[::-1] / spacing).astype(int) + 1
    kji_to_lps = np.eye(4)
    kji_to_lps[:3, :3] = straight * spacing
    kji_to_lps[:3, 3] = low_lps_mm
    to_old = np.linalg.inv(volume.kji_to_lps) @ kji_to_lps
    voxels = ndimage.affine_transform(
        volume.voxels, to_old, output_shape=tuple(shape), output=np.float32, order=1, mode="nearest"
    )
    scanned = np.ones(volume.shape_kji, dtype=np.uint8)
    within = ndimage.affine_transform(scanned, to_old, output_shape=tuple(shape), order=0) > 0
    return CTVolume(np.rint(voxels).astype(np.int16), kji_to_lps, volume.info, volume.warnings), within


def labels_onto(labels: np.ndarray, kji_to_lps: np.ndarray, target: CTVolume) -> np.ndarray:
    """A uint8 label map (K, J, I) with its affine on the grid of another volume, 0 beyond it.

    Each label is interpolated by itself and taken where it is at least one half: outlines stay smooth.
    """
    if labels.shape == target.shape_kji and np.array_equal(kji_to_lps, target.kji_to_lps):
        return labels
    to_labels = np.linalg.inv(kji_to_lps) @ target.kji_to_lps
    mapped = np.zeros(target.shape_kji, dtype=np.uint8)
    for label in np.unique(labels[labels > 0]):
        share = ndimage.affine_transform(
            (labels == label).astype(np.float32), to_labels, output_shape=target.shape_kji, order=1
        )
        mapped[share >= 0.5] = label
    return mapped


def _tissue_box(volume: CTVolume) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest LPS mm (3,) of the tissue, with a margin; of the whole volume where there is none."""
    coarse = np.argwhere(volume.voxels[:, ::_COARSE_STEP, ::_COARSE_STEP] > TISSUE_ABOVE_HU)
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * (np.array(volume.shape_kji) - 1)
    index = coarse * [1, _COARSE_STEP, _COARSE_STEP] if len(coarse) else corners
    points_lps_mm = index_to_world(volume.kji_to_lps, index)
    return points_lps_mm.min(axis=0) - _AIR_AROUND_MM, points_lps_mm.max(axis=0) + _AIR_AROUND_MM
