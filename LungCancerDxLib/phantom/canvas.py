"""Painting fields into Hounsfield units, with soft edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .shapes import Solid


@dataclass(frozen=True)
class Canvas:
    """Hounsfield units under the brush.

    Parameters
    ----------
    hu
        float32, shape (K, J, I); painted in place.
    z, y, x
        Ascending coordinates of the voxel centres along k, j, i, mm, float32.
    edge_mm
        Over this width a painted edge goes from nothing to all.
    """

    hu: np.ndarray
    z: np.ndarray
    y: np.ndarray
    x: np.ndarray
    edge_mm: float

    def in_frame(self, scale_xyz: tuple[float, float, float]) -> Canvas:
        """The same voxels in a frame whose millimetres are `scale_xyz` times as long."""
        x, y, z = (c / np.float32(s) for c, s in zip((self.x, self.y, self.z), scale_xyz, strict=True))
        return Canvas(self.hu, z, y, x, self.edge_mm)

    def window(
        self, k: int, low_xy: tuple[float, float], high_xy: tuple[float, float]
    ) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray, np.ndarray]:
        """A rectangle of slice k: its place in (J, I), its HU (j, i) to paint in, its x (1, i) and its y (j, 1)."""
        columns = slice(*np.searchsorted(self.x, (low_xy[0], high_xy[0])))
        rows = slice(*np.searchsorted(self.y, (low_xy[1], high_xy[1])))
        return (rows, columns), self.hu[k, rows, columns], self.x[None, columns], self.y[rows, None]

    def paint(
        self,
        solid: Solid,
        value: float,
        *,
        grow_mm: float = 0.0,
        where: np.ndarray | None = None,
        brighten: bool = False,
    ) -> None:
        """Fill `solid`, grown by `grow_mm`.

        `where` (bool, shape (K, J, I)) limits the brush; `brighten` leaves whatever is already denser than `value`.
        """
        low, high = solid.bounds()
        margin = grow_mm + self.edge_mm
        box = tuple(
            slice(*np.searchsorted(c, (low[axis] - margin, high[axis] + margin)))
            for c, axis in ((self.z, 2), (self.y, 1), (self.x, 0))
        )
        patch = self.hu[box]
        if patch.size == 0:
            return
        x, y, z = self.x[box[2]][None, None, :], self.y[box[1]][None, :, None], self.z[box[0]][:, None, None]
        share = coverage(solid.field(x, y, z) - grow_mm, self.edge_mm)
        if where is not None:
            share *= where[box]
        change = value - patch
        patch += share * (np.maximum(change, 0) if brighten else change)


def coverage(field: Any, edge_mm: float) -> Any:
    """Share of a voxel that a solid fills, from its field: 0 outside, 1 inside, even in between."""
    return np.clip(0.5 - field / edge_mm, 0, 1)


def blend(hu: np.ndarray, field: Any, value: Any, edge_mm: float) -> None:
    """Paint the inside of `field` with `value` over the whole of `hu` (float32, same shape), in place."""
    hu += coverage(field, edge_mm) * (value - hu)
