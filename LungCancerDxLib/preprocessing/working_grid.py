"""The working grid: 1 mm voxels cut to the lungs (section III-B.3), with the exact way back to the CT's grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..preset import Preset
from ..runtime.progress import in_threads
from ..volume import CTVolume
from .lung_mask import bounding_box

_ROUNDING = 1e-6  # voxels: 10 * 2.3 / 2.3 must count as 10
_STRIDE = 4  # of the maps that both networks answer on


@dataclass(frozen=True, eq=False)
class WorkingScan:
    """A scan as the networks see it; everything is on the working grid.

    Parameters
    ----------
    image
        (Z, Y, X) uint8, cropped to the lungs with a margin, tissue outside the dilated mask.
    dilated
        (Z, Y, X) bool: the mask after hull and dilation.
    lung_ends_kji
        (2, 3) first and last working index of the lungs on each axis, fractional.
    kji_to_lps
        (4, 4) affine from working index to LPS mm: the only way back to the patient.
    """

    image: np.ndarray
    dilated: np.ndarray
    lung_ends_kji: npt.NDArray[np.float64]
    kji_to_lps: npt.NDArray[np.float64]

    @property
    def spacing_mm(self) -> float:
        """Edge of a working voxel in mm (the geometric mean where the grid is only nearly isotropic)."""
        return float(abs(np.linalg.det(self.kji_to_lps[:3, :3])) ** (1 / 3))

    def inside_lungs(self, points_kji: np.ndarray) -> npt.NDArray[np.bool_]:
        """Which points (N, 3), in working voxels, lie in the dilated mask: (N,) bool."""
        nearest = np.rint(points_kji).astype(int)
        within = ((nearest >= 0) & (nearest < self.dilated.shape)).all(axis=1)
        inside = np.zeros(len(nearest), dtype=bool)
        inside[within] = self.dilated[tuple(nearest[within].T)]
        return inside

    def halved(self) -> WorkingScan:
        """The scan at half its resolution: each voxel is the mean of 2 x 2 x 2, the outermost ones repeated.

        Its voxel v has the scan's 2 v + 1/2 for its middle.
        """
        ends = [(0, size % 2) for size in self.image.shape]
        to_lps = self.kji_to_lps.copy()
        to_lps[:3, 3] += to_lps[:3, :3] @ np.full(3, 0.5)
        to_lps[:3, :3] *= 2
        return WorkingScan(
            image=np.rint(_blocks(np.pad(self.image, ends, mode="edge")).mean(axis=(1, 3, 5))).astype(np.uint8),
            dilated=np.asarray(_blocks(np.pad(self.dilated, ends)).any(axis=(1, 3, 5))),
            lung_ends_kji=(self.lung_ends_kji - 0.5) / 2,
            kji_to_lps=to_lps,
        )


@dataclass(frozen=True, eq=False)
class WorkingLungs:
    """The lungs on the grid of a `WorkingScan`: label map (Z, Y, X) uint8.

    1 left lung, 2 right lung, 3 a lung of unknown side.
    """

    labels: np.ndarray


@dataclass(frozen=True)
class WorkingGrid:
    """A box of working voxels over a CT grid: CT index = (start + working index) * step + offset, axis by axis.

    `shape_kji` is the box's size in working voxels; `step_kji` is in CT voxels per working voxel, `offset_kji` in CT
    voxels.
    """

    shape_kji: tuple[int, int, int]
    start_kji: tuple[int, int, int]
    step_kji: tuple[float, float, float]
    offset_kji: tuple[float, float, float]

    def ct_positions(self, axis: int) -> np.ndarray:
        """CT indices of this axis' working voxels, shape (size,)."""
        positions: np.ndarray = self.start_kji[axis] + np.arange(self.shape_kji[axis])
        return positions * self.step_kji[axis] + self.offset_kji[axis]

    def from_ct(self, ct_kji: np.ndarray) -> np.ndarray:
        """CT indices (N, 3) to working indices, fractional."""
        working: np.ndarray = (ct_kji - np.array(self.offset_kji)) / self.step_kji - self.start_kji
        return working

    def on_ct(self, ct_shape_kji: tuple[int, ...]) -> tuple[slice, ...]:
        """The box of CT voxels that the working voxels are interpolated from."""
        ends = [np.floor(self.ct_positions(axis)[[0, -1]]).astype(int) for axis in range(3)]
        return tuple(
            slice(int(max(low, 0)), int(min(high + 2, size)))
            for (low, high), size in zip(ends, ct_shape_kji, strict=True)
        )

    def kji_to_lps(self, ct_kji_to_lps: np.ndarray) -> np.ndarray:
        """(4, 4) affine from working index to LPS mm, given the CT's."""
        to_ct = np.diag([*self.step_kji, 1.0])
        to_ct[:3, 3] = np.multiply(self.start_kji, self.step_kji) + self.offset_kji
        return ct_kji_to_lps @ to_ct


def lung_grid(lungs: np.ndarray, spacing_mm_kji: np.ndarray, preset: Preset) -> WorkingGrid:
    """The working grid around the lungs with the preset's margin.

    "exact": a working voxel every 1 mm to both sides of the lungs' middle, a whole number of the networks' strides in
    all, so that a scan that was cropped, padded, moved or mirrored gives the same voxels; a part of the first and last
    stride may lie outside the CT. "corner aligned" (published code): round(N * spacing) voxels between the centres of
    the first and last CT voxel, so that the step is only nearly 1 mm.

    Parameters
    ----------
    lungs
        (K, J, I) bool on the CT grid, not empty, before hull and dilation.
    spacing_mm_kji
        (3,) voxel size in mm.
    """
    size = np.array(lungs.shape)
    box = bounding_box(lungs)
    first = np.array([side.start for side in box])
    last = np.array([side.stop - 1 for side in box])
    if preset.working_grid == "corner aligned":
        full = np.maximum(np.round(size * spacing_mm_kji), 1).astype(int)
        step = (size - 1) / np.maximum(full - 1, 1)
        low = np.floor(first * spacing_mm_kji).astype(int) - preset.crop_margin_low
        high = np.floor(last * spacing_mm_kji).astype(int) + preset.crop_margin_high
        low, high, offset = np.maximum(low, 0), np.minimum(high, full), np.zeros(3)
    else:
        step = preset.working_spacing_mm / spacing_mm_kji
        wanted = (last - first) / step + 1 + preset.crop_margin_low + preset.crop_margin_high
        strides = np.ceil(wanted / _STRIDE - _ROUNDING).astype(int)
        offset = (first + last) / 2 - (strides * _STRIDE - 1) / 2 * step
        first_in_ct = np.ceil(-offset / step - _ROUNDING).astype(int)
        end_in_ct = np.floor((size - 1 - offset) / step + _ROUNDING).astype(int) + 1
        low = np.maximum(first_in_ct // _STRIDE, 0) * _STRIDE
        high = np.minimum(-(-end_in_ct // _STRIDE), strides) * _STRIDE
    return WorkingGrid(
        shape_kji=tuple(int(n) for n in high - low),  # type: ignore[arg-type]
        start_kji=tuple(int(n) for n in low),  # type: ignore[arg-type]
        step_kji=tuple(float(s) for s in step),  # type: ignore[arg-type]
        offset_kji=tuple(float(o) for o in offset),  # type: ignore[arg-type]
    )


def resample_grey(grey: np.ndarray, seen: tuple[slice, ...], grid: WorkingGrid) -> np.ndarray:
    """uint8 on the part of the CT grid that the working grid looks at, to the working grid: linear, rounded."""
    along_k, along_j, along_i = (grid.ct_positions(axis) - seen[axis].start for axis in range(3))
    in_plane = np.empty((len(grey), *grid.shape_kji[1:]), dtype=np.float32)
    working = np.empty(grid.shape_kji, dtype=np.uint8)

    def within_slice(k: int) -> None:
        in_plane[k] = linear_along(linear_along(grey[k], 1, along_i), 0, along_j)

    def between_slices(k: int) -> None:
        working[k] = linear_along(in_plane, 0, along_k[k : k + 1])[0] + 0.5

    for step, count in ((within_slice, len(grey)), (between_slices, len(working))):
        for _ in in_threads(step, range(count)):
            pass
    return working


def resample_mask(mask: np.ndarray, grid: WorkingGrid) -> np.ndarray:
    """(K, J, I) bool or label array on the CT grid to the working grid, nearest voxel."""
    nearest = [np.clip(np.rint(grid.ct_positions(a)).astype(int), 0, mask.shape[a] - 1) for a in range(3)]
    return np.asarray(mask[np.ix_(*nearest)])


def linear_along(array: np.ndarray, axis: int, positions: np.ndarray) -> np.ndarray:
    """An array, float32, linearly interpolated at positions along an axis, beyond its ends what is there."""
    size = array.shape[axis]
    positions = np.clip(positions, 0, size - 1)
    below = np.clip(np.floor(positions).astype(int), 0, max(size - 2, 0))
    above = np.minimum(below + 1, size - 1)
    weight = (positions - below).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(array.ndim)])
    low: np.ndarray = np.take(array, below, axis=axis).astype(np.float32)
    low += weight * (np.take(array, above, axis=axis) - low)
    return low


def cut_out(image: np.ndarray, start_kji: np.ndarray, size: int, filled: int) -> np.ndarray:
    """The cube (size,)*3 of an image (K, J, I) uint8 from a voxel on, inside or outside; `filled` beyond it."""
    cube = np.full((size,) * 3, filled, dtype=np.uint8)
    low, high = np.maximum(start_kji, 0), np.minimum(start_kji + size, image.shape)
    if (low < high).all():
        source = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        target = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start_kji, strict=True))
        cube[target] = image[source]
    return cube


def _blocks(even: np.ndarray) -> np.ndarray:
    """An image of even sizes (K, J, I) as (K/2, 2, J/2, 2, I/2, 2)."""
    return even.reshape([part for size in even.shape for part in (size // 2, 2)])


def to_grey(hu: np.ndarray, preset: Preset) -> np.ndarray:
    """Hounsfield units (any shape) to uint8, the window stretched to 0..255 and truncated."""
    low, high = preset.window_hu
    grey = hu.astype(np.float32)
    grey -= low
    grey /= high - low
    np.clip(grey, 0, 1, out=grey)
    grey *= 255
    return grey.astype(np.uint8)


def from_grey(grey: np.ndarray, preset: Preset) -> np.ndarray:
    """Grey values (any shape) to Hounsfield units, float32: what `to_grey` kept of them."""
    low, high = preset.window_hu
    return grey.astype(np.float32) * np.float32((high - low) / 255) + np.float32(low)


def grey_ct(grey: np.ndarray, kji_to_lps: np.ndarray, preset: Preset) -> CTVolume:
    """Grey values (K, J, I) as a CT, for what measures in one."""
    return CTVolume(np.rint(from_grey(grey, preset)).astype(np.int16), kji_to_lps)


def mask_grey(grey: np.ndarray, dilated: np.ndarray, lungs: np.ndarray, preset: Preset) -> np.ndarray:
    """Tissue outside the dilated mask, and in place of bone between the lungs and the mask's border.

    Parameters
    ----------
    grey
        (K, J, I) uint8.
    dilated, lungs
        (K, J, I) bool: the hulled and dilated mask, and the lungs before hull and dilation.
    """
    keep = dilated & (lungs | (grey <= preset.bone_value))
    return np.where(keep, grey, np.uint8(preset.tissue_value))
