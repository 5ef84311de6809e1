"""A patient's build: how the template, on which all anatomy is drawn, is stretched, turned and warped.

The template frame is in mm, x to the patient's left, y to the back, z to the head, with the midline, the middle of the
chest and the carina at the origin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..fields import Lattice, Point

LEFT, RIGHT = 1.0, -1.0  # sides, as signs of x
WAVES = 5  # of the smooth warp that makes every patient a little irregular
WARP_MM = 1.6  # each wave's amplitude
BOX_MM = ((-165.0, -126.0, -240.0), (165.0, 126.0, 132.0))  # lowest and highest x, y, z of the chest, template


@dataclass(frozen=True)
class Body:
    """A patient's build."""

    female: bool
    bmi: float
    scale_xyz: Point  # patient mm per template mm
    fat_mm: float  # under the skin of the front
    muscle_mm: float  # thickness of the outer layer of muscle
    breast_mm: float  # half-width of a breast, 0 for none
    gland_share: float  # of the breast
    mediastinal_fat_mm: float  # between the organs of the mediastinum and the pleura
    dome_rise_mm: float  # how much higher than in full inspiration the diaphragm stands
    right_dome_rise_mm: float  # and its right half above the left
    heart_size: float  # as a share of the template's
    rib_top_z: float  # height of the heads of the first ribs in the template
    turn_degrees: float  # how the patient lies: turned about the long axis,
    shift_mm: tuple[float, float]  # and off the middle of the field (x, y)
    waves: tuple[tuple[float, ...], ...]  # (WAVES, 7) of the warp: direction and amplitude in mm (x, y, z), and phase

    @property
    def chest_box(self) -> tuple[np.ndarray, np.ndarray]:
        """The box (low, high x, y, z) of the chest, LPS mm."""
        low, high = (np.array(end) * self.scale_xyz for end in BOX_MM)
        return low, high

    def to_template(self, lattice: Lattice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The template coordinates x, y, z of a lattice's nodes, each (Z, Y, X) float32.

        Turned, stretched and warped; sin(a + b) = sin a cos b + cos a sin b makes of the waves a product of matrices.
        """
        z, y, x = lattice.node_mm
        cos, sin = self._rotation
        across, back = x.astype(np.float32)[None, :], y.astype(np.float32)[:, None]
        tx, ty = (cos * across + sin * back) / self.scale_xyz[0], (cos * back - sin * across) / self.scale_xyz[1]
        tz = (z / self.scale_xyz[2]).astype(np.float32)
        waves = np.array(self.waves, dtype=np.float32)
        within = np.stack([kx * tx + ky * ty for kx, ky in waves[:, :2]]).reshape(len(waves), -1)
        along = tz[:, None] * waves[:, 2] + waves[:, 6]
        rows, columns = np.hstack([np.sin(along), np.cos(along)]), np.vstack([np.cos(within), np.sin(within)])
        warped = []
        for axis, straight in enumerate((tx, ty, tz[:, None, None])):
            displaced = (rows * np.tile(waves[:, 3 + axis], 2)) @ columns
            warped.append(displaced.reshape(len(tz), *tx.shape) + straight)
        return warped[0], warped[1], warped[2]

    def template_z(self, lattice: Lattice) -> np.ndarray:
        """The heights of a lattice's levels in the template, warp apart, (Z, 1, 1)."""
        return np.asarray(lattice.node_mm[0] / self.scale_xyz[2])[:, None, None]

    def near(self, x: Any, y: Any, z: float, middle: tuple[float, float]) -> tuple[Any, Any, float]:
        """`to_template` in one slice, exact at `middle` (x, y of the template) and without other warp around it."""
        angle = np.float32(np.radians(self.turn_degrees))
        cos, sin = np.cos(angle), np.sin(angle)
        height = z / self.scale_xyz[2]
        dx, dy, dz = self.warp(np.float32(middle[0]), np.float32(middle[1]), np.float32(height))
        tx = (cos * x + sin * y) / np.float32(self.scale_xyz[0]) + dx
        return tx, (cos * y - sin * x) / np.float32(self.scale_xyz[1]) + dy, float(height + dz)

    def turned(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Points of the template (x, y) in LPS mm, warp apart."""
        cos, sin = self._rotation
        x, y = x * self.scale_xyz[0], y * self.scale_xyz[1]
        return cos * x - sin * y, cos * y + sin * x

    def to_patient(self, points: Any) -> np.ndarray:
        """Points (N, 3) of the template frame to LPS mm: the inverse of `to_template`, good to a tenth of a mm."""
        target = np.array(points, dtype=float)
        found = target
        for _ in range(4):
            found = target - np.stack(self.warp(*found.T), axis=1)
        x, y, z = found.T
        return np.stack([*self.turned(x, y), z * self.scale_xyz[2]], axis=1)

    def warp(self, x: Any, y: Any, z: Any) -> tuple[Any, Any, Any]:
        """Displacement of points of the template frame, mm."""
        total: list[Any] = [0.0, 0.0, 0.0]
        for wave in self.waves:
            kx, ky, kz, *amplitude, phase = (np.float32(value) for value in wave)
            swing = np.sin(kx * x + ky * y + kz * z + phase)
            total = [t + a * swing for t, a in zip(total, amplitude, strict=True)]
        return total[0], total[1], total[2]

    @property
    def _rotation(self) -> tuple[float, float]:
        """Cosine and sine of the turn about the long axis."""
        angle = np.radians(self.turn_degrees)
        return float(np.cos(angle)), float(np.sin(angle))


def draw_body(rng: np.random.Generator) -> Body:
    """An adult: slim to obese, with small or large lungs."""
    female = bool(rng.random() < 0.5)
    bmi = float(np.clip(rng.gamma(9.0, 1.35) + 15.0, 17.5, 38.0))
    size = rng.normal(0.975 if female else 1.035, 0.025)
    scale = size * rng.normal([1.0, 1.05, 1.0], [0.025, 0.04, 0.04])
    x, y, z = np.clip(scale, [0.90, 0.93, 0.88], [1.10, 1.18, 1.13]).tolist()
    directions = rng.normal(0.0, 1.0, (WAVES, 3)) * (2 * np.pi / 230.0)
    amplitudes = rng.normal(0.0, WARP_MM, (WAVES, 3))
    phases = rng.uniform(0, 2 * np.pi, (WAVES, 1))
    breast = float(rng.uniform(30, 54)) if female else 0.0
    return Body(
        female=female,
        bmi=bmi,
        scale_xyz=(x, y, z),
        fat_mm=float(np.clip(3.0 + 0.95 * (bmi - 18.0) * (1.15 if female else 0.9) + rng.normal(0, 1.5), 3, 34)),
        muscle_mm=float(rng.uniform(5, 10) if female else rng.uniform(8, 16)),
        breast_mm=breast * float(np.clip(bmi / 27, 0.8, 1.25)),
        gland_share=float(rng.uniform(0.15, 0.6)),
        mediastinal_fat_mm=float(np.clip(0.22 * (bmi - 17) + rng.normal(0.8, 0.4), 0.8, 6.0)),
        dome_rise_mm=float(np.clip(rng.normal(4, 9), -10, 26)),
        right_dome_rise_mm=float(rng.uniform(2, 16)),
        heart_size=float(np.clip(rng.normal(1.0, 0.06), 0.88, 1.15)),
        rib_top_z=float(rng.uniform(88, 98)),
        turn_degrees=float(np.clip(rng.normal(0, 2.2), -5, 5)),
        shift_mm=(float(rng.normal(0, 4)), float(rng.normal(0, 6))),
        waves=tuple(tuple(row) for row in np.hstack([directions, amplitudes, phases]).tolist()),
    )
