"""Branching tubes within the lungs: bronchi, the arteries beside them, and veins between (LPS mm).

The stem of a tree is grown by taking its tips from the hilum outwards and joining each to the node that costs least:
near to the tip, in the direction in which the tree runs there, not far from the root. Twigs and then sprigs sprout from
it in the same way, many at a time. Radii follow Murray's law: the sum of radius^exponent is kept where it branches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from .strands import Strands

MURRAY_EXPONENT = 3.0
PATH_SHARE = 0.75  # cost of a mm from the root, against a mm to the tip
STRAIGHT_SHARE = 0.7  # how much a sharp turn adds to the way
NEIGHBOURS = 10  # nodes that a twig chooses from
BEND_SHARE, WANDER_SHARE = 0.3, 0.06  # a branch leaves along its parent, and no branch is straight
OTHER_LOBE_MM = 30.0  # a fissure to cross counts as so much way


@dataclass(frozen=True)
class Tree:
    """Nodes in an order in which parents come first: `points` (N, 3), `parent` (N,), `load` (N,) tips beyond each.

    The root is its own parent.
    """

    points: np.ndarray
    parent: np.ndarray
    load: np.ndarray

    def radius(self, tip_radius_mm: float) -> np.ndarray:
        """(N,) by Murray's law, mm."""
        return tip_radius_mm * np.maximum(self.load, 1e-3) ** (1 / MURRAY_EXPONENT)

    def direction(self) -> np.ndarray:
        """(N, 3) unit vectors from each node's parent to it; zero at the root."""
        way = self.points - self.points[self.parent]
        return way / np.maximum(np.linalg.norm(way, axis=1), 1e-6)[:, None]

    def strands(self, radius: np.ndarray, first: int = 1) -> Strands:
        """A tube from each node's parent to it, from node `first` on."""
        child = np.arange(max(first, 1), len(self.points))
        child = child[self.parent[child] != child]
        parent = self.parent[child]
        start = np.minimum(radius[parent], 1.25 * radius[child])
        return Strands(self.points[parent], self.points[child], start, radius[child])


def grow_stem(stem: np.ndarray, tips: np.ndarray, tip_load: float, rng: np.random.Generator) -> Tree:
    """Join `tips` (N, 3) to a chain of points (M, 3) that begins at the root."""
    points, parent = list(stem), [max(n - 1, 0) for n in range(len(stem))]
    path = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(stem, axis=0), axis=1))]).tolist()
    way = np.vstack([[0.0, 0.0, 0.0], np.diff(stem, axis=0)])
    heading = list(way / np.maximum(np.linalg.norm(way, axis=1), 1e-6)[:, None])
    load = [0.0] * len(points)
    load[-1] = tip_load
    for tip in tips[np.argsort(np.linalg.norm(tips - stem[-1], axis=1))]:
        step = tip - np.array(points)
        length = np.linalg.norm(step, axis=1) + 1e-6
        turn = 1 - (step * np.array(heading)).sum(axis=1) / length
        origin = int(np.argmin(length * (1 + STRAIGHT_SHARE * turn) + PATH_SHARE * np.array(path)))
        curve = _curve(points[origin][None], tip[None], heading[origin][None], 3, rng)[0]
        before = origin
        for node in curve:
            step = node - points[before]
            length = float(np.linalg.norm(step)) + 1e-6
            points.append(node)
            parent.append(before)
            path.append(path[before] + length)
            heading.append(step / length)
            load.append(0.0)
            before = len(points) - 1
        load[-1] += tip_load
    return _loaded(np.array(points), np.array(parent), np.array(load))


def sprout(
    tree: Tree, tips: np.ndarray, lobe: np.ndarray, lobe_of_tips: np.ndarray, tip_load: float, nodes: int,
    rng: np.random.Generator, *, carried: bool,
) -> Tree:  # fmt: skip
    """Join many tips (N, 3) at once, each to the tree as it is, by a curved branch of `nodes` nodes.

    `lobe` (of the tree's nodes) and `lobe_of_tips` are numbers; branches keep to their lobe. `carried` tips widen the
    branches that they hang on; others do not.
    """
    apart = OTHER_LOBE_MM
    lookup = KDTree(np.column_stack([tree.points, apart * lobe]))
    away, near = lookup.query(np.column_stack([tips, apart * lobe_of_tips]), k=min(NEIGHBOURS, len(tree.points)))
    step = tips[:, None] - tree.points[near]
    length = np.linalg.norm(step, axis=2) + 1e-6
    turn = 1 - (step * tree.direction()[near]).sum(axis=2) / length
    origin = near[np.arange(len(tips)), np.argmin(away * (1 + STRAIGHT_SHARE * turn), axis=1)]
    curves = _curve(tree.points[origin], tips, tree.direction()[origin], nodes, rng)
    numbers = len(tree.points) + np.arange(len(tips) * nodes).reshape(len(tips), nodes)
    parents = np.column_stack([origin, numbers[:, :-1]]) if nodes > 1 else origin[:, None]
    points = np.vstack([tree.points, curves.reshape(-1, 3)])
    parent = np.concatenate([tree.parent, parents.ravel()])
    own = np.zeros((len(tips), nodes))
    own[:, -1] = tip_load
    if not carried:
        return Tree(points, parent, np.concatenate([tree.load, np.full(own.size, tip_load)]))
    tip_loads = np.concatenate([_own_load(tree), own.ravel()])
    return _loaded(points, parent, tip_loads)


def _curve(start: np.ndarray, end: np.ndarray, heading: np.ndarray, nodes: int, rng: np.random.Generator) -> np.ndarray:
    """(N, nodes, 3) points after `start` on bent ways to `end`, the last of them `end`."""
    length = np.linalg.norm(end - start, axis=1)[:, None]
    bend = start + heading * (BEND_SHARE * length) + rng.normal(0.0, 1.0, start.shape) * (WANDER_SHARE * length)
    t = (np.arange(1, nodes + 1) / nodes)[None, :, None]
    return (1 - t) ** 2 * start[:, None] + 2 * t * (1 - t) * bend[:, None] + t**2 * end[:, None]


def _own_load(tree: Tree) -> np.ndarray:
    """What each node carries besides its children."""
    own = tree.load.copy()
    child = np.flatnonzero(tree.parent != np.arange(len(own)))
    np.subtract.at(own, tree.parent[child], tree.load[child])
    return np.maximum(own, 0)


def _loaded(points: np.ndarray, parent: np.ndarray, own: np.ndarray) -> Tree:
    """Add up what hangs on every node."""
    load, above = own.tolist(), parent.tolist()
    for n in range(len(load) - 1, 0, -1):
        if above[n] != n:
            load[above[n]] += load[n]
    return Tree(points, parent, np.array(load))
