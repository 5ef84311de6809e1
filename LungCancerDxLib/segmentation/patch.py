"""A small isotropic cube of the scan on the patient's axes, whatever the scan's own grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..volume import CTVolume, world_to_index

_PATCH_AXES_LPS = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])  # columns: z, y, x of the patient
_HU_DECIMALS = 3  # a flipped scan then gives the same patch: its affine differs by rounding only


@dataclass(frozen=True)
class Cube:
    """An isotropic grid of odd size around a point; its axes run to the head, to the back and to the patient's left.

    Parameters
    ----------
    center_lps_mm
        (3,) place of the middle voxel.
    step_mm
        Edge of a voxel.
    reach
        Voxels from the middle one to the last: the grid has 2 reach + 1 a side.
    """

    center_lps_mm: np.ndarray
    step_mm: float
    reach: int

    @staticmethod
    def around(center_lps_mm: np.ndarray, half_mm: float, step_mm: float) -> Cube:
        """The smallest cube that reaches at least `half_mm` from the centre."""
        return Cube(np.asarray(center_lps_mm, dtype=float), step_mm, int(np.ceil(half_mm / step_mm)))

    @property
    def shape(self) -> tuple[int, int, int]:
        return (2 * self.reach + 1,) * 3

    @property
    def kji_to_lps(self) -> np.ndarray:
        """(4, 4) affine from an index of the cube to LPS mm."""
        affine = np.eye(4)
        affine[:3, :3] = _PATCH_AXES_LPS * self.step_mm
        affine[:3, 3] = self.center_lps_mm - affine[:3, :3] @ np.full(3, self.reach)
        return affine

    def distance_mm(self, center_kji: np.ndarray | None = None) -> np.ndarray:
        """Distance of each voxel from an index of the cube (default: its middle), mm."""
        center = np.full(3, self.reach) if center_kji is None else center_kji
        axes = [(np.arange(size) - c) * self.step_mm for size, c in zip(self.shape, center, strict=True)]
        k, j, i = np.meshgrid(*axes, indexing="ij", sparse=True)
        return np.sqrt(k**2 + j**2 + i**2)

    def sample(self, array: np.ndarray, kji_to_lps: np.ndarray, outside: float, label: int | None = None) -> np.ndarray:
        """An array (K, J, I) with its affine, linearly interpolated on the cube (float64), `outside` beyond it.

        With a `label`, the share (0 to 1) of the voxels that bear it is interpolated instead.
        """
        to_array = np.linalg.inv(kji_to_lps) @ self.kji_to_lps
        corners = np.indices((2, 2, 2)).reshape(3, -1) * (2 * self.reach)
        ends = to_array[:3, :3] @ corners + to_array[:3, 3:]
        low = np.clip(np.floor(ends.min(axis=1)).astype(int) - 1, 0, array.shape)
        high = np.clip(np.ceil(ends.max(axis=1)).astype(int) + 2, 0, array.shape)
        if (high <= low).any():
            return np.full(self.shape, outside)
        crop = array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        values = (crop if label is None else crop == label).astype(float)
        to_array[:3, 3] -= low
        return ndimage.affine_transform(values, to_array, output_shape=self.shape, order=1, cval=outside)

    def bears(self, label: int, labels: np.ndarray, kji_to_lps: np.ndarray) -> np.ndarray:
        """Which voxels of the cube (bool) bear a label of a label map (K, J, I) with its affine."""
        return self.sample(labels, kji_to_lps, 0.0, label) >= 0.5

    def hounsfield(self, volume: CTVolume, outside_hu: float) -> np.ndarray:
        """The scan on the cube, HU, linearly interpolated."""
        return np.round(self.sample(volume.voxels, volume.kji_to_lps, outside_hu), _HU_DECIMALS)

    def at(self, field: np.ndarray, points_lps_mm: np.ndarray) -> np.ndarray:
        """A field on the cube, linearly interpolated at LPS points (..., 3); its border is continued."""
        index = world_to_index(self.kji_to_lps, points_lps_mm)
        return ndimage.map_coordinates(field, np.moveaxis(index, -1, 0), order=1, mode="nearest")


def mask_onto(mask: np.ndarray, cube: Cube, volume: CTVolume) -> tuple[tuple[slice, ...], np.ndarray]:
    """A mask of a cube on the scan's own grid: the box of voxels (slices) and the mask in it (bool).

    A voxel belongs to the mask where the interpolated mask at its centre is at least one half.
    """
    inside = np.argwhere(mask)
    corners = np.array([inside.min(axis=0) - 1, inside.max(axis=0) + 1])
    box = np.stack(np.meshgrid(*corners.T, indexing="ij"), -1).reshape(-1, 3)
    to_scan = np.linalg.inv(volume.kji_to_lps) @ cube.kji_to_lps
    ends = box @ to_scan[:3, :3].T + to_scan[:3, 3]
    low = np.clip(np.floor(ends.min(axis=0)).astype(int), 0, volume.shape_kji)
    high = np.clip(np.ceil(ends.max(axis=0)).astype(int) + 1, low, volume.shape_kji)
    to_cube = np.linalg.inv(to_scan)
    to_cube[:3, 3] += to_cube[:3, :3] @ low
    share = ndimage.affine_transform(mask.astype(float), to_cube, output_shape=tuple(high - low), order=1)
    return tuple(slice(a, b) for a, b in zip(low, high, strict=True)), np.round(share, 6) >= 0.5
