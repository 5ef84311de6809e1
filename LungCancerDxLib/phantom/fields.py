"""The geometry of the phantom: implicit solids, curves along the body, and smooth fields kept on a coarse lattice.

A field is about the signed distance to a surface in mm, negative inside. Solids take x, y, z in mm as arrays that
broadcast against each other, or as numbers. A lattice is read anywhere between its nodes: the same anatomy on every
grid, at little cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.interpolate import PchipInterpolator

Point = tuple[float, float, float]
UPRIGHT: tuple[Point, ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
STEP_MM = 4.0  # between the nodes of a lattice
_TINY = 1e-6
_NEAR_MM = 20.0


def as_point(xyz: Iterable[float]) -> Point:
    """Three numbers, an array's perhaps, as a point."""
    x, y, z = xyz
    return float(x), float(y), float(z)


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid; the rows of `axes` are the unit vectors of its half-axes."""

    center: Point
    half_axes: Point
    axes: tuple[Point, ...] = UPRIGHT

    def field(self, x: Any, y: Any, z: Any) -> Any:
        """About the signed distance to the surface, mm, negative inside."""
        dx, dy, dz = x - self.center[0], y - self.center[1], z - self.center[2]
        reach: Any = 0.0
        slope: Any = 0.0
        for (ux, uy, uz), half in zip(self.axes, self.half_axes, strict=True):
            parts = [(u / half) * d for u, d in ((ux, dx), (uy, dy), (uz, dz)) if u]  # small arrays stay small
            squared = sum(parts[1:], parts[0]) ** 2
            reach = reach + squared
            slope = slope + squared / half**2
        reach = np.sqrt(reach)
        return (reach - 1) * reach / np.sqrt(slope + _TINY**2)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner (x, y, z) of a box around it, mm."""
        reach = np.linalg.norm(np.array(self.half_axes)[:, None] * np.array(self.axes), axis=0)
        return np.array(self.center) - reach, np.array(self.center) + reach


@dataclass(frozen=True)
class Tube:
    """A round-ended tube whose radius runs evenly from `start_radius` to `end_radius`."""

    start: Point
    end: Point
    start_radius: float
    end_radius: float

    def field(self, x: Any, y: Any, z: Any) -> Any:
        """The same of the tube."""
        dx, dy, dz = x - self.start[0], y - self.start[1], z - self.start[2]
        ax, ay, az = (e - s for s, e in zip(self.start, self.end, strict=True))
        squared_length = ax * ax + ay * ay + az * az + _TINY
        along = np.clip(dx * (ax / squared_length) + dy * (ay / squared_length) + dz * (az / squared_length), 0, 1)
        distance = np.sqrt((dx - along * ax) ** 2 + (dy - along * ay) ** 2 + (dz - along * az) ** 2)
        return distance - (self.start_radius + along * (self.end_radius - self.start_radius))

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """The same of the tube."""
        radius = max(self.start_radius, self.end_radius)
        return np.minimum(self.start, self.end) - radius, np.maximum(self.start, self.end) + radius


Solid = Ellipsoid | Tube


def tubes(points: Sequence[Point], radius: float | Sequence[float]) -> list[Tube]:
    """A chain of tubes through `points`, with one radius or a radius for each point."""
    radii = np.broadcast_to(radius, len(points)).astype(float).tolist()
    return [Tube(*ends, *widths) for ends, widths in zip(pairwise(points), pairwise(radii), strict=True)]


def oval(x: Any, y: Any, half_x: Any, half_y: Any, squareness: float) -> Any:
    """Field of an ellipse (squareness 0) whose corners fill towards those of a rectangle (1)."""
    u, v = x / half_x, y / half_y
    u2, v2 = u * u, v * v
    reach = np.sqrt(u2 + v2)
    slope = np.sqrt(u2 / (half_x * half_x) + v2 / (half_y * half_y) + _TINY**2) / (reach + _TINY)
    if squareness:
        reach = (1 - squareness) * reach + squareness * np.sqrt(np.sqrt(u2 * u2 + v2 * v2))
    return (reach - 1) / np.maximum(slope, _TINY)


def smooth_union(
    solids: Iterable[Solid], x: Any, y: Any, z: Any, rounding_mm: float, *, endless_below: bool = False
) -> Any:
    """Field of several solids melted together: the grooves between them are filled about `rounding_mm` deep.

    x, y, z are arrays of one shape. With `endless_below` each ellipsoid goes on downwards from its middle.
    """
    total = np.zeros(np.shape(x), dtype=np.float32)
    k, j, i = (n // 2 for n in total.shape)
    lines = z[:, j, i], y[k, :, i], x[k, j, :]  # the nodes lie nearly straight
    for solid in solids:
        low, high = solid.bounds()
        reach = 6 * rounding_mm
        box = []
        for line, least, most in zip(lines, low[::-1], high[::-1], strict=True):
            ends = (least - reach - _NEAR_MM, most + reach + _NEAR_MM)
            box.append(slice(*np.searchsorted(line, ends).tolist()))
        if endless_below:
            box[0] = slice(0, box[0].stop)
        part = tuple(box)
        height = np.maximum(z[part], np.float32((low[2] + high[2]) / 2)) if endless_below else z[part]
        field = solid.field(x[part], y[part], height)
        total[part] += np.exp(np.clip(field * np.float32(-1 / rounding_mm), -60, 60))
    return np.float32(-rounding_mm) * np.log(np.maximum(total, np.float32(np.exp(-8.0))))


def profile(knots: Iterable[tuple[float, float]]) -> Callable[[Any], Any]:
    """A smooth curve through (height z, value) knots without overshoot, constant beyond its ends.

    It takes a number, or an array and gives float32 then.
    """
    heights, values = np.array(sorted(knots)).T
    curve = PchipInterpolator(heights, values)

    def at(z: Any) -> Any:
        value = curve(np.clip(z, heights[0], heights[-1]))
        return value.astype(np.float32) if np.ndim(z) else float(value)

    return at


@dataclass(frozen=True)
class Lattice:
    """Values every `step_mm` from node `first_zyx` on, whole steps from the origin of LPS: float32, shape (Z, Y, X)."""

    first_zyx: tuple[int, int, int]
    values: np.ndarray
    step_mm: float = STEP_MM

    @staticmethod
    def over(low_lps_mm: np.ndarray, high_lps_mm: np.ndarray, step_mm: float = STEP_MM) -> Lattice:
        """A lattice over a box (x, y, z), without values yet."""
        first = np.floor(low_lps_mm[::-1] / step_mm).astype(int)
        shape = np.ceil(high_lps_mm[::-1] / step_mm).astype(int) - first + 1
        k, j, i = first.tolist()
        return Lattice((k, j, i), np.empty(shape.tolist(), dtype=np.float32), step_mm)

    def filled(self, values: Any) -> Lattice:
        """The same nodes with values."""
        return Lattice(self.first_zyx, np.ascontiguousarray(values, dtype=np.float32), self.step_mm)

    @cached_property
    def node_mm(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coordinates of the nodes along z, y, x."""
        z, y, x = ((f + np.arange(n)) * self.step_mm for f, n in zip(self.first_zyx, self.values.shape, strict=True))
        return z, y, x

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
        return np.asarray(low + np.float32(step - under) * (high - low))


class Reader:
    """Reads lattices at the pixels of slices; `y`, `x` ascending, mm."""

    def __init__(self, y: np.ndarray, x: np.ndarray) -> None:
        self.y, self.x = y, x
        self._known: dict[tuple[int, int, int, float], tuple[np.ndarray, np.ndarray]] = {}

    def window(self, lattice: Lattice, z_mm: float, below: float) -> tuple[slice, slice] | None:
        """Rows and columns outside of which the field at a height is nowhere less than `below`; None for no pixel."""
        step = z_mm / lattice.step_mm - lattice.first_zyx[0]
        hit = lattice.plane(z_mm) < below
        if not 0 <= step <= len(lattice.values) - 1 or not hit.any():
            return None
        box = []
        for axis, centres in ((0, self.y), (1, self.x)):
            there = np.flatnonzero(hit.any(axis=1 - axis))
            ends = (lattice.first_zyx[1 + axis] + there[[0, -1]] + (-1, 1)) * lattice.step_mm
            box.append(slice(*np.searchsorted(centres, ends).tolist()))
        rows, columns = box
        return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None

    def read(self, lattice: Lattice, z_mm: float, box: tuple[slice, slice]) -> np.ndarray:
        """The field at height z at the pixels of a window that is not empty, (j, i) float32."""
        plane = lattice.plane(z_mm)
        rows, row_share = (part[box[0]] for part in self._between(lattice, 1))
        columns, column_share = (part[box[1]] for part in self._between(lattice, 2))
        lines = plane[rows[0] : rows[-1] + 2]
        level = lines.take(columns, 1)
        level += (lines[:, 1:] - lines[:, :-1]).take(columns, 1) * column_share
        rows = rows - rows[0]
        result: np.ndarray = (level[1:] - level[:-1]).take(rows, 0)
        result *= row_share[:, None]
        result += level.take(rows, 0)
        return result

    def _between(self, lattice: Lattice, axis: int) -> tuple[np.ndarray, np.ndarray]:
        """Of all pixels along an axis of the lattice: the node below each and the share of the one above."""
        first, count = lattice.first_zyx[axis], lattice.values.shape[axis]
        key = axis, first, count, lattice.step_mm
        if key not in self._known:
            below, share = _below((self.y, self.x)[axis - 1] / lattice.step_mm - first, np.array(count))
            self._known[key] = below, share.astype(np.float32)
        return self._known[key]


def _below(steps: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The node below each position and the share of the one above."""
    steps = np.clip(steps, 0, size - 1)
    below = np.minimum(steps.astype(int), size - 2)
    return below, steps - below
