"""Smooth fields kept on a coarse lattice and read anywhere between: the same anatomy on every grid, at little cost."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

STEP_MM = 4.0
FINE_STEP_MM = 3.0  # for what is small or strongly curved


@dataclass(frozen=True)
class Lattice:
    """Values every `step_mm` from node `first_zyx` on, whole steps from the origin of LPS: float32, shape (Z, Y, X)."""

    first_zyx: tuple[int, int, int]
    values: np.ndarray
    step_mm: float = STEP_MM

    def at(self, points_lps_mm: np.ndarray) -> np.ndarray:
        """Interpolated at points (N, 3) x, y, z in mm, held constant beyond the lattice, (N,) float32."""
        steps = points_lps_mm[:, ::-1] / self.step_mm - self.first_zyx
        below, share = _below(steps, np.array(self.values.shape))
        result = np.zeros(len(points_lps_mm), dtype=np.float32)
        for corner in np.ndindex(2, 2, 2):
            weight = np.prod(np.where(corner, share, 1 - share), axis=1)
            k, j, i = (below + corner).T
            result += weight.astype(np.float32) * self.values[k, j, i]
        return result

    def plane(self, z_mm: float) -> np.ndarray:
        """The lattice's nodes at height z, (Y, X) float32."""
        step = min(max(z_mm / self.step_mm - self.first_zyx[0], 0), len(self.values) - 1)
        under = min(int(step), len(self.values) - 2)
        low, high = self.values[under], self.values[under + 1]
        return low + np.float32(step - under) * (high - low)

    def extent_mm(self, z_mm: float, below: float) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """Lowest and highest y, and x, outside of which the field at height z is nowhere less than `below`.

        None where it is nowhere less, or where the lattice does not reach.
        """
        step = z_mm / self.step_mm - self.first_zyx[0]
        if not 0 <= step <= len(self.values) - 1:
            return None
        if below not in self._extents:
            self._extents[below] = self._measured(below)
        under = min(int(step), len(self.values) - 2)
        y_low, y_high, x_low, x_high = self._extents[below][:, under].tolist()
        return ((y_low, y_high), (x_low, x_high)) if y_low < y_high else None

    @cached_property
    def _extents(self) -> dict[float, np.ndarray]:
        return {}

    def _measured(self, below: float) -> np.ndarray:
        """(4, Z - 1): ends along y and x between each level of nodes and the next, mm."""
        hit = self.values < below
        ends = []
        for axis in (1, 2):
            there = np.any(hit, axis=3 - axis)
            there = there[1:] | there[:-1]
            count = there.shape[1]
            first, last = there.argmax(axis=1), count - 1 - there[:, ::-1].argmax(axis=1)
            seen = there.any(axis=1)
            for at in (first - 1, last + 1):
                ends.append(np.where(seen, (self.first_zyx[axis] + at) * self.step_mm, 0.0))
        return np.array(ends)

    @cached_property
    def node_mm(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coordinates of the nodes along z, y, x."""
        z, y, x = ((f + np.arange(n)) * self.step_mm for f, n in zip(self.first_zyx, self.values.shape, strict=True))
        return z, y, x


class Reader:
    """Reads planes of lattices at the pixels of slices; `y`, `x` ascending, mm."""

    def __init__(self, y: np.ndarray, x: np.ndarray) -> None:
        self.y, self.x = y, x
        self._known: dict[tuple[int, int, int, float], tuple[np.ndarray, np.ndarray]] = {}

    def window(self, lattice: Lattice, z_mm: float, below: float) -> tuple[slice, slice] | None:
        """Rows and columns outside of which the field at a height is nowhere less than `below`; None for no pixel."""
        extent = lattice.extent_mm(z_mm, below)
        if extent is None:
            return None
        rows, columns = (slice(*np.searchsorted(c, e).tolist()) for c, e in zip((self.y, self.x), extent, strict=True))
        return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None

    def read(self, lattice: Lattice, plane: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
        """The plane at the pixels of a window that is not empty, (j, i) float32."""
        rows, row_share = (part[box[0]] for part in self._between(lattice, plane.shape, 0))
        columns, column_share = (part[box[1]] for part in self._between(lattice, plane.shape, 1))
        lines = plane[rows[0] : rows[-1] + 2]
        level = lines.take(columns, 1)
        level += (lines[:, 1:] - lines[:, :-1]).take(columns, 1) * column_share
        rows = rows - rows[0]
        result = (level[1:] - level[:-1]).take(rows, 0)
        result *= row_share[:, None]
        result += level.take(rows, 0)
        return result

    def _between(self, lattice: Lattice, shape_yx: tuple[int, ...], axis: int) -> tuple[np.ndarray, np.ndarray]:
        """Of all pixels along an axis: the node below each and the share of the one above."""
        key = axis, lattice.first_zyx[1 + axis], shape_yx[axis], lattice.step_mm
        if key not in self._known:
            steps = (self.y, self.x)[axis] / lattice.step_mm - lattice.first_zyx[1 + axis]
            below, share = _below(steps, np.array(shape_yx[axis]))
            self._known[key] = below, share.astype(np.float32)
        return self._known[key]


def _below(steps: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The node below each position and the share of the one above."""
    steps = np.clip(steps, 0, size - 1)
    below = np.minimum(steps.astype(int), size - 2)
    return below, steps - below


def nodes(
    low_lps_mm: tuple[float, float, float], high_lps_mm: tuple[float, float, float], step_mm: float = STEP_MM
) -> Lattice:
    """An empty lattice (no values yet) over a box (x, y, z)."""
    first = np.floor(np.array(low_lps_mm[::-1]) / step_mm).astype(int)
    last = np.ceil(np.array(high_lps_mm[::-1]) / step_mm).astype(int)
    k, j, i = first.tolist()
    return Lattice((k, j, i), np.empty(tuple((last - first + 1).tolist()), dtype=np.float32), step_mm)
