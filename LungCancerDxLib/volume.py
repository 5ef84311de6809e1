"""A CT volume: Hounsfield units on a grid with a known place in the patient."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import permutations, product
from typing import Any

import numpy as np
import numpy.typing as npt

# Axes of the canonical order as LPS directions: k to the head (+S), j to the back (+P), i to the patient's left (+L).
_CANONICAL_LPS_AXES = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])

_DIGEST_DECIMALS = 4  # of the affine


@dataclass(frozen=True)
class AxisOrder:
    """How a volume's axes are permuted and flipped to reach the canonical order.

    `axes[n]` is the source axis that becomes axis n; `flipped[n]` tells whether axis n then runs backwards.
    """

    axes: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]

    def apply(self, array: np.ndarray) -> np.ndarray:
        """Source order (3 axes) to canonical order, as a contiguous copy."""
        return np.ascontiguousarray(array.transpose(self.axes)[self._steps()])

    def undo(self, array: np.ndarray) -> np.ndarray:
        """Canonical order (3 axes) back to source order, as a contiguous copy."""
        return np.ascontiguousarray(array[self._steps()].transpose(np.argsort(self.axes)))

    def _steps(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1 if flip else 1) for flip in self.flipped)


@dataclass(frozen=True)
class CTVolume:
    """A CT scan.

    Parameters
    ----------
    voxels
        int16 Hounsfield units, shape (K, J, I), not below -1024 (scanner padding is clamped by the readers).
    kji_to_lps
        (4, 4) float64 affine from a voxel-centre index (k, j, i, 1) to patient coordinates (x, y, z, 1) in LPS mm.
        Its axes are orthogonal, whatever their order, direction or obliquity.
    info
        What is known of the acquisition: `path` (absolute), and where the source tells them `series_uid`,
        `series_description`, `slice_thickness_mm`, `kernel`, `modality`, `patient_age_years`, `patient_sex`.
    warnings
        Sentences for the user about how the scan was read (a series chosen, slices interpolated).
    """

    voxels: np.ndarray
    kji_to_lps: np.ndarray
    info: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.voxels.ndim != 3 or self.voxels.dtype != np.int16:
            raise ValueError(f"expected int16 voxels of shape (K, J, I), got {self.voxels.dtype} {self.voxels.shape}")
        if np.shape(self.kji_to_lps) != (4, 4):
            raise ValueError(f"expected a 4x4 affine, got shape {np.shape(self.kji_to_lps)}")

    @property
    def shape_kji(self) -> tuple[int, int, int]:
        k, j, i = self.voxels.shape
        return k, j, i

    @property
    def spacing_mm_kji(self) -> npt.NDArray[np.float64]:
        """Voxel size along k, j, i in mm, shape (3,)."""
        return np.asarray(np.linalg.norm(self.kji_to_lps[:3, :3], axis=0), dtype=float)

    def digest(self) -> str:
        """SHA-256 of voxels and place: the same for a scan that was saved and read again, whatever its file."""
        digest = hashlib.sha256(np.ascontiguousarray(self.voxels).data)
        affine = np.round(self.kji_to_lps, _DIGEST_DECIMALS) + 0.0  # no -0.0
        digest.update(repr((self.shape_kji, affine.tolist())).encode())
        return digest.hexdigest()

    def axis_order(self) -> AxisOrder:
        """The permutation and flips that bring this volume closest to the canonical order."""
        directions = self.kji_to_lps[:3, :3] / self.spacing_mm_kji
        cosines = _CANONICAL_LPS_AXES @ directions  # (canonical axis, own axis)
        k, j, i = max(permutations(range(3)), key=lambda order: float(np.abs(cosines[range(3), order]).sum()))
        backwards = [bool(cosine < 0) for cosine in cosines[range(3), (k, j, i)]]
        return AxisOrder((k, j, i), (backwards[0], backwards[1], backwards[2]))

    def canonical_spacing_mm(self) -> npt.NDArray[np.float64]:
        """Voxel size along head-foot, front-back and left-right in mm, shape (3,)."""
        return self.spacing_mm_kji[list(self.axis_order().axes)]

    def canonical(self) -> CTVolume:
        """The same voxels with k to the head, j to the back and i to the patient's left.

        Preprocessing and networks see no other order; label maps in the source's order are turned by the same
        `axis_order()`.
        """
        order = self.axis_order()
        to_source = np.zeros((4, 4))
        to_source[3, 3] = 1.0
        for n, (axis, flip) in enumerate(zip(order.axes, order.flipped, strict=True)):
            to_source[axis, n] = -1.0 if flip else 1.0
            to_source[axis, 3] = self.voxels.shape[axis] - 1 if flip else 0.0
        return CTVolume(order.apply(self.voxels), self.kji_to_lps @ to_source, self.info, self.warnings)


def index_to_world(kji_to_lps: npt.NDArray[np.float64], index_kji: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Voxel indices (..., 3), fractional allowed, to LPS mm (..., 3)."""
    return np.asarray(index_kji, dtype=float) @ kji_to_lps[:3, :3].T + kji_to_lps[:3, 3]


def world_to_index(kji_to_lps: npt.NDArray[np.float64], point_lps_mm: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """LPS mm (..., 3) to fractional voxel indices (..., 3)."""
    return (np.asarray(point_lps_mm, dtype=float) - kji_to_lps[:3, 3]) @ np.linalg.inv(kji_to_lps[:3, :3]).T


def corners_apart_mm(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64], shape_kji: tuple[int, ...]) -> float:
    """How far apart two affines put a grid's corner voxels, at most: none of its voxels lie farther apart."""
    corners = np.array(list(product(*[(0, n - 1) for n in shape_kji])))
    return float(np.linalg.norm(index_to_world(one, corners) - index_to_world(other, corners), axis=1).max())
