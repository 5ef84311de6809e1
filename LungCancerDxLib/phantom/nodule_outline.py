"""The outline of a nodule: a ball bent by smooth noise, told by its radius in every direction."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from .nodule import Margin, SyntheticNodule

POLAR_STEPS, AROUND_STEPS = 46, 90  # 4 degrees
WAVES = 16  # of a noise
STRETCH = 0.13  # standard deviation of the logarithm of a half-axis
Noises = tuple[tuple[float, float, bool], ...]
# Waves per radian, strength as a share of the radius, and whether it is folded into lobes.
NOISES: dict[Margin, Noises] = {
    "smooth": ((1.2, 0.05, False),),
    "lobulated": ((1.2, 0.07, False), (1.9, 0.16, True)),
    "spiculated": ((1.5, 0.10, False), (3.2, 0.09, False), (7.0, 0.05, False)),
}
GLASS_NOISES: Noises = ((2.0, 0.08, False), (4.5, 0.06, False))  # ground glass is never quite round


@dataclass(frozen=True)
class Outline:
    """A body around its centre of mass.

    Parameters
    ----------
    radius_mm
        (POLAR_STEPS, AROUND_STEPS) way from `pole_mm` to the surface, by angle from z and angle around z from x.
    pole_mm
        (x, y, z) where the directions start, seen from the centre of mass.
    """

    radius_mm: np.ndarray
    pole_mm: np.ndarray

    @property
    def reach_mm(self) -> float:
        """Radius of a ball around the centre of mass that holds the body."""
        return float(self.radius_mm.max() + np.linalg.norm(self.pole_mm))

    def field(self, x: Any, y: Any, z: Any) -> Any:
        """About the signed distance to the surface in mm, negative inside; x, y, z from the centre of mass."""
        dx, dy, dz = (c - float(p) for c, p in zip((x, y, z), self.pole_mm, strict=True))
        across = dx * dx + dy * dy
        distance = np.sqrt(across + dz * dz)
        polar = np.arctan2(np.sqrt(across), dz) * ((POLAR_STEPS - 1) / np.pi)
        around = np.arctan2(dy, dx) * (AROUND_STEPS / (2 * np.pi)) % AROUND_STEPS
        return distance - self._radius(polar, np.broadcast_to(around, polar.shape))

    def surface_point(self, direction: np.ndarray) -> np.ndarray:
        """Where the ray from the pole in `direction` (unit x, y, z) leaves the body, from the centre of mass."""
        ahead = self.pole_mm + direction
        return self.pole_mm + (1 - float(self.field(*ahead))) * direction

    def _radius(self, polar: np.ndarray, around: np.ndarray) -> np.ndarray:
        """Bilinear in the table; `polar` in 0..POLAR_STEPS-1, `around` in 0..AROUND_STEPS and periodic."""
        table = self.radius_mm.astype(np.float32).ravel()
        row = np.minimum(polar.astype(np.int32), POLAR_STEPS - 2)
        left = np.minimum(around.astype(np.int32), AROUND_STEPS - 1)
        right = np.where(left == AROUND_STEPS - 1, 0, left + 1)
        down, aside = (polar - row).astype(np.float32), (around - left).astype(np.float32)
        row = row * AROUND_STEPS
        upper = table[row + left] * (1 - aside) + table[row + right] * aside
        row = row + AROUND_STEPS
        lower = table[row + left] * (1 - aside) + table[row + right] * aside
        return upper + down * (lower - upper)


@lru_cache(maxsize=64)
def outline_of(nodule: SyntheticNodule) -> Outline:
    """The nodule's body: as large as the ball of `diameter_mm`, its centre of mass at the nodule's centre."""
    rng = np.random.default_rng([nodule.seed, 0])
    ragged = GLASS_NOISES if nodule.kind in ("ground-glass", "part-solid") else ()
    return draw_outline(rng, nodule.diameter_mm, NOISES[nodule.margin] + ragged)


def draw_outline(rng: np.random.Generator, diameter_mm: float, noises: Noises) -> Outline:
    """An ellipsoid of random axes, bent by noises and scaled to the ball's volume."""
    polar = np.linspace(0, np.pi, POLAR_STEPS)[:, None]
    around = np.arange(AROUND_STEPS) * (2 * np.pi / AROUND_STEPS)
    flat = np.ones(AROUND_STEPS)
    directions = np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar) * flat], -1)
    axes, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    half_axes = np.exp(STRETCH * rng.standard_normal(3))
    radius = 1 / np.linalg.norm(directions @ axes / half_axes, axis=-1)
    for waves, strength, folded in noises:
        noise = plane_waves(rng, waves, *np.moveaxis(directions, -1, 0).astype(np.float32))
        if folded:  # round lobes with valleys between them
            noise = 1.5 * (np.sqrt(noise**2 + 0.02) - 0.8)
        radius = radius * np.exp(strength * np.clip(noise, -2.5, 2.5))
    share = np.sin(polar) / (np.sin(polar).sum() * AROUND_STEPS)  # of the sphere's surface
    radius *= diameter_mm / 2 / np.cbrt(np.sum(share * radius**3))
    volume = np.sum(share * radius**3) / 3
    centroid = np.einsum("pa,pac->c", share * radius**4 / 4, directions) / volume
    return Outline(radius, -centroid)


def plane_waves(rng: np.random.Generator, frequency: float, x: Any, y: Any, z: Any, count: int = WAVES) -> Any:
    """Smooth noise of mean 0 and standard deviation 1 at points; `frequency` in radians per unit of x, y, z."""
    vectors = frequency * rng.standard_normal((count, 3)).astype(np.float32)
    phases = rng.uniform(0, 2 * np.pi, count).astype(np.float32)
    noise: Any = 0.0
    for (a, b, c), phase in zip(vectors, phases, strict=True):
        noise = noise + np.cos(a * x + b * y + (c * z + phase))
    return noise * np.float32(np.sqrt(2 / count))
