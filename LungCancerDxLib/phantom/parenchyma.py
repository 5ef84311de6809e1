"""Aerated lung: denser towards the back of a patient who lies on it, crossed by fissures, and nowhere quite even."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

TEXTURE_STEP_MM = 2.0
TILE = 72  # nodes along each edge of the texture's tile, which repeats
SOFT_HU, SOFT_NODES = 13.0, 2.5  # lobules that differ in how much they are filled
GRAIN_HU = 24.0  # vessels and walls too small to be seen one by one
FISSURE_HU = 700.0  # a fissure against the lung around it


@dataclass(frozen=True)
class Parenchyma:
    """What is drawn of a patient's lung tissue.

    Parameters
    ----------
    mean_hu, hu_per_mm_to_back
        Density at the middle of the chest and its rise towards the back.
    dependent_hu, dependent_mm
        Extra density under the pleura of the back (0 for none) and the depth at which a third of it is left.
    fissure_mm
        Thickness of the fissures.
    gap_phases
        Where the fissures are incomplete: phases of two waves, and the share that is there.
    tile
        (TILE, TILE, TILE) texture in HU, every `TEXTURE_STEP_MM`.
    """

    mean_hu: float
    hu_per_mm_to_back: float
    dependent_hu: float
    dependent_mm: float
    fissure_mm: float
    gap_phases: tuple[float, float, float]
    tile: np.ndarray

    def slice_hu(self, x: np.ndarray, y: np.ndarray, z: float) -> np.ndarray:
        """HU on the mesh of y (J,) and x (I,) at height z, LPS mm: float32, shape (J, I)."""
        low, high, share = _node(np.array([z]))
        texture = self.tile[low[0]] + share[0] * (self.tile[high[0]] - self.tile[low[0]])
        for axis, centres in ((1, x), (0, y)):
            low, high, share = _node(centres)
            weight = share.reshape((-1, 1) if axis == 0 else (1, -1))
            below = texture.take(low, axis)
            texture = below + weight * (texture.take(high, axis) - below)
        return texture + (np.float32(self.mean_hu) + np.float32(self.hu_per_mm_to_back) * y.astype(np.float32))[:, None]

    def add_fissure(
        self, hu: np.ndarray, height: np.ndarray, x: np.ndarray, y: np.ndarray, edge_mm: float,
        where: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        """Add a fissure to `hu` (J, I), by the distance from it, `height` (J, I) mm; `where` (bool) it is at all."""
        wide = max(edge_mm, self.fissure_mm)
        share = 1 - np.abs(height) / np.float32(wide)
        near = share > 0 if where is None else (share > 0) & where
        row, column = np.divmod(np.flatnonzero(near), hu.shape[1])
        x, y = x[column].astype(np.float32), y[row].astype(np.float32)
        gain = np.float32(FISSURE_HU * self.fissure_mm / wide)
        first, second, there = self.gap_phases
        wave = np.sin(x / 17.0 + first) + np.sin((y + 0.6 * x) / 23.0 + second)
        present = np.clip((wave + 4.0 * there - 2.0) * 1.5 + 0.5, 0, 1)
        hu[row, column] += gain * share[row, column] * present


def draw_parenchyma(rng: np.random.Generator, *, emphysema: bool) -> Parenchyma:
    """Lungs in deep to shallow inspiration."""
    texture = GRAIN_HU * rng.standard_normal((TILE, TILE, TILE), dtype=np.float32)
    soft = gaussian_filter(rng.standard_normal((TILE, TILE, TILE), dtype=np.float32), SOFT_NODES, mode="wrap")
    texture += soft * np.float32(SOFT_HU / soft.std())
    dependent = rng.random() < 0.4
    mean = float(np.clip(rng.normal(-872.0, 17.0), -905.0, -815.0)) - (18.0 if emphysema else 0.0)
    return Parenchyma(
        mean_hu=mean,
        hu_per_mm_to_back=float(rng.uniform(0.15, 0.45)),
        dependent_hu=float(rng.uniform(40, 260)) * dependent,
        dependent_mm=float(rng.uniform(3, 9)),
        fissure_mm=float(rng.uniform(0.25, 0.5)),
        gap_phases=(float(rng.uniform(0, 6.28)), float(rng.uniform(0, 6.28)), float(rng.uniform(0.45, 1.0))),
        tile=texture,
    )


def _node(centres: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    steps = centres / TEXTURE_STEP_MM
    below = np.floor(steps).astype(int)
    return below % TILE, (below + 1) % TILE, (steps - below).astype(np.float32)
