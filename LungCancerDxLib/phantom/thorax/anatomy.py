"""All that is drawn of a patient before there is a grid: the build, the lung tissue, its diseases and its trees."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from ...preprocessing.lung_mask import bounding_box
from ..canvas import Strands
from ..fields import STEP_MM, Ellipsoid, Point, as_point
from .body import LEFT, RIGHT, draw_body
from .thorax import Thorax, build_thorax
from .trees import LungTree, grow_lung_tree

TEXTURE_STEP_MM = 2.0
TILE = 72  # nodes along each edge of the texture's tile, which repeats
SOFT_HU, SOFT_NODES = 13.0, 2.5  # lobules that differ in how much they are filled
GRAIN_HU = 24.0  # vessels and walls too small to be seen one by one
FISSURE_HU = 700.0  # a fissure against the lung around it
EMPHYSEMA_SHARE, CAP_SHARE, THICKENING_SHARE, BAND_SHARE, SCAR_SHARE = 0.3, 0.22, 0.15, 0.3, 0.2
HOLES_PER_LITRE = 900.0  # of emphysema of severity 1


@dataclass(frozen=True)
class Parenchyma:
    """What is drawn of a patient's lung tissue."""

    mean_hu: float  # density at the middle of the chest
    hu_per_mm_to_back: float
    dependent_hu: float  # extra density under the pleura of the back, 0 for none
    dependent_mm: float  # the depth at which a third of it is left
    fissure_mm: float  # thickness
    gap_phases: tuple[float, float, float]  # of the fissures: phases of two waves, and the share that is there
    tile: np.ndarray  # (TILE, TILE, TILE) texture in HU, every `TEXTURE_STEP_MM`

    def slice_hu(self, x: np.ndarray, y: np.ndarray, z: float, field: np.ndarray) -> np.ndarray:
        """float32 HU on the mesh of y (J,) and x (I,) at height z, LPS mm, where the lungs' `field` (J, I) is known."""
        texture = self.tile
        for axis, centres in ((0, np.array([z])), (2, x), (1, y)):
            steps = centres / TEXTURE_STEP_MM
            low = np.floor(steps).astype(int)
            share = (steps - low).astype(np.float32).reshape([-1 if n == axis else 1 for n in range(3)])
            below = texture.take(low % TILE, axis)
            texture = below + share * (texture.take((low + 1) % TILE, axis) - below)
        rise = np.float32(self.mean_hu) + np.float32(self.hu_per_mm_to_back) * y.astype(np.float32)
        hu = np.asarray(texture[0] + rise[:, None])
        if self.dependent_hu:
            back = np.clip((y - 20.0) / 45.0, 0, 1).astype(np.float32)[:, None]
            hu += np.float32(self.dependent_hu) * np.exp(np.minimum(field, 0) / np.float32(self.dependent_mm)) * back
        return hu

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


@dataclass(frozen=True)
class Disease:
    """What is drawn: how severe the emphysema is (0 for none) and how many marks there are of each sort."""

    emphysema: float
    caps: int
    plaques: int
    bands: int
    scars: int


@dataclass(frozen=True)
class Anatomy:
    """One patient; `holes` are those of emphysema, `marks` are dense. Offers what nodules need (`LungPlaces`)."""

    thorax: Thorax
    parenchyma: Parenchyma
    disease: Disease
    holes: Strands
    marks: list[Ellipsoid]
    trees: dict[float, LungTree]  # of the lungs that are there, by side
    low_lps_mm: Point  # lowest and highest corner of the box that holds both lungs, whether they are there or not
    high_lps_mm: Point

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

    @property
    def absent_sides(self) -> set[float]:
        """The sides without a lung."""
        return {LEFT, RIGHT} - set(self.trees)

    def depth_mm(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) to the way to the pleura, negative outside the lungs that are there, (N,)."""
        depth = -self.thorax.lungs.at(points).astype(float)
        side = self.thorax.side.at(points)
        for absent in self.absent_sides:
            depth = np.where(side * absent > 0, -100.0, depth)
        return depth

    def upper(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) to whether each lies in an upper lobe, (N,) bool."""
        above = self.thorax.oblique.at(points) > 0
        on_the_left = self.thorax.side.at(points) > 0
        return np.asarray(above & (on_the_left | (self.thorax.horizontal.at(points) > 0)))

    def record(self) -> dict[str, Any]:
        """Everything drawn, for JSON."""
        return {
            "body": asdict(self.thorax.body),
            "lung_tissue": {k: v for k, v in vars(self.parenchyma).items() if k != "tile"},
            "disease": asdict(self.disease),
            "emphysema": self.disease.emphysema > 0,
            "female": self.thorax.body.female,
        }


def draw_anatomy(rng: np.random.Generator, *, left_lung: bool, right_lung: bool, sprigs: bool) -> Anatomy:
    """Draw a patient; without `sprigs` (the finest vessels) all else is the same."""
    body_rng, tissue_rng, disease_rng, change_rng, left_rng, right_rng = rng.spawn(6)
    thorax = build_thorax(draw_body(body_rng))
    disease = _draw_disease(disease_rng)
    parenchyma = _draw_parenchyma(tissue_rng, emphysema=disease.emphysema > 0)
    hole_rng, mark_rng = change_rng.spawn(2)
    lungs = thorax.lungs
    around = bounding_box(lungs.values < 0, 1)
    ends = [(c[side.start], c[side.stop - 1]) for c, side in zip(lungs.node_mm[::-1], around[::-1], strict=True)]
    low, high = map(as_point, zip(*ends, strict=True))
    inside = np.argwhere(lungs.values < -2.0)
    points = ((inside + lungs.first_zyx) * STEP_MM)[:, ::-1]
    holes = _draw_holes(hole_rng, disease.emphysema, thorax, points)
    marks = _draw_marks(mark_rng, disease, thorax, points, -lungs.values[tuple(inside.T)])
    sides = ((LEFT, left_lung, left_rng), (RIGHT, right_lung, right_rng))
    trees = {side: grow_lung_tree(own, thorax, side, sprigs=sprigs) for side, there, own in sides if there}
    return Anatomy(thorax, parenchyma, disease, holes, marks, trees, low, high)


def _draw_parenchyma(rng: np.random.Generator, *, emphysema: bool) -> Parenchyma:
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


def _draw_disease(rng: np.random.Generator) -> Disease:
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


def _draw_holes(rng: np.random.Generator, severity: float, thorax: Thorax, points: np.ndarray) -> Strands:
    """Holes of emphysema, rather above; `points` (N, 3) are the nodes within the lungs."""
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


def _draw_marks(
    rng: np.random.Generator, disease: Disease, thorax: Thorax, points: np.ndarray, depth: np.ndarray
) -> list[Ellipsoid]:
    """Plaques on the pleura of the sides, caps on the top, bands rather below, scars under the pleura."""
    marks: list[Ellipsoid] = []
    height = points[:, 2]
    shallow = depth < 5.0
    lateral = shallow & (np.abs(points[:, 0]) > 50) & (height > height.min() + 60)
    for _ in range(disease.plaques):
        near = points[rng.choice(np.flatnonzero(lateral))]
        reach = rng.uniform(9, 20)
        for spot in near + rng.normal(0, 0.45, (6, 3)) * reach:
            marks.append(_on_pleura(thorax, spot, reach * rng.uniform(0.4, 0.8), rng.uniform(1.5, 3.2)))
    for number in range(disease.caps):
        own = np.flatnonzero(points[:, 0] * (LEFT if number else RIGHT) > 0)
        top = points[own[height[own] > height[own].max() - 9.0]]
        for spot in top[rng.choice(len(top), 8)] + (0, 0, 4.0):
            marks.append(_on_pleura(thorax, spot, rng.uniform(4, 10), rng.uniform(1.5, 4.5)))
    for _ in range(disease.bands):
        low = np.flatnonzero(height < height.min() + 110)
        turn = rng.normal(0, 0.35, 3)
        center = points[rng.choice(low)]
        marks.append(_band(center, turn, (rng.uniform(12, 30), rng.uniform(6, 16), rng.uniform(0.7, 1.5))))
    for _ in range(disease.scars):
        center = points[rng.choice(np.flatnonzero(shallow))]
        for _ in range(4):
            size = (rng.uniform(4, 12), rng.uniform(1.5, 5), rng.uniform(0.8, 2.5))
            spot = center + rng.normal(0, 3, 3)
            marks.append(_band(spot, rng.normal(0, 1.0, 3), size))
    return marks


def _on_pleura(thorax: Thorax, point: np.ndarray, wide_mm: float, thick_mm: float) -> Ellipsoid:
    """A disc that lies on the pleura nearest to a point."""
    field = thorax.lungs.at(np.vstack([point, point + 3.0 * np.eye(3)]))
    normal = field[1:] - field[0]
    normal /= max(float(np.linalg.norm(normal)), 1e-6)
    return _disc(point - normal * field[0], normal, (wide_mm, wide_mm, thick_mm))


def _band(center: np.ndarray, turn: np.ndarray, half: tuple[float, float, float]) -> Ellipsoid:
    """A disc that lies level but for a turn."""
    normal = np.array([turn[0], turn[1], 1.0])
    return _disc(center, normal / np.linalg.norm(normal), half)


def _disc(center: np.ndarray, normal: np.ndarray, half: tuple[float, float, float]) -> Ellipsoid:
    """An ellipsoid whose last half-axis runs along `normal` (of length 1)."""
    along = np.cross(normal, [0.3, 0.9, 0.2])
    along /= np.linalg.norm(along)
    axes = tuple(map(as_point, (along, np.cross(normal, along), normal)))
    return Ellipsoid(as_point(center), as_point(half), axes)
