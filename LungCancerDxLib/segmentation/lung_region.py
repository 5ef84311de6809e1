"""Where in the lungs a point lies, and how far the lung reaches there once dents and holes are closed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..preprocessing import LEFT, RIGHT
from ..volume import CTVolume
from .patch import Cube

SIDES = {LEFT: "left", RIGHT: "right"}
THIRDS = ("lower", "middle", "upper")

_FARTHEST_LUNG_MM = 30.0  # a point farther from both lungs belongs to neither
_SURROUNDINGS_MM, _SURROUNDINGS_STEP_MM = 70.0, 2.0  # no point of a lung is farther from its pleura
_VESSEL_CLOSING_MM = 6.0  # fills the holes that vessels up to 12 mm leave in a thresholded lung
_FINE_STEP_MM, _COARSE_STEP_MM, _FINE_UP_TO_MM = 1.0, 1.5, 14.0  # grid of the closing, by the radius looked at


@dataclass(frozen=True)
class LungMap:
    """The labels of the lungs (K, J, I), uint8, their affine, and the heights (LPS z, mm) between which each lies."""

    labels: np.ndarray
    kji_to_lps: np.ndarray
    height_mm: dict[int, tuple[float, float]]

    @staticmethod
    def of(volume: CTVolume, labels: np.ndarray) -> LungMap:
        """Raises ValueError where the labels are not on the volume's grid."""
        if labels.shape != volume.shape_kji:
            raise ValueError(f"lungs {labels.shape} are not on the grid of the CT {volume.shape_kji}")
        return LungMap(
            labels,
            volume.kji_to_lps,
            {side: _heights(labels == side, volume.kji_to_lps) for side in SIDES if (labels == side).any()},
        )

    def side_of(self, point_lps_mm: np.ndarray) -> int | None:
        """The label of the nearest lung; None where neither is near."""
        cube = Cube.around(point_lps_mm, _FARTHEST_LUNG_MM, _SURROUNDINGS_STEP_MM)
        near = {}
        for side in self.height_mm:
            lung = cube.bears(side, self.labels, self.kji_to_lps)
            if lung.any():
                near[side] = cube.distance_mm()[lung].min()
        return min(near, key=lambda side: near[side]) if near else None

    def third_of(self, point_lps_mm: np.ndarray, side: int) -> str:
        """Which third of that lung's height (head to foot) the point lies in."""
        low, high = self.height_mm[side]
        return THIRDS[int(np.clip((point_lps_mm[2] - low) / max(high - low, 1e-6) * 3, 0, 2))]

    def depth_mm(self, points_lps_mm: np.ndarray, center_lps_mm: np.ndarray, side: int, radius_mm: float) -> np.ndarray:
        """Depth below the lung's surface, mm, of points (N, 3) near the centre, negative outside; good to about 1 mm.

        The surface is that of the lung with dents and holes closed that a nodule of this radius may leave in it.
        """
        cube = Cube.around(center_lps_mm, _SURROUNDINGS_MM, _SURROUNDINGS_STEP_MM)
        closed = self._closed(cube, side, max(radius_mm, _VESSEL_CLOSING_MM)) >= 0
        step = cube.step_mm
        far = np.full(cube.shape, _SURROUNDINGS_MM)
        inward = far if closed.all() else ndimage.distance_transform_edt(closed, sampling=step) - step / 2
        outward = ndimage.distance_transform_edt(~closed, sampling=step) - step / 2 if closed.any() else far
        return cube.at(np.where(closed, inward, -outward), points_lps_mm)

    def region(self, cube: Cube, side: int, radius_mm: float, closing_mm: float) -> np.ndarray:
        """(Z, Y, X) bool on the cube: the lung, closed so that a nodule on the pleura is inside.

        Closing with a ball of `closing_mm` fills dents and holes narrower than twice that. It is exact up to
        `radius_mm` from the cube's centre, where the nodule may lie.
        """
        step = _FINE_STEP_MM if radius_mm <= _FINE_UP_TO_MM else _COARSE_STEP_MM
        wide = Cube.around(cube.center_lps_mm, radius_mm + 2 * closing_mm + 2 * step, step)
        inside = self._closed(wide, side, closing_mm)
        lung = cube.bears(side, self.labels, self.kji_to_lps)
        return (cube.sample(inside, wide.kji_to_lps, -1.0) >= 0) | lung

    def _closed(self, cube: Cube, side: int, closing_mm: float) -> np.ndarray:
        """A field on the cube, mm, that is positive inside the closed lung and crosses zero on its surface."""
        lung = cube.bears(side, self.labels, self.kji_to_lps)
        lung = ndimage.binary_fill_holes(lung)
        if not lung.any():
            return np.full(cube.shape, -1.0)
        steps = max(round(closing_mm / cube.step_mm), 1)
        dilated = ndimage.distance_transform_edt(~lung) <= steps
        if dilated.all():
            return np.full(cube.shape, 1.0)
        return (ndimage.distance_transform_edt(dilated) - steps - 0.5) * cube.step_mm


def _heights(lung: np.ndarray, kji_to_lps: np.ndarray) -> tuple[float, float]:
    """Lowest and highest LPS z of a lung's voxel centres: the extremes lie on the first or last voxel of a column."""
    axis = int(np.argmax(np.abs(kji_to_lps[2, :3])))
    columns = lung.any(axis=axis)
    other = np.argwhere(columns)
    first = lung.argmax(axis=axis)[columns]
    last = lung.shape[axis] - 1 - np.flip(lung, axis).argmax(axis=axis)[columns]
    z = [np.insert(other, axis, end, axis=1) @ kji_to_lps[2, :3] + kji_to_lps[2, 3] for end in (first, last)]
    return float(np.min(z)), float(np.max(z))
