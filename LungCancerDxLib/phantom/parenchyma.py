"""Aerated lung: denser towards the back of a patient who lies on it, and nowhere quite even."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

MEAN_HU = -855.0
HU_PER_MM_TO_BACK = 0.35  # gravity
TEXTURE_HU = 14.0
TEXTURE_STEP_MM = 5.0  # about half the size of a secondary lobule
_LOW, _HIGH = np.array([-190.0, -110.0, -150.0]), np.array([120.0, 110.0, 150.0])  # z, y, x, template mm


@dataclass(frozen=True)
class Parenchyma:
    """`lattice` holds the texture's values (z, y, x) every `TEXTURE_STEP_MM`, in HU."""

    lattice: np.ndarray

    def slice_hu(self, x: Any, y: Any, z: float) -> Any:
        """HU on the mesh of y (J, 1) and x (1, I) at height z, template mm: float32, shape (J, I)."""
        texture = self.lattice
        for axis, positions in enumerate((np.array([z]), y.ravel(), x.ravel())):
            texture = _interpolate(texture, positions, axis)
        return MEAN_HU + HU_PER_MM_TO_BACK * y + texture[0]


def draw_parenchyma(rng: np.random.Generator) -> Parenchyma:
    """Independent values on the lattice; interpolation makes them a texture."""
    shape = tuple(np.ceil((_HIGH - _LOW) / TEXTURE_STEP_MM).astype(int) + 1)
    return Parenchyma((TEXTURE_HU * rng.standard_normal(shape)).astype(np.float32))


def _interpolate(values: np.ndarray, positions_mm: np.ndarray, axis: int) -> np.ndarray:
    """Lattice values interpolated along one axis (0 z, 1 y, 2 x), held constant beyond the lattice."""
    steps = np.clip((positions_mm - _LOW[axis]) / TEXTURE_STEP_MM, 0, values.shape[axis] - 1)
    below = np.minimum(steps.astype(int), values.shape[axis] - 2)
    share = (steps - below).astype(np.float32).reshape([-1 if n == axis else 1 for n in range(3)])
    return values.take(below, axis) * (1 - share) + values.take(below + 1, axis) * share
