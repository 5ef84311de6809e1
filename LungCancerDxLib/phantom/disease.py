"""What lungs have besides nodules: emphysema, pleural thickening, caps on the apices, scars and bands."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .lattice import STEP_MM
from .shapes import Ellipsoid, Point
from .strands import Strands
from .thorax import Thorax

EMPHYSEMA_SHARE, CAP_SHARE, THICKENING_SHARE, BAND_SHARE, SCAR_SHARE = 0.3, 0.22, 0.15, 0.3, 0.2
HOLE_HU = -965.0
SCAR_HU = 15.0
HOLES_PER_LITRE = 900.0  # of severity 1


@dataclass(frozen=True)
class Disease:
    """What is drawn: how severe the emphysema is (0 for none) and how many marks there are of each sort."""

    emphysema: float
    caps: int
    plaques: int
    bands: int
    scars: int

    def record(self) -> dict[str, Any]:
        """Everything drawn, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Changes:
    """Holes and dense marks of one patient, LPS mm."""

    holes: Strands
    marks: tuple[Ellipsoid, ...]


def draw_disease(rng: np.random.Generator) -> Disease:
    """Most patients have little or nothing."""
    share = rng.random(5)
    amount = rng.random(5)
    return Disease(
        emphysema=float(0.08 + 0.92 * amount[0] ** 2) if share[0] < EMPHYSEMA_SHARE else 0.0,
        caps=1 + int(amount[1] < 0.6) if share[1] < CAP_SHARE else 0,
        plaques=1 + int(3 * amount[2]) if share[2] < THICKENING_SHARE else 0,
        bands=1 + int(2.5 * amount[3]) if share[3] < BAND_SHARE else 0,
        scars=1 + int(2.5 * amount[4]) if share[4] < SCAR_SHARE else 0,
    )


def place_changes(rng: np.random.Generator, disease: Disease, thorax: Thorax) -> Changes:
    """Put the changes into the lungs: holes rather above, bands rather below, caps on the top."""
    hole_rng, mark_rng = rng.spawn(2)
    lungs = thorax.lungs
    inside = np.argwhere(lungs.values < -2.0)
    depth = -lungs.values[tuple(inside.T)]
    points = ((inside + lungs.first_zyx) * STEP_MM)[:, ::-1]
    holes = _holes(hole_rng, disease.emphysema, thorax, points)
    return Changes(holes, tuple(_marks(mark_rng, disease, thorax, points, depth)))


def _holes(rng: np.random.Generator, severity: float, thorax: Thorax, points: np.ndarray) -> Strands:
    count = int(severity * HOLES_PER_LITRE * len(points) * STEP_MM**3 / 1e6)
    if not count:
        return Strands(np.empty((0, 3)), np.empty((0, 3)), np.empty(0), np.empty(0))
    height = points[:, 2]
    weight = np.exp((height - height.max()) / 70.0)
    seeds = rng.choice(len(points), max(count // 12, 1), p=weight / weight.sum())
    center = points[rng.choice(seeds, count)] + rng.normal(0, 6.0, (count, 3))  # centres of lobules, in clusters
    radius = np.clip(rng.gamma(3.0, 0.5 + 0.3 * severity, count), 0.8, 6.0)
    end = center + rng.normal(0, 0.7, (count, 3)) * radius[:, None]
    within = np.minimum(-thorax.lungs.at(center), -thorax.lungs.at(end)) > radius + 0.5
    return Strands(center, end, radius, 0.7 * radius).pick(within)


def _marks(
    rng: np.random.Generator, disease: Disease, thorax: Thorax, points: np.ndarray, depth: np.ndarray
) -> list[Ellipsoid]:
    marks: list[Ellipsoid] = []
    height = points[:, 2]
    shallow = depth < 5.0
    lateral = shallow & (np.abs(points[:, 0]) > 50) & (height > height.min() + 60)
    for _ in range(disease.plaques):
        near = points[rng.choice(np.flatnonzero(lateral))]
        reach = rng.uniform(9, 20)
        for spot in near + rng.normal(0, 0.45, (6, 3)) * reach:
            marks.append(_flat(thorax, spot, reach * rng.uniform(0.4, 0.8), rng.uniform(1.5, 3.2)))
    for number in range(disease.caps):
        side = 1.0 if number else -1.0
        own = np.flatnonzero(points[:, 0] * side > 0)
        top = points[own[height[own] > height[own].max() - 9.0]]
        for spot in top[rng.choice(len(top), 8)] + (0, 0, 4.0):
            marks.append(_flat(thorax, spot, rng.uniform(4, 10), rng.uniform(1.5, 4.5)))
    for _ in range(disease.bands):
        low = np.flatnonzero(height < height.min() + 110)
        turn = rng.normal(0, 0.35, 3)
        center = points[rng.choice(low)]
        marks.append(_plate(center, (rng.uniform(12, 30), rng.uniform(6, 16), rng.uniform(0.7, 1.5)), turn))
    for _ in range(disease.scars):
        center = points[rng.choice(np.flatnonzero(shallow))]
        for _ in range(4):
            size = (rng.uniform(4, 12), rng.uniform(1.5, 5), rng.uniform(0.8, 2.5))
            marks.append(_plate(center + rng.normal(0, 3, 3), size, rng.normal(0, 1.0, 3)))
    return marks


def _flat(thorax: Thorax, point: np.ndarray, wide_mm: float, thick_mm: float) -> Ellipsoid:
    """A disc that lies on the pleura nearest to a point."""
    steps = np.vstack([point, point + 3.0 * np.eye(3)])
    field = thorax.lungs.at(steps)
    normal = field[1:] - field[0]
    normal /= max(float(np.linalg.norm(normal)), 1e-6)
    return _oriented(point - normal * field[0], normal, (wide_mm, wide_mm, thick_mm))


def _plate(center: np.ndarray, half: tuple[float, float, float], turn: np.ndarray) -> Ellipsoid:
    normal = np.array([turn[0], turn[1], 1.0])
    return _oriented(center, normal / np.linalg.norm(normal), half)


def _oriented(center: np.ndarray, normal: np.ndarray, half: tuple[float, float, float]) -> Ellipsoid:
    """An ellipsoid whose last half-axis runs along `normal`."""
    along = np.cross(normal, [0.3, 0.9, 0.2])
    along /= np.linalg.norm(along)
    rows = np.stack([along, np.cross(normal, along), normal]).tolist()
    axes: tuple[Point, ...] = tuple((r[0], r[1], r[2]) for r in rows)
    x, y, z = center.tolist()
    return Ellipsoid((x, y, z), (float(half[0]), float(half[1]), float(half[2])), axes)
