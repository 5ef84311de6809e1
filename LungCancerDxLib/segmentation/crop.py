"""The crop that the segmenter sees: it follows the proposal's box and is sampled from the CT itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import affine_transform

from ..volume import CTVolume

CROP_SIZE = 48
CROP_DIAMETERS = 2.2  # edge of the crop, of the proposal's diameter
SPACING_MM = (0.5, 2.5)  # finest and coarsest voxels: the smallest nodules still have surroundings
_AXES_LPS = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])  # columns: head, back, patient's left
_OUTSIDE_HU = -1024.0


@dataclass(frozen=True)
class Crop:
    """An isotropic grid of `CROP_SIZE`^3 voxels around a proposal; `kji_to_lps` (4, 4) takes its indices to LPS mm."""

    kji_to_lps: np.ndarray
    spacing_mm: float
    diameter_mm: float

    @staticmethod
    def around(center_lps_mm: np.ndarray, diameter_mm: float, turn: np.ndarray | None = None) -> Crop:
        """The crop of a proposal, its axes to head, back and left, or turned and mirrored by a (3, 3) of K J I."""
        spacing_mm = float(np.clip(CROP_DIAMETERS * diameter_mm / CROP_SIZE, *SPACING_MM))
        affine = np.eye(4)
        affine[:3, :3] = _AXES_LPS @ (np.eye(3) if turn is None else turn) * spacing_mm
        affine[:3, 3] = np.asarray(center_lps_mm, dtype=float) - affine[:3, :3] @ np.full(3, (CROP_SIZE - 1) / 2)
        return Crop(affine, spacing_mm, diameter_mm)

    def hu(self, volume: CTVolume) -> np.ndarray:
        """(S, S, S) float32, the scan linearly interpolated; air beyond it."""
        return self.sample(volume.voxels, volume.kji_to_lps, outside=_OUTSIDE_HU)

    def sample(self, array: np.ndarray, kji_to_lps: np.ndarray, outside: float | None = 0.0) -> np.ndarray:
        """(S, S, S) float32 of an array (K, J, I) with its affine (4, 4), linearly interpolated.

        Beyond it there is `outside`, or with None what is at its border.
        """
        to_array = np.linalg.inv(kji_to_lps) @ self.kji_to_lps
        return interpolated(array, to_array, (CROP_SIZE,) * 3, outside)


def interpolated(array: np.ndarray, to_array: np.ndarray, shape: tuple[int, ...], outside: float | None) -> np.ndarray:
    """A grid of a shape, float32, of an array, linearly interpolated; `to_array` (4, 4) takes the grid's indices there.

    Beyond the array there is `outside`, or with None what is at its border.
    """
    matrix, offset = to_array[:3, :3], to_array[:3, 3]
    if np.count_nonzero(np.round(matrix - np.diag(np.diag(matrix)), 9)) == 0:
        matrix = np.diag(matrix)  # along the axes, which is several times faster
    mode, fill = ("nearest", 0.0) if outside is None else ("grid-constant", outside)
    found: np.ndarray = affine_transform(array, matrix, offset, shape, np.float32, order=1, mode=mode, cval=fill)
    return found
