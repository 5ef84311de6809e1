"""Implicit solids: signed fields in mm, negative inside, evaluated wherever they are asked for.

Every field takes x, y, z in mm as arrays that broadcast against each other, or as numbers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.interpolate import PchipInterpolator

Point = tuple[float, float, float]
_TINY = 1e-6
_NEAR_MM = 20.0


class Solid(Protocol):
    """A bounded solid."""

    def field(self, x: Any, y: Any, z: Any) -> Any:
        """About the signed distance to the surface, mm, negative inside."""

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner (x, y, z) of a box around the solid, mm."""


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid; the rows of `axes` are the unit vectors of its half-axes."""

    center: Point
    half_axes: Point
    axes: tuple[Point, ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

    def field(self, x: Any, y: Any, z: Any) -> Any:
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
        dx, dy, dz = x - self.start[0], y - self.start[1], z - self.start[2]
        ax, ay, az = (e - s for s, e in zip(self.start, self.end, strict=True))
        squared_length = ax * ax + ay * ay + az * az + _TINY
        along = np.clip(dx * (ax / squared_length) + dy * (ay / squared_length) + dz * (az / squared_length), 0, 1)
        distance = np.sqrt((dx - along * ax) ** 2 + (dy - along * ay) ** 2 + (dz - along * az) ** 2)
        return distance - (self.start_radius + along * (self.end_radius - self.start_radius))

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        radius = max(self.start_radius, self.end_radius)
        return np.minimum(self.start, self.end) - radius, np.maximum(self.start, self.end) + radius


def tubes(points: Sequence[Point], radius: float | Sequence[float]) -> list[Tube]:
    """A chain of tubes through `points`, with one radius or a radius for each point."""
    radii = [float(r) for r in np.broadcast_to(radius, len(points))]
    return [Tube(points[n], points[n + 1], radii[n], radii[n + 1]) for n in range(len(points) - 1)]


def mirrored(point: Point, side: float) -> Point:
    """`point` as it is (side +1) or mirrored at the midline (side -1)."""
    return (side * point[0], point[1], point[2])


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
    solids: Sequence[Solid], x: Any, y: Any, z: Any, rounding_mm: float, *, endless_below: bool = False
) -> Any:
    """Field of several solids melted together: the grooves between them are filled about `rounding_mm` deep.

    x, y, z are arrays of one shape. With `endless_below` each ellipsoid goes on downwards from its middle.
    """
    total = np.zeros(np.shape(x), dtype=np.float32)
    for solid in solids:
        low, high = solid.bounds()
        box = _box_around(x, y, z, low - 6 * rounding_mm, high + 6 * rounding_mm, endless_below)
        at = z[box] if not endless_below else np.maximum(z[box], np.float32((low[2] + high[2]) / 2))
        field = solid.field(x[box], y[box], at)
        total[box] += np.exp(np.clip(field * np.float32(-1 / rounding_mm), -60, 60))
    return np.float32(-rounding_mm) * np.log(np.maximum(total, np.float32(np.exp(-8.0))))


def _box_around(x: Any, y: Any, z: Any, low: np.ndarray, high: np.ndarray, endless_below: bool) -> tuple[slice, ...]:
    """A box of the arrays' nodes (axes z, y, x, nearly straight) that holds the box `low`..`high` with some space."""
    middle = tuple(n // 2 for n in x.shape)
    along = z[:, middle[1], middle[2]], y[middle[0], :, middle[2]], x[middle[0], middle[1], :]
    box = []
    for axis, line in zip((2, 1, 0), along, strict=True):
        start, stop = np.searchsorted(line, (low[axis] - _NEAR_MM, high[axis] + _NEAR_MM)).tolist()
        box.append(slice(0 if endless_below and axis == 2 else start, stop))
    return tuple(box)


def profile(knots: Iterable[tuple[float, float]]) -> Callable[[Any], Any]:
    """A smooth curve through (height z, value) knots without overshoot, constant beyond its ends."""
    z_knots, values = np.array(sorted(knots)).T
    curve = PchipInterpolator(z_knots, values)
    heights, pieces = z_knots.tolist(), curve.c.T.tolist()

    def at(z: Any) -> Any:
        if np.ndim(z):
            return curve(np.clip(z, z_knots[0], z_knots[-1]))
        z = min(max(float(z), heights[0]), heights[-1])
        piece = min(bisect_right(heights, z), len(pieces)) - 1
        away, value = z - heights[piece], 0.0
        for coefficient in pieces[piece]:
            value = value * away + coefficient
        return value

    return at
