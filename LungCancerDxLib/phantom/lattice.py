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
        below, share = _below(np.array(z_mm / self.step_mm - self.first_zyx[0]), np.array(self.values.shape[0]))
        low, high = self.values[int(below)], self.values[int(below) + 1]
        return low + np.float32(share) * (high - low)

    def heights_mm(self) -> tuple[float, float]:
        """Lowest and highest z of the lattice."""
        return self.first_zyx[0] * self.step_mm, (self.first_zyx[0] + len(self.values) - 1) * self.step_mm

    @cached_property
    def node_mm(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coordinates of the nodes along z, y, x."""
        z, y, x = ((f + np.arange(n)) * self.step_mm for f, n in zip(self.first_zyx, self.values.shape, strict=True))
        return z, y, x


@dataclass(frozen=True)
class Reader:
    """Reads planes of lattices at the pixels of a slice; `y`, `x` ascending, mm."""

    y: np.ndarray
    x: np.ndarray

    def window(self, lattice: Lattice, plane: np.ndarray, below: float) -> tuple[slice, slice]:
        """Rows and columns of the pixels outside of which the interpolated plane is nowhere less than `below`."""
        hit = plane < below
        box = []
        for axis, centres in ((0, self.y), (1, self.x)):
            found = np.flatnonzero(hit.any(axis=1 - axis))
            if len(found) == 0:
                return slice(0), slice(0)
            first = lattice.first_zyx[1 + axis]
            low, high = (first + found[0] - 1) * lattice.step_mm, (first + found[-1] + 1) * lattice.step_mm
            box.append(slice(*np.searchsorted(centres, (low, high)).tolist()))
        return box[0], box[1]

    def read(self, lattice: Lattice, plane: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
        """The plane at the pixels of a window, (j, i) float32."""
        for axis, centres in ((1, self.x[box[1]]), (0, self.y[box[0]])):
            steps = centres / lattice.step_mm - lattice.first_zyx[1 + axis]
            below, share = _below(steps, np.array(plane.shape[axis]))
            weight = share.astype(np.float32).reshape((-1, 1) if axis == 0 else (1, -1))
            low = plane.take(below, axis)
            high = plane.take(below + 1, axis)
            high -= low
            high *= weight
            high += low
            plane = high
        return plane


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
