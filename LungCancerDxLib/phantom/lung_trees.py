"""The bronchi, arteries and veins of one patient's lungs (LPS mm)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .lattice import STEP_MM
from .strands import Strands, joined
from .thorax import LEFT, RIGHT, Thorax
from .tree import Tree, grow_stem, sprout

STEM_TIPS_PER_L, TWIG_TIPS_PER_L, SPRIG_TIPS_PER_L = 22, 230, 1500
SPRIG_RADIUS_MM = 0.40
STEM_FREE_MM, TWIG_FREE_MM, SPRIG_FREE_MM = 18.0, 7.0, 2.5  # from the pleura
FISSURE_FREE_MM = 2.5
AIRWAY_SHARE = 0.92  # a bronchus' lumen against the artery beside it
THINNEST_LUMEN_MM = 0.85
WALL_MM, WALL_SHARE = 0.45, 0.10  # a wall is WALL_MM and a share of the lumen's radius

TRACHEA = [(0, 2, 190), (0, 4, 150), (0, 10, 60), (-1, 17, 0)]
TRACHEA_RADIUS = [8.6, 8.6, 8.6, 8.2]
MAIN_BRONCHI = {  # the right one short and steep, the left one long and flat
    RIGHT: ([(-1, 17, 0), (-22, 20, -16), (-30, 22, -36)], [7.4, 6.6, 5.4]),
    LEFT: ([(-1, 17, 0), (22, 22, -20), (38, 25, -30)], [6.9, 6.2, 5.4]),
}
# Lobar bronchi, by side: chains (template frame) that begin on the main bronchus, and which lobe each serves.
UPPER, MIDDLE, LOWER = 0, 1, 2
LOBAR = {
    RIGHT: (
        (UPPER, [(-22, 20, -16), (-34, 16, -12), (-44, 12, -6)]),
        (MIDDLE, [(-30, 22, -36), (-36, 10, -44), (-44, -6, -52)]),
        (LOWER, [(-30, 22, -36), (-35, 30, -52), (-40, 40, -72)]),
    ),
    LEFT: (
        (UPPER, [(38, 25, -30), (46, 16, -22), (52, 8, -14)]),
        (LOWER, [(38, 25, -30), (42, 34, -48), (45, 42, -70)]),
    ),
}
ARTERY_ROOT = {RIGHT: (-34, 4, -17), LEFT: (39, 20, -6)}
VEIN_ROOTS = {
    RIGHT: ([(-30, 4, -38), (-44, 0, -30)], [(-28, 16, -50), (-42, 26, -62)]),
    LEFT: ([(32, 8, -32), (50, 2, -24)], [(30, 18, -48), (46, 30, -62)]),
}


@dataclass(frozen=True)
class LungTree:
    """The trees of one lung; `sprigs` are the finest vessels, and `None` where nobody asked for them."""

    lumens: Strands
    vessels: Strands
    sprigs: Strands | None
    bronchus_points: np.ndarray  # (M, 4) x, y, z and radius of the lobar and main bronchi

    def walls(self) -> Strands:
        """The bronchi with their walls."""
        return self.lumens.grown(WALL_MM + WALL_SHARE * self.lumens.start_radius)


def trachea(thorax: Thorax) -> Strands:
    """The windpipe, LPS mm."""
    return _chain(thorax, TRACHEA, TRACHEA_RADIUS)


def grow_lung_tree(rng: np.random.Generator, thorax: Thorax, side: float, *, sprigs: bool) -> LungTree:
    """Grow one lung; without `sprigs` all else is the same."""
    stem_rng, twig_rng, sprig_rng, tip_rng = rng.spawn(4)
    room = _Room.of(thorax, side)
    lumens = [_chain(thorax, *MAIN_BRONCHI[side])]
    vessels, fine = [], []
    sprig_load = 1.0
    twig_load = sprig_load * SPRIG_TIPS_PER_L / TWIG_TIPS_PER_L
    axis = MAIN_BRONCHI[side][0]
    big = [np.column_stack([thorax.body.to_patient(np.array(axis, dtype=float)), MAIN_BRONCHI[side][1]])]
    for lobe, chain in LOBAR[side]:
        stem = thorax.body.to_patient(np.array(chain, dtype=float))
        tips = room.tips(tip_rng, lobe, STEM_TIPS_PER_L, STEM_FREE_MM)
        airway = grow_stem(stem, tips, 1.0, stem_rng)
        twigs = room.tips(tip_rng, lobe, TWIG_TIPS_PER_L, TWIG_FREE_MM)
        airway = sprout(airway, twigs[: len(twigs) // 3], np.zeros(len(airway.points)), np.zeros(len(twigs) // 3),
                        0.35, 3, twig_rng, carried=True)  # fmt: skip
        radius = 1.0 * airway.load ** (1 / 2.9)
        radius *= min(4.6 / radius[0], 1.25)
        big.append(np.column_stack([airway.points, radius])[: 4 * len(chain)])
        tubes = airway.strands(radius * AIRWAY_SHARE)
        lumens.append(tubes.pick(tubes.end_radius >= THINNEST_LUMEN_MM))
        artery = _beside(airway, radius, thorax.body.to_patient(np.array([ARTERY_ROOT[side]], dtype=float))[0])
        artery = Tree(artery.points, artery.parent, artery.load / airway.load.max() * twig_load * len(twigs))
        vein_root = VEIN_ROOTS[side][int(lobe == LOWER)]
        vein_tips = room.tips(tip_rng, lobe, STEM_TIPS_PER_L, STEM_FREE_MM)
        vein = grow_stem(thorax.body.to_patient(np.array(vein_root, dtype=float)), vein_tips, twig_load, stem_rng)
        for tree, offset in ((artery, len(twigs) // 3), (vein, 0)):
            hanging = room.tips(tip_rng, lobe, TWIG_TIPS_PER_L, TWIG_FREE_MM)[offset:]
            grown = sprout(tree, hanging, np.zeros(len(tree.points)), np.zeros(len(hanging)), twig_load, 3,
                           twig_rng, carried=True)  # fmt: skip
            vessels.append(grown.strands(grown.radius(SPRIG_RADIUS_MM)))
            ends = room.tips(sprig_rng, lobe, SPRIG_TIPS_PER_L, SPRIG_FREE_MM) if sprigs else np.empty((0, 3))
            if len(ends):
                full = sprout(grown, ends, np.zeros(len(grown.points)), np.zeros(len(ends)), sprig_load, 2,
                              sprig_rng, carried=False)  # fmt: skip
                thin = full.radius(SPRIG_RADIUS_MM)
                fine.append(full.strands(thin, len(grown.points)))
    return LungTree(joined(lumens), joined(vessels), joined(fine) if fine else None, np.vstack(big))


@dataclass(frozen=True)
class _Room:
    """The lattice nodes within one lung: `points` (N, 3), depth (N,) below pleura and fissures, and lobe (N,)."""

    points: np.ndarray
    depth: np.ndarray
    lobe: np.ndarray

    @staticmethod
    def of(thorax: Thorax, side: float) -> _Room:
        lungs = thorax.lungs
        inside = np.flatnonzero((lungs.values.ravel() < 0) & (thorax.side.values.ravel() * side > 0))
        k, j, i = np.unravel_index(inside, lungs.values.shape)
        z, y, x = (c[n] for c, n in zip(lungs.node_mm, (k, j, i), strict=True))
        oblique, horizontal = thorax.oblique.values.ravel()[inside], thorax.horizontal.values.ravel()[inside]
        lobe = np.where(oblique < 0, LOWER, UPPER)
        apart = np.abs(oblique)
        if side == RIGHT:
            lobe = np.where((oblique >= 0) & (horizontal < 0), MIDDLE, lobe)
            apart = np.where(oblique >= 0, np.minimum(apart, np.abs(horizontal)), apart)
        depth = np.minimum(-lungs.values.ravel()[inside], 1.7 * apart - FISSURE_FREE_MM)
        return _Room(np.column_stack([x, y, z]), depth, lobe)

    def tips(self, rng: np.random.Generator, lobe: int, per_litre: float, free_mm: float) -> np.ndarray:
        """Points spread over a lobe, so many for a litre of it, at least `free_mm` deep (a third of it if need be)."""
        own = self.lobe == lobe
        count = max(int(per_litre * own.sum() * STEP_MM**3 / 1e6), 4)
        free = np.flatnonzero(own & (self.depth > free_mm))
        if len(free) < count:
            free = np.flatnonzero(own & (self.depth > free_mm / 3))
        chosen = rng.permutation(free)[:count]
        return self.points[chosen] + rng.uniform(-STEP_MM / 2, STEP_MM / 2, (len(chosen), 3))


def _beside(airway: Tree, radius: np.ndarray, root: np.ndarray) -> Tree:
    """The same branches moved aside, so that an artery runs along each bronchus, from a root of its own."""
    heading = airway.direction()
    up = np.array([0.35, -0.55, 0.75])
    aside = up - heading * (heading @ up)[:, None]
    aside /= np.maximum(np.linalg.norm(aside, axis=1), 1e-6)[:, None]
    points = airway.points + aside * (1.9 * radius + 0.6)[:, None]
    points[0] = root
    return Tree(points, airway.parent, airway.load)


def _chain(thorax: Thorax, points: list[tuple[int, int, int]], radii: list[float]) -> Strands:
    """A chain of tubes through points of the template, rounded by halving."""
    way, radius = np.array(points, dtype=float), np.array(radii)
    at = np.linspace(0, len(way) - 1, 6 * (len(way) - 1) + 1)
    known = np.arange(len(way))
    smooth = np.column_stack([np.interp(at, known, way[:, axis]) for axis in range(3)])
    patient = thorax.body.to_patient(smooth)
    width = np.interp(at, known, radius)
    return Strands(patient[:-1], patient[1:], width[:-1], width[1:])
