"""Branching vessels and airways within the lungs (template frame, see thorax).

A tree is grown by taking its tips from the hilum outwards and joining each to the node that costs least: near to the
tip, yet not far from the root. Its radii follow Murray's law: the sum of radius^exponent is kept where it branches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import Canvas
from .shapes import Point, Tube, mirrored, tubes
from .thorax import LEFT, RIGHT, Thorax

MURRAY_EXPONENT = 2.9
PATH_SHARE = 0.55  # cost of a mm from the root, against a mm to the tip
VESSEL_TIPS, VESSEL_TIP_RADIUS, VESSEL_HU = 450, 0.65, 35.0
VESSEL_FREE_MM = 4.0  # vessels fade before the pleura
BRONCHUS_TIPS, BRONCHUS_TIP_RADIUS, BRONCHUS_REACH_MM = 14, 1.0, 62.0
BRONCHUS_FREE_MM = 12.0
WALL_SHARE, WALL_MM, WALL_HU, AIRWAY_HU = 0.12, 0.9, 20.0, -1000.0  # a wall is WALL_MM and a share of the radius

VESSEL_ROOT: Point = (34.0, 10.0, -12.0)  # the hilum, on the left
TRACHEA: list[Tube] = tubes([(0, 4, 150), (0, 10, 60), (-1, 17, 0)], [8.5, 8.5, 8.0])
MAIN_BRONCHI: dict[float, list[Tube]] = {  # the right one short and steep, the left one long and flat
    RIGHT: tubes([(-1, 17, 0), (-22, 20, -18), (-36, 21, -27)], [7.5, 6.5, 5.0]),
    LEFT: tubes([(-1, 17, 0), (22, 20, -17), (41, 22, -27)], [7.0, 6.0, 4.8]),
}


@dataclass(frozen=True)
class LungTree:
    """The vessels of one lung and the bronchi beyond its main bronchus."""

    vessels: list[Tube]
    bronchi: list[Tube]


def draw_lung_tree(rng: np.random.Generator, thorax: Thorax, side: float) -> LungTree:
    """Grow the vessels and bronchi of one lung."""
    vessel_tips = _points_within(rng, thorax, side, VESSEL_TIPS, VESSEL_FREE_MM)
    vessels = grow(mirrored(VESSEL_ROOT, side), vessel_tips, VESSEL_TIP_RADIUS)
    hilum = MAIN_BRONCHI[side][-1].end
    places = _points_within(rng, thorax, side, 40 * BRONCHUS_TIPS, BRONCHUS_FREE_MM)
    near = places[np.linalg.norm(places - hilum, axis=1) < BRONCHUS_REACH_MM]
    return LungTree(vessels, grow(hilum, near[:BRONCHUS_TIPS], BRONCHUS_TIP_RADIUS))


def grow(root: Point, tips: np.ndarray, tip_radius: float) -> list[Tube]:
    """Join `tips` (N, 3) to `root` and give every branch its radius, in mm."""
    tips = tips[np.argsort(np.linalg.norm(tips - root, axis=1))]
    nodes = np.vstack([root, tips])
    parent = np.zeros(len(nodes), dtype=int)
    path = np.zeros(len(nodes))
    for n in range(1, len(nodes)):
        step = np.linalg.norm(nodes[:n] - nodes[n], axis=1)
        parent[n] = np.argmin(step + PATH_SHARE * path[:n])
        path[n] = path[parent[n]] + step[parent[n]]
    load = np.ones(len(nodes))
    for n in range(len(nodes) - 1, 0, -1):
        load[parent[n]] += load[n]
    radius = tip_radius * load ** (1 / MURRAY_EXPONENT)
    points = [(float(x), float(y), float(z)) for x, y, z in nodes]
    return [
        Tube(points[parent[n]], points[n], float(min(radius[parent[n]], 1.3 * radius[n])), float(radius[n]))
        for n in range(1, len(nodes))
    ]


def paint_vessels(canvas: Canvas, vessels: list[Tube], lung: np.ndarray) -> None:
    """Vessels show within the lung only (`lung`: bool, shape (K, J, I)); outside they are lost in soft tissue."""
    for vessel in vessels:
        canvas.paint(vessel, VESSEL_HU, where=lung)


def paint_airways(canvas: Canvas, airways: list[Tube]) -> None:
    """All walls first, so that none closes another airway."""
    for airway in airways:
        canvas.paint(airway, WALL_HU, grow_mm=WALL_MM + WALL_SHARE * airway.start_radius)
    for airway in airways:
        canvas.paint(airway, AIRWAY_HU)


def _points_within(rng: np.random.Generator, thorax: Thorax, side: float, count: int, free_mm: float) -> np.ndarray:
    """`count` points (count, 3), spread evenly over one lung, at least about `free_mm` from its surface."""
    low, high = np.array([0.0, -95.0, -170.0]), np.array([140.0, 95.0, 100.0])
    found: list[np.ndarray] = []
    while sum(map(len, found)) < count:
        points = rng.uniform(low, high, (4 * count, 3)) * (side, 1, 1)
        found.append(points[thorax.at(*points.T).lungs[side] < -free_mm])
    return np.concatenate(found)[:count]
