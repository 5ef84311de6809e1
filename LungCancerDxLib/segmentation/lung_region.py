"""Where in the lungs a point lies, how far the lung reaches there once dents and holes are closed, what is around."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..names import SIDES
from ..preprocessing import CTLungs
from ..preprocessing.lung_mask import bounding_box
from ..runtime.progress import in_threads
from ..volume import CTVolume, index_to_world, world_to_index

_THIRDS = ("lower", "middle", "upper")

_STEP_MM = 1.5
_FAR_MM = 24.0  # a point farther from a lung does not belong to it; no closing reaches so far
_MOSTLY_MM, _DEEPEST_MM = 15.0, 70.0  # depth of most nodules; no point of a lung is deeper
_WITHIN_MM = 0.5  # a closed surface errs by half a step; the chest wall must stay out
_VESSEL_CLOSING_MM = 6.0  # fills the holes that vessels up to 12 mm leave in a thresholded lung
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

    def distance_mm(self) -> np.ndarray:
        """Distance of each voxel from the block's middle, mm."""
        axes = [(np.arange(size) - (size - 1) / 2) * self.step_mm for size in self.shape]
        k, j, i = np.meshgrid(*axes, indexing="ij", sparse=True)
        return np.asarray(np.sqrt(k**2 + j**2 + i**2))

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
        sampled = ndimage.affine_transform(values, matrix, offset, output_shape=self.shape, order=1, cval=outside)
        return np.asarray(sampled)

    def bears(self, label: int, lungs: CTLungs) -> np.ndarray:
        """Which voxels of the block (bool) bear this label."""
        return np.round(self.sample(lungs.labels, lungs.kji_to_lps, 0.0, label), _SHARE_DECIMALS) >= 0.5

    def hounsfield(self, volume: CTVolume, outside_hu: float) -> np.ndarray:
        """The scan on the block, HU, linearly interpolated."""
        return np.round(self.sample(volume.voxels, volume.kji_to_lps, outside_hu), _HU_DECIMALS)

    def at(self, field: np.ndarray, points_lps_mm: np.ndarray) -> np.ndarray:
        """A field on the block, linearly interpolated at LPS points (..., 3); its border is continued."""
        index = world_to_index(self.kji_to_lps, points_lps_mm)
        return np.asarray(ndimage.map_coordinates(field, np.moveaxis(index, -1, 0), order=1, mode="nearest"))


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


@dataclass(frozen=True)
class Patch:
    """What is known around a proposal, all (Z, Y, X) on one block of `step_mm`.

    `hu`; `lung` (bool), the closed lung; `distance_mm` from the proposal; `blur_kji`, how much wider than 1 mm the
    scan's own voxels are along each axis (at least 1): distances along a thick axis count for less.
    """

    hu: np.ndarray
    lung: np.ndarray
    distance_mm: np.ndarray
    step_mm: float
    blur_kji: np.ndarray

    def away_mm(self, mask: np.ndarray, farthest_mm: float, wanted: np.ndarray | None = None) -> np.ndarray:
        """Distance to a mask in mm, shortened along axes of thick voxels; may be infinite beyond the farthest.

        It is worked out around the mask, or around the voxels `wanted` (bool).
        """
        sampling_mm = self.step_mm / self.blur_kji
        box = bounding_box(mask if wanted is None else wanted, np.ceil(farthest_mm / sampling_mm).astype(int))
        away_mm = np.full(mask.shape, np.inf)
        if mask[box].any():
            away_mm[box] = ndimage.distance_transform_edt(~mask[box], sampling=sampling_mm)
        return away_mm

    def smooth_hu(self, sigma_mm: float) -> np.ndarray:
        """HU smoothed within the lung alone, so that the chest wall does not spill into it; unchanged outside."""
        sigma = sigma_mm / self.step_mm
        weight = ndimage.gaussian_filter(self.lung.astype(float), sigma)
        within = ndimage.gaussian_filter(np.where(self.lung, self.hu, 0.0), sigma)
        return np.where(self.lung, within / np.maximum(weight, 1e-6), self.hu)


@dataclass(frozen=True)
class Lung:
    """One lung of a label map.

    Parameters
    ----------
    label, lungs
        Its label in the label map.
    height_mm
        LPS z between which it lies.
    block, outside_steps
        How far each voxel of a block around the lung is from the lung's nearest voxel, in steps, float32.
    """

    label: int
    lungs: CTLungs
    height_mm: tuple[float, float]
    block: Block
    outside_steps: np.ndarray

    @staticmethod
    def of(label: int, lungs: CTLungs) -> Lung:
        """A lung that the label map holds."""
        points = _surface_lps_mm(lungs.labels == label, lungs.kji_to_lps)
        low, high = points.min(axis=0), points.max(axis=0)
        half_mm = ((high - low) / 2)[::-1] + _FAR_MM + _STEP_MM
        block = Block.around(np.round((low + high) / 2, 3), half_mm, _STEP_MM)
        lung = _filled(block.bears(label, lungs))
        outside_steps = ndimage.distance_transform_edt(~lung).astype(np.float32)
        return Lung(label, lungs, (float(low[2]), float(high[2])), block, outside_steps)

    @property
    def side(self) -> str:
        return SIDES[self.label]

    def away_mm(self, point_lps_mm: np.ndarray) -> float:
        """How far a point lies outside the lung; zero inside, infinite where it is too far to tell."""
        away_mm = self.block.at(self.outside_steps, point_lps_mm[None]).item() * _STEP_MM
        return away_mm if away_mm <= _FAR_MM else np.inf

    def third_of(self, point_lps_mm: np.ndarray) -> str:
        """Which third of the lung's height (head to foot) the point lies in."""
        low, high = self.height_mm
        return _THIRDS[int(np.clip((point_lps_mm[2] - low) / max(high - low, 1e-6) * 3, 0, 2))]

    def depth_mm(self, points_lps_mm: np.ndarray, center_lps_mm: np.ndarray, radius_mm: float) -> np.ndarray:
        """Depth below the lung's surface, mm, of points (N, 3) near the centre; zero outside; good to about 1 mm.

        The surface is that of the lung with dents and holes closed that a nodule of this radius may leave in it.
        """
        closing_mm = max(radius_mm, _VESSEL_CLOSING_MM)
        extent_mm = np.linalg.norm(points_lps_mm - center_lps_mm, axis=1).max()
        for deepest_mm in (_MOSTLY_MM, _DEEPEST_MM):
            half_mm = extent_mm + deepest_mm + closing_mm
            window, field_mm = self._closed_depth_mm(center_lps_mm, half_mm, closing_mm)
            depth_mm = window.at(field_mm, points_lps_mm)
            if depth_mm.min() < deepest_mm:
                break
        return np.asarray(np.maximum(depth_mm, 0))

    def region(self, block: Block, closing_mm: float) -> np.ndarray:
        """(Z, Y, X) bool on the block: the lung, closed so that a nodule on the pleura is inside.

        Closing with a ball of `closing_mm` fills dents and holes narrower than twice that.
        """
        center_lps_mm = index_to_world(block.kji_to_lps, block.middle_kji)
        half_mm = float(block.middle_kji.max() * block.step_mm)
        window, depth_mm = self._closed_depth_mm(center_lps_mm, half_mm + closing_mm, closing_mm)
        lung = block.bears(self.label, self.lungs)
        return np.asarray((block.sample(depth_mm, window.kji_to_lps, -1.0) >= _WITHIN_MM) | lung)

    def meets(self, other: Lung, block: Block) -> bool:
        """Whether both lungs lie in the block and touch there."""
        here, there = (block.bears(lung.label, lung.lungs) for lung in (self, other))
        return bool(here.any() and (ndimage.binary_dilation(there) & here).any())

    def _closed_depth_mm(self, point_lps_mm: np.ndarray, half_mm: float, closing_mm: float) -> tuple[Block, np.ndarray]:
        """How deep the voxels around a point lie in the closed lung, mm, negative outside; with their block.

        What closing with a ball leaves outside is made of such balls: the way to them is the way to their centres less
        their radius. Dilation and erosion see the same voxels, so that the lung's own surface stays where it is.
        """
        window, cut = self.block.window(point_lps_mm, half_mm)
        steps = max(round(closing_mm / _STEP_MM), 1)
        no_center = self.outside_steps[cut] <= steps
        if no_center.all():
            return window, np.full(window.shape, _DEEPEST_MM)
        return window, (ndimage.distance_transform_edt(no_center) - steps - 0.5) * _STEP_MM


def lungs_of(volume: CTVolume, lungs: CTLungs) -> list[Lung]:
    """Each lung of a scan; raises ValueError where they are not on the scan's grid."""
    if lungs.labels.shape != volume.shape_kji:
        raise ValueError(f"lungs {lungs.labels.shape} are not on the grid of the CT {volume.shape_kji}")
    present = [side for side in SIDES if (lungs.labels == side).any()]
    return list(in_threads(lambda side: Lung.of(side, lungs), present))


def region_of(lung: Lung, lungs: list[Lung], block: Block, closing_mm: float) -> np.ndarray:
    """`lung.region`, and that of another lung where the two meet in the block: their border may be a wrong one."""
    region = lung.region(block, closing_mm)
    for other in lungs:
        if other is not lung and other.meets(lung, block):
            region |= other.region(block, closing_mm)
    return region


def nearest_lung(point_lps_mm: np.ndarray, lungs: list[Lung]) -> Lung | None:
    """The lung that a point lies in or next to; None where none is near."""
    away_mm = [lung.away_mm(point_lps_mm) for lung in lungs]
    return lungs[int(np.argmin(away_mm))] if np.isfinite(away_mm).any() else None


def _surface_lps_mm(mask: np.ndarray, kji_to_lps: np.ndarray) -> np.ndarray:
    """(N, 3) the first and the last voxel of each row of a mask: its extremes in any direction are among them."""
    rows = mask.any(axis=2)
    first, last = mask.argmax(axis=2)[rows], mask.shape[2] - 1 - mask[:, :, ::-1].argmax(axis=2)[rows]
    ends = [np.column_stack([np.argwhere(rows), end]) for end in (first, last)]
    return index_to_world(kji_to_lps, np.concatenate(ends))


def _filled(mask: np.ndarray) -> np.ndarray:
    """A mask whose border is empty, with what it encloses."""
    empty, _ = ndimage.label(~mask)
    return np.asarray(empty != empty[0, 0, 0])
