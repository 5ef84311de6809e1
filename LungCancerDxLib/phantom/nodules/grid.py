"""Nodules on the voxels of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from ...volume import world_to_index
from ..canvas import Canvas, coverage
from .nodule import SyntheticNodule, body_field, nodule_bounds, nodule_fields

Box = tuple[slice, slice, slice]
_STRAIGHT = 1e-9  # a share of a voxel below which an axis does not move a coordinate


def nodule_mask(nodule: SyntheticNodule, kji_to_lps: np.ndarray, shape_kji: tuple[int, int, int]) -> np.ndarray:
    """The voxels whose centres lie in the nodule's body (spicules are no part of it), bool (K, J, I)."""
    mask = np.zeros(shape_kji, dtype=bool)
    box = nodule_box(nodule, kji_to_lps, shape_kji)
    if mask[box].size:
        mask[box] = body_field(nodule, *grid_points(kji_to_lps, box)) < 0
    return mask


def nodule_box(
    nodule: SyntheticNodule, kji_to_lps: np.ndarray, shape_kji: tuple[int, int, int], margin_mm: float = 0.0
) -> Box:
    """The voxels that hold the nodule with its spicules and a margin, within the grid; may be empty."""
    low, high = nodule_bounds(nodule)
    corners = np.array(list(product(*zip(low - margin_mm, high + margin_mm, strict=True))))
    index = world_to_index(kji_to_lps, corners)
    first, last = np.floor(index.min(axis=0)).astype(int), np.ceil(index.max(axis=0)).astype(int)
    first, last = np.clip(first, 0, shape_kji), np.clip(last + 1, 0, shape_kji)
    return tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))  # type: ignore[return-value]


def grid_points(
    kji_to_lps: np.ndarray, box: Box, steps_kji: tuple[int, int, int] = (1, 1, 1)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """LPS mm (x, y, z) of the voxels in a box, each cut into `steps_kji` parts along its axes.

    The three broadcast to the box's shape times the steps; along an axis that does not move a coordinate its size is 1.
    """
    index = []
    for axis, (side, steps) in enumerate(zip(box, steps_kji, strict=True)):
        along = side.start - 0.5 + (np.arange((side.stop - side.start) * steps) + 0.5) / steps
        index.append(along.reshape([-1 if a == axis else 1 for a in range(3)]))
    points = []
    for row in kji_to_lps[:3]:
        moving = [a for a in range(3) if abs(row[a]) > _STRAIGHT * np.abs(kji_to_lps[:3, a]).max()]
        coordinate = np.full((1, 1, 1), row[3])
        for axis in moving:
            coordinate = coordinate + row[axis] * index[axis]
        points.append(coordinate)
    return points[0], points[1], points[2]


CAVITY_BELOW_HU = -880.0  # what is less dense than this replaces denser tissue


def paint_nodules(canvas: Canvas, nodules: Sequence[SyntheticNodule]) -> None:
    """Add nodules to the patient (LPS mm).

    Denser tissue stays, so vessels run on through ground glass; only a cavity empties it.
    """
    for nodule in nodules:
        low, high = nodule_bounds(nodule)
        box = tuple(
            slice(*np.searchsorted(c, (low[axis] - canvas.edge_mm, high[axis] + canvas.edge_mm)))
            for c, axis in ((canvas.z, 2), (canvas.y, 1), (canvas.x, 0))
        )
        patch = canvas.hu[box]
        if patch.size:
            x, y, z = canvas.x[box[2]][None, None, :], canvas.y[box[1]][None, :, None], canvas.z[box[0]][:, None, None]
            field, hu = nodule_fields(nodule, x, y, z)
            change = hu - patch
            kept = np.where(hu < CAVITY_BELOW_HU, change, np.maximum(change, 0))
            patch += coverage(field, canvas.edge_mm) * kept
