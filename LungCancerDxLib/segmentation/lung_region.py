"""Where in the lungs a point lies, and how far the lung reaches there once dents and holes are closed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..parallel import in_threads
from ..preprocessing import LEFT, RIGHT
from ..volume import CTVolume, index_to_world
from .block import Block

SIDES = {LEFT: "left", RIGHT: "right"}
THIRDS = ("lower", "middle", "upper")

_STEP_MM = 1.5
_FAR_MM = 24.0  # a point farther from a lung does not belong to it; no closing reaches so far
_MOSTLY_MM, _DEEPEST_MM = 15.0, 70.0  # depth of most nodules; no point of a lung is deeper
_WITHIN_MM = 0.5  # a closed surface errs by half a step; the chest wall must stay out
_VESSEL_CLOSING_MM = 6.0  # fills the holes that vessels up to 12 mm leave in a thresholded lung


@dataclass(frozen=True)
class Lung:
    """One lung of a label map.

    Parameters
    ----------
    label, labels, kji_to_lps
        Its label in the label map (K, J, I) uint8, and that map's affine.
    height_mm
        LPS z between which it lies.
    block, outside_steps
        How far each voxel of a block around the lung is from the lung's nearest voxel, in steps, float32.
    """

    label: int
    labels: np.ndarray
    kji_to_lps: np.ndarray
    height_mm: tuple[float, float]
    block: Block
    outside_steps: np.ndarray

    @staticmethod
    def of(label: int, labels: np.ndarray, kji_to_lps: np.ndarray) -> Lung:
        """A lung that the label map holds."""
        points = _surface_lps_mm(labels == label, kji_to_lps)
        low, high = points.min(axis=0), points.max(axis=0)
        half_mm = ((high - low) / 2)[::-1] + _FAR_MM + _STEP_MM
        block = Block.around(np.round((low + high) / 2, 3), half_mm, _STEP_MM)
        lung = _filled(block.bears(label, labels, kji_to_lps))
        outside_steps = ndimage.distance_transform_edt(~lung).astype(np.float32)
        return Lung(label, labels, kji_to_lps, (float(low[2]), float(high[2])), block, outside_steps)

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
        return THIRDS[int(np.clip((point_lps_mm[2] - low) / max(high - low, 1e-6) * 3, 0, 2))]

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
        return np.maximum(depth_mm, 0)

    def region(self, block: Block, closing_mm: float) -> np.ndarray:
        """(Z, Y, X) bool on the block: the lung, closed so that a nodule on the pleura is inside.

        Closing with a ball of `closing_mm` fills dents and holes narrower than twice that.
        """
        center_lps_mm = index_to_world(block.kji_to_lps, block.middle_kji)
        half_mm = float(block.middle_kji.max() * block.step_mm)
        window, depth_mm = self._closed_depth_mm(center_lps_mm, half_mm + closing_mm, closing_mm)
        lung = block.bears(self.label, self.labels, self.kji_to_lps)
        return (block.sample(depth_mm, window.kji_to_lps, -1.0) >= _WITHIN_MM) | lung

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


def lungs_of(volume: CTVolume, labels: np.ndarray) -> list[Lung]:
    """The lungs of a label map: 1 left, 2 right.

    Raises ValueError where the labels are not on the volume's grid.
    """
    if labels.shape != volume.shape_kji:
        raise ValueError(f"lungs {labels.shape} are not on the grid of the CT {volume.shape_kji}")
    present = [side for side in SIDES if (labels == side).any()]
    return list(in_threads(lambda side: Lung.of(side, labels, volume.kji_to_lps), present))


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
    return empty != empty[0, 0, 0]
