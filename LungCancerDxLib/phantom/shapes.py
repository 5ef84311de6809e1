"""Implicit solids: signed fields in mm, negative inside, evaluated wherever they are asked for.

Every field takes x, y, z in mm as arrays that broadcast against each other, or as numbers.
"""

from __future__ import annotations

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


def union(solids: Sequence[Solid], x: Any, y: Any, z: Any) -> Any:
    """Field of several solids together; those that end more than `_NEAR_MM` above or below all points count as far."""
    lowest, highest = np.min(z) - _NEAR_MM, np.max(z) + _NEAR_MM
    field: Any = np.inf
    for solid in solids:
        low, high = solid.bounds()
        if low[2] <= highest and high[2] >= lowest:
            field = np.minimum(solid.field(x, y, z), field)
    return field


def not_below(z: Any, lowest: float) -> Any:
    """`z` raised to `lowest`; a number stays a plain number, which leaves float32 arrays as they are."""
    return max(z, lowest) if np.ndim(z) == 0 else np.maximum(z, lowest)


def mirrored(point: Point, side: float) -> Point:
    """`point` as it is (side +1) or mirrored at the midline (side -1)."""
    return (side * point[0], point[1], point[2])


def superellipse(x: Any, y: Any, half_x: Any, half_y: Any, power: float) -> Any:
    """Field of |x/half_x|^power + |y/half_y|^power = 1, an ellipse whose corners fill as `power` exceeds 2."""
    x, y = np.abs(x), np.abs(y)
    reach = ((x / half_x) ** power + (y / half_y) ** power) ** (1 / power)
    slope_x = (x / half_x) ** (power - 1) / half_x
    slope_y = (y / half_y) ** (power - 1) / half_y
    return (reach - 1) * reach ** (power - 1) / np.sqrt(slope_x**2 + slope_y**2 + _TINY**2)


def profile(knots: Iterable[tuple[float, float]]) -> Callable[[Any], Any]:
    """A smooth curve through (height z, value) knots without overshoot, constant beyond its ends."""
    z_knots, values = np.array(sorted(knots)).T
    curve = PchipInterpolator(z_knots, values)

    def at(z: Any) -> Any:
        value = curve(np.clip(z, z_knots[0], z_knots[-1]))
        return float(value) if np.ndim(z) == 0 else value

    return at
