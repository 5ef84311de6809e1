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

    def paint(
        self,
        solid: Solid,
        value: float,
        *,
        grow_mm: float = 0.0,
        brighten: bool = False,
    ) -> None:
        """Fill `solid`, grown by `grow_mm`; `brighten` leaves whatever is already denser than `value`."""
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
        change = value - patch
        patch += share * (np.maximum(change, 0) if brighten else change)


def coverage(field: Any, edge_mm: float) -> Any:
    """Share of a voxel that a solid fills, from its field: 0 outside, 1 inside, even in between."""
    share = field * (-1 / edge_mm)
    share += 0.5
    np.maximum(share, 0, out=share)
    return np.minimum(share, 1, out=share)


def blend(hu: np.ndarray, field: Any, value: Any, edge_mm: float) -> None:
    """Paint the inside of `field` with `value` over the whole of `hu` (float32, same shape), in place."""
    share = coverage(field, edge_mm)
    share *= value - hu
    hu += share
