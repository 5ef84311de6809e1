"""The bronchi, arteries and veins of one patient's lungs (LPS mm)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from ..canvas import Strands, joined
from ..fields import STEP_MM
from .body import LEFT, RIGHT, Body
from .thorax import Thorax

MURRAY_EXPONENT, AIRWAY_EXPONENT = 3.0, 2.9
PATH_SHARE = 0.75  # cost of a mm from the root, against a mm to the tip
STRAIGHT_SHARE = 0.7  # how much a sharp turn adds to the way
NEIGHBOURS = 10  # nodes that a twig chooses from
BEND_SHARE, WANDER_SHARE = 0.3, 0.06  # a branch leaves along its parent, and no branch is straight

STEM_TIPS_PER_L, TWIG_TIPS_PER_L, SPRIG_TIPS_PER_L = 22, 230, 1500
STEM_FREE_MM, TWIG_FREE_MM, SPRIG_FREE_MM = 18.0, 7.0, 2.5  # from the pleura
TWIG_LOAD = SPRIG_TIPS_PER_L / TWIG_TIPS_PER_L  # a sprig's is 1
AIRWAY_TWIG_LOAD = 0.35
SPRIG_RADIUS_MM = 0.40
FISSURE_FREE_MM = 2.5
AIRWAY_SHARE = 0.92  # a bronchus' lumen against the artery beside it
THINNEST_LUMEN_MM = 0.85

TRACHEA = ([(0, 2, 190), (0, 4, 150), (0, 10, 60), (-1, 17, 0)], [8.6, 8.6, 8.6, 8.2])
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
VEIN_ROOTS = {  # of the upper and middle, and of the lower lobe
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


def grow_lung_tree(rng: np.random.Generator, thorax: Thorax, side: float, *, sprigs: bool) -> LungTree:
    """Grow one lung; without `sprigs` all else is the same."""
    stem_rng, twig_rng, sprig_rng, tip_rng = rng.spawn(4)
    body, (points, depth, lobes) = thorax.body, _lobes(thorax, side)

    def spread(rng: np.random.Generator, lobe: int, per_litre: float, free_mm: float) -> np.ndarray:
        """Tips in a lobe, so many for a litre of it, at least `free_mm` deep (a third of it if need be)."""
        own = lobes == lobe
        count = max(int(per_litre * own.sum() * STEP_MM**3 / 1e6), 4)
        free = np.flatnonzero(own & (depth > free_mm))
        if len(free) < count:
            free = np.flatnonzero(own & (depth > free_mm / 3))
        chosen = rng.permutation(free)[:count]
        return np.asarray(points[chosen] + rng.uniform(-STEP_MM / 2, STEP_MM / 2, (len(chosen), 3)))

    lumens, vessels, fine = [chain_of_tubes(body, *MAIN_BRONCHI[side])], [], []
    axis, radii = MAIN_BRONCHI[side]
    big = [np.column_stack([body.to_patient(axis), radii])]
    for lobe, chain in LOBAR[side]:
        tips = spread(tip_rng, lobe, STEM_TIPS_PER_L, STEM_FREE_MM)
        airway = grow_stem(body.to_patient(chain), tips, 1.0, stem_rng)
        twigs = spread(tip_rng, lobe, TWIG_TIPS_PER_L, TWIG_FREE_MM)
        thirds = len(twigs) // 3
        airway = sprout(airway, twigs[:thirds], AIRWAY_TWIG_LOAD, 3, twig_rng)
        radius = airway.load ** (1 / AIRWAY_EXPONENT)
        radius *= min(4.6 / radius[0], 1.25)
        big.append(np.column_stack([airway.points, radius])[: 4 * len(chain)])
        tubes = airway.strands(radius * AIRWAY_SHARE)
        lumens.append(tubes.pick(tubes.end_radius >= THINNEST_LUMEN_MM))
        load = airway.load / airway.load.max() * TWIG_LOAD * len(twigs)
        artery = Tree(_beside(airway, radius, body.to_patient([ARTERY_ROOT[side]])[0]), airway.parent, load)
        vein_tips = spread(tip_rng, lobe, STEM_TIPS_PER_L, STEM_FREE_MM)
        vein = grow_stem(body.to_patient(VEIN_ROOTS[side][int(lobe == LOWER)]), vein_tips, TWIG_LOAD, stem_rng)
        for tree, offset in ((artery, thirds), (vein, 0)):
            hanging = spread(tip_rng, lobe, TWIG_TIPS_PER_L, TWIG_FREE_MM)[offset:]
            grown = sprout(tree, hanging, TWIG_LOAD, 3, twig_rng)
            vessels.append(grown.strands(grown.radius(SPRIG_RADIUS_MM)))
            if sprigs:
                ends = spread(sprig_rng, lobe, SPRIG_TIPS_PER_L, SPRIG_FREE_MM)
                full = sprout(grown, ends, 1.0, 2, sprig_rng, carried=False)
                fine.append(full.strands(full.radius(SPRIG_RADIUS_MM), len(grown.points)))
    return LungTree(joined(lumens), joined(vessels), joined(fine) if fine else None, np.vstack(big))


@dataclass(frozen=True)
class Tree:
    """Nodes in an order in which parents come first: `points` (N, 3), `parent` (N,), `load` (N,) tips beyond each.

    The root is its own parent.
    """

    points: np.ndarray
    parent: np.ndarray
    load: np.ndarray

    @staticmethod
    def loaded(points: np.ndarray, parent: np.ndarray, own: np.ndarray) -> Tree:
        """A tree whose nodes carry `own` (N,) and all that hangs on them."""
        load, above = own.tolist(), parent.tolist()
        for n in range(len(load) - 1, 0, -1):
            if above[n] != n:
                load[above[n]] += load[n]
        return Tree(points, parent, np.array(load))

    @property
    def own_load(self) -> np.ndarray:
        """What each node carries besides its children."""
        own: np.ndarray = self.load.copy()
        child = np.flatnonzero(self.parent != np.arange(len(own)))
        np.subtract.at(own, self.parent[child], self.load[child])
        return np.asarray(np.maximum(own, 0))

    @property
    def heading(self) -> np.ndarray:
        """(N, 3) unit vectors from each node's parent to it; zero at the root."""
        way = self.points - self.points[self.parent]
        return np.asarray(way / np.maximum(np.linalg.norm(way, axis=1), 1e-6)[:, None])

    def radius(self, tip_radius_mm: float) -> np.ndarray:
        """(N,) by Murray's law, mm."""
        return np.asarray(tip_radius_mm * np.maximum(self.load, 1e-3) ** (1 / MURRAY_EXPONENT))

    def strands(self, radius: np.ndarray, first: int = 1) -> Strands:
        """A tube from each node's parent to it, from node `first` on."""
        child = np.arange(max(first, 1), len(self.points))
        child = child[self.parent[child] != child]
        parent = self.parent[child]
        start = np.minimum(radius[parent], 1.25 * radius[child])
        return Strands(self.points[parent], self.points[child], start, radius[child])


def grow_stem(stem: np.ndarray, tips: np.ndarray, tip_load: float, rng: np.random.Generator) -> Tree:
    """Join `tips` (N, 3) to a chain of points (M, 3) that begins at the root."""
    chain = Tree(stem, np.maximum(np.arange(len(stem)) - 1, 0), np.zeros(len(stem)))
    points, parent, heading = list(stem), chain.parent.tolist(), list(chain.heading)
    path = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(stem, axis=0), axis=1))]).tolist()
    load = [0.0] * len(points)
    load[-1] = tip_load
    for tip in tips[np.argsort(np.linalg.norm(tips - stem[-1], axis=1))]:
        step = tip - np.array(points)
        length = np.linalg.norm(step, axis=1) + 1e-6
        turn = 1 - (step * np.array(heading)).sum(axis=1) / length
        before = int(np.argmin(length * (1 + STRAIGHT_SHARE * turn) + PATH_SHARE * np.array(path)))
        for node in _curve(points[before][None], tip[None], heading[before][None], 3, rng)[0]:
            step = node - points[before]
            way = float(np.linalg.norm(step)) + 1e-6
            points.append(node)
            parent.append(before)
            path.append(path[before] + way)
            heading.append(step / way)
            load.append(0.0)
            before = len(points) - 1
        load[-1] += tip_load
    return Tree.loaded(np.array(points), np.array(parent), np.array(load))


def sprout(
    tree: Tree, tips: np.ndarray, tip_load: float, nodes: int, rng: np.random.Generator, *, carried: bool = True
) -> Tree:
    """Join many tips (N, 3) at once, each to the tree as it is, by a curved branch of `nodes` nodes.

    `carried` tips widen the branches that they hang on; others do not.
    """
    away, near = KDTree(tree.points).query(tips, k=min(NEIGHBOURS, len(tree.points)))
    heading = tree.heading
    step = tips[:, None] - tree.points[near]
    turn = 1 - (step * heading[near]).sum(axis=2) / (np.linalg.norm(step, axis=2) + 1e-6)
    origin = near[np.arange(len(tips)), np.argmin(away * (1 + STRAIGHT_SHARE * turn), axis=1)]
    curves = _curve(tree.points[origin], tips, heading[origin], nodes, rng)
    numbers = len(tree.points) + np.arange(len(tips) * nodes).reshape(len(tips), nodes)
    points = np.vstack([tree.points, curves.reshape(-1, 3)])
    parent = np.concatenate([tree.parent, np.column_stack([origin, numbers[:, :-1]]).ravel()])
    if not carried:
        return Tree(points, parent, np.concatenate([tree.load, np.full(numbers.size, tip_load)]))
    own = np.zeros(numbers.shape)
    own[:, -1] = tip_load
    return Tree.loaded(points, parent, np.concatenate([tree.own_load, own.ravel()]))


def _curve(start: np.ndarray, end: np.ndarray, heading: np.ndarray, nodes: int, rng: np.random.Generator) -> np.ndarray:
    """(N, nodes, 3) points after `start` on bent ways to `end`, the last of them `end`."""
    length = np.linalg.norm(end - start, axis=1)[:, None]
    bend = start + heading * (BEND_SHARE * length) + rng.normal(0.0, 1.0, start.shape) * (WANDER_SHARE * length)
    t = (np.arange(1, nodes + 1) / nodes)[None, :, None]
    return np.asarray((1 - t) ** 2 * start[:, None] + 2 * t * (1 - t) * bend[:, None] + t**2 * end[:, None])


def _lobes(thorax: Thorax, side: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The lattice nodes within one lung: points (N, 3), depth (N,) below pleura and fissures, and lobe (N,)."""
    lungs = thorax.lungs.values
    inside = np.nonzero((lungs < 0) & (thorax.side.values * side > 0))
    z, y, x = (c[n] for c, n in zip(thorax.lungs.node_mm, inside, strict=True))
    oblique, horizontal = thorax.oblique.values[inside], thorax.horizontal.values[inside]
    lobe = np.where(oblique < 0, LOWER, UPPER)
    apart = np.abs(oblique)
    if side == RIGHT:
        lobe = np.where((oblique >= 0) & (horizontal < 0), MIDDLE, lobe)
        apart = np.where(oblique >= 0, np.minimum(apart, np.abs(horizontal)), apart)
    return np.column_stack([x, y, z]), np.minimum(-lungs[inside], 1.7 * apart - FISSURE_FREE_MM), lobe


def _beside(airway: Tree, radius: np.ndarray, root: np.ndarray) -> np.ndarray:
    """The nodes (N, 3) moved aside, so that an artery runs along each bronchus, from a root of its own."""
    heading = airway.heading
    up = np.array([0.35, -0.55, 0.75])
    aside = up - heading * (heading @ up)[:, None]
    aside /= np.maximum(np.linalg.norm(aside, axis=1), 1e-6)[:, None]
    points: np.ndarray = airway.points + aside * (1.9 * radius + 0.6)[:, None]
    points[0] = root
    return points


def chain_of_tubes(body: Body, points: Any, radii: list[float]) -> Strands:
    """A chain of tubes through points of the template, rounded by halving."""
    at = np.linspace(0, len(points) - 1, 6 * (len(points) - 1) + 1)
    known = np.arange(len(points))
    smooth = np.column_stack([np.interp(at, known, coordinate) for coordinate in zip(*points, strict=True)])
    patient = body.to_patient(smooth)
    width = np.interp(at, known, radii)
    return Strands(patient[:-1], patient[1:], width[:-1], width[1:])
