"""All that is drawn of a patient before there is a grid."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from ..lattice import STEP_MM
from ..shapes import Ellipsoid, Point
from .strands import Strands
from .thorax import LEFT, RIGHT, Body, Thorax, build_thorax, draw_body
from .trees import LungTree, grow_lung_tree

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


@dataclass(frozen=True)
class Anatomy:
    """One patient. Offers what nodules need to find their place (`LungPlaces`)."""

    thorax: Thorax
    parenchyma: Parenchyma
    disease: Disease
    changes: Changes
    trees: dict[float, LungTree]  # of the lungs that are there

    @property
    def body(self) -> Body:
        return self.thorax.body

    @property
    def sides(self) -> tuple[float, ...]:
        """The lungs that are there."""
        return tuple(self.trees)

    @cached_property
    def lung_box_mm(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner (x, y, z) of the box that holds both lungs, whether they are there or not."""
        lungs = self.thorax.lungs
        inside = np.argwhere(lungs.values < 0)
        z, y, x = lungs.node_mm
        low, high = inside.min(axis=0) - 1, np.minimum(inside.max(axis=0) + 1, np.array(lungs.values.shape) - 1)
        return np.array([x[low[2]], y[low[1]], z[low[0]]]), np.array([x[high[2]], y[high[1]], z[high[0]]])

    @property
    def low_lps_mm(self) -> Point:
        x, y, z = self.lung_box_mm[0].tolist()
        return x, y, z

    @property
    def high_lps_mm(self) -> Point:
        x, y, z = self.lung_box_mm[1].tolist()
        return x, y, z

    @cached_property
    def vessels(self) -> np.ndarray:
        """(M, 4) x, y, z, radius in mm of the vessels within the lungs that are there, without the finest."""
        found = [np.empty((0, 4))]
        for tree in self.trees.values():
            strands = tree.vessels
            middle = (strands.start + strands.end) / 2
            points = np.column_stack([middle, (strands.start_radius + strands.end_radius) / 2])
            found.append(points[self.depth_mm(middle) > 0])
        return np.vstack(found)

    @cached_property
    def bronchi(self) -> np.ndarray:
        """(M, 4) the same of the main and lobar bronchi."""
        return np.vstack([np.empty((0, 4)), *(tree.bronchus_points for tree in self.trees.values())])

    def depth_mm(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) to the way to the pleura, negative outside the lungs that are there, (N,)."""
        depth = -self.thorax.lungs.at(points).astype(float)
        side = self.thorax.side.at(points)
        for absent in {LEFT, RIGHT} - set(self.trees):
            depth = np.where(side * absent > 0, -100.0, depth)
        return depth

    def upper(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) to whether each lies in an upper lobe, (N,) bool."""
        above = self.thorax.oblique.at(points) > 0
        on_the_left = self.thorax.side.at(points) > 0
        return above & (on_the_left | (self.thorax.horizontal.at(points) > 0))

    def record(self) -> dict[str, Any]:
        """Everything drawn, for JSON."""
        tissue = {k: v for k, v in vars(self.parenchyma).items() if k != "tile"}
        return {
            "body": self.body.record(),
            "lung_tissue": tissue,
            "disease": self.disease.record(),
            "emphysema": self.disease.emphysema > 0,
            "female": self.body.female,
        }


def draw_anatomy(rng: np.random.Generator, *, left_lung: bool, right_lung: bool, sprigs: bool) -> Anatomy:
    """Draw a patient; without `sprigs` (the finest vessels) all else is the same."""
    body_rng, tissue_rng, disease_rng, change_rng, left_rng, right_rng = rng.spawn(6)
    thorax = build_thorax(draw_body(body_rng))
    disease = draw_disease(disease_rng)
    sides = ((LEFT, left_lung, left_rng), (RIGHT, right_lung, right_rng))
    return Anatomy(
        thorax,
        draw_parenchyma(tissue_rng, emphysema=disease.emphysema > 0),
        disease,
        place_changes(change_rng, disease, thorax),
        {side: grow_lung_tree(own, thorax, side, sprigs=sprigs) for side, there, own in sides if there},
    )
