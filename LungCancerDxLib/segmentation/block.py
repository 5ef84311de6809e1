"""A small isotropic block of the scan on the patient's axes, whatever the scan's own grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..volume import CTVolume, index_to_world, world_to_index

_AXES_LPS = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])  # columns: z, y, x of the patient
_HU_DECIMALS, _SHARE_DECIMALS = 3, 6  # a flipped scan then gives the same patch: its affine differs by rounding only


@dataclass(frozen=True)
class Block:
    """An isotropic grid; its axes run to the head, to the back and to the patient's left.

    Parameters
    ----------
    first_lps_mm
        (3,) place of voxel 0, 0, 0.
    step_mm
        Edge of a voxel.
    shape
        Voxels along each axis.
    """

    first_lps_mm: np.ndarray
    step_mm: float
    shape: tuple[int, int, int]

    @staticmethod
    def around(center_lps_mm: np.ndarray, half_mm: float | np.ndarray, step_mm: float) -> Block:
        """The smallest grid with a voxel on a point that reaches at least `half_mm`, a number or (3,) in K J I."""
        reach = np.ceil(np.broadcast_to(half_mm, 3) / step_mm)
        k, j, i = (2 * reach + 1).astype(int).tolist()
        return Block(np.asarray(center_lps_mm, dtype=float) - _AXES_LPS @ reach * step_mm, step_mm, (k, j, i))

    def window(self, center_lps_mm: np.ndarray, half_mm: float) -> tuple[Block, tuple[slice, ...]]:
        """The part of the grid that reaches `half_mm` from a point, where the grid does, and where it is cut."""
        center = world_to_index(self.kji_to_lps, np.asarray(center_lps_mm, dtype=float))
        low = np.clip(np.floor(center - half_mm / self.step_mm).astype(int), 0, np.array(self.shape) - 1)
        high = np.clip(np.ceil(center + half_mm / self.step_mm).astype(int) + 1, low + 1, self.shape)
        k, j, i = (high - low).tolist()
        window = Block(index_to_world(self.kji_to_lps, low), self.step_mm, (k, j, i))
        return window, tuple(slice(a, b) for a, b in zip(low, high, strict=True))

    @property
    def middle_kji(self) -> np.ndarray:
        """(3,) index of the middle, whole where the grid has odd size."""
        return (np.array(self.shape) - 1) / 2

    @property
    def kji_to_lps(self) -> np.ndarray:
        """(4, 4) affine from an index of the block to LPS mm."""
        affine = np.eye(4)
        affine[:3, :3] = _AXES_LPS * self.step_mm
        affine[:3, 3] = self.first_lps_mm
        return affine

    def distance_mm(self, center_kji: np.ndarray | None = None) -> np.ndarray:
        """Distance of each voxel from an index of the block (default: its middle), mm."""
        center = self.middle_kji if center_kji is None else center_kji
        axes = [(np.arange(size) - c) * self.step_mm for size, c in zip(self.shape, center, strict=True)]
        k, j, i = np.meshgrid(*axes, indexing="ij", sparse=True)
        return np.sqrt(k**2 + j**2 + i**2)

    def sample(self, array: np.ndarray, kji_to_lps: np.ndarray, outside: float, label: int | None = None) -> np.ndarray:
        """An array (K, J, I) with its affine, linearly interpolated on the block (float64), `outside` beyond it.

        With a `label`, the share (0 to 1) of the voxels that bear it is interpolated instead.
        """
        to_array = np.linalg.inv(kji_to_lps) @ self.kji_to_lps
        corners = np.indices((2, 2, 2)).reshape(3, -1) * (np.array(self.shape)[:, None] - 1)
        ends = to_array[:3, :3] @ corners + to_array[:3, 3:]
        low = np.clip(np.floor(ends.min(axis=1)).astype(int) - 1, 0, array.shape)
        high = np.clip(np.ceil(ends.max(axis=1)).astype(int) + 2, 0, array.shape)
        if (high <= low).any():
            return np.full(self.shape, outside)
        crop = array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        values = (crop if label is None else crop == label).astype(float)
        matrix, offset = to_array[:3, :3], to_array[:3, 3] - low
        if np.count_nonzero(matrix - np.diag(np.diag(matrix))) == 0:
            matrix = np.diag(matrix)  # along the axes, which is several times faster
        return ndimage.affine_transform(values, matrix, offset, output_shape=self.shape, order=1, cval=outside)

    def bears(self, label: int, labels: np.ndarray, kji_to_lps: np.ndarray) -> np.ndarray:
        """Which voxels of the block (bool) bear a label of a label map (K, J, I) with its affine."""
        return np.round(self.sample(labels, kji_to_lps, 0.0, label), _SHARE_DECIMALS) >= 0.5

    def hounsfield(self, volume: CTVolume, outside_hu: float) -> np.ndarray:
        """The scan on the block, HU, linearly interpolated."""
        return np.round(self.sample(volume.voxels, volume.kji_to_lps, outside_hu), _HU_DECIMALS)

    def at(self, field: np.ndarray, points_lps_mm: np.ndarray) -> np.ndarray:
        """A field on the block, linearly interpolated at LPS points (..., 3); its border is continued."""
        index = world_to_index(self.kji_to_lps, points_lps_mm)
        return ndimage.map_coordinates(field, np.moveaxis(index, -1, 0), order=1, mode="nearest")


def mask_onto(mask: np.ndarray, block: Block, volume: CTVolume) -> tuple[tuple[slice, ...], np.ndarray]:
    """A mask of a block on the scan's own grid: the box of voxels (slices) and the mask in it (bool).

    A voxel belongs to the mask where the interpolated mask at its centre is at least one half.
    """
    inside = np.argwhere(mask)
    corners = np.array([inside.min(axis=0) - 1, inside.max(axis=0) + 1])
    box = np.stack(np.meshgrid(*corners.T, indexing="ij"), -1).reshape(-1, 3)
    to_scan = np.linalg.inv(volume.kji_to_lps) @ block.kji_to_lps
    ends = box @ to_scan[:3, :3].T + to_scan[:3, 3]
    low = np.clip(np.floor(ends.min(axis=0)).astype(int), 0, volume.shape_kji)
    high = np.clip(np.ceil(ends.max(axis=0)).astype(int) + 1, low, volume.shape_kji)
    to_block = np.linalg.inv(to_scan)
    to_block[:3, 3] += to_block[:3, :3] @ low
    share = ndimage.affine_transform(mask.astype(float), to_block, output_shape=tuple(high - low), order=1)
    return tuple(slice(a, b) for a, b in zip(low, high, strict=True)), np.round(share, _SHARE_DECIMALS) >= 0.5
