"""The shape of an adult chest: its wall, diaphragm, mediastinum and the two lungs between them.

Everything is told in the template frame: mm, x to the patient's left, y to the back, z to the head, with the midline,
the middle of the chest and the carina at the origin. A patient is the template stretched by `scale_xyz`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .shapes import Ellipsoid, Point, Tube, not_below, profile, superellipse, tubes, union

LEFT, RIGHT = 1.0, -1.0  # sides, as signs of x
APEX_Z = 98.0  # the lung tops, a hand above the carina

# Inner chest wall: a section that widens downwards, with straight sides and a flat back.
WALL_POWER = 2.4
wall_half_width = profile([(125, 44), (98, 66), (80, 85), (50, 106), (20, 119), (-20, 127), (-80, 131), (-200, 130)])
wall_front = profile([(125, -14), (98, -28), (80, -44), (50, -62), (20, -74), (-30, -84), (-100, -87), (-200, -84)])
wall_back = profile([(125, 58), (98, 66), (60, 77), (0, 86), (-80, 88), (-200, 84)])

# What keeps the lungs apart.
JUNCTION_HALF_MM = 3.0  # the thin septum where they nearly meet behind the breastbone
pad_half_width = profile([(-30, 5), (-70, 14), (-100, 38), (-140, 52)])  # the fat below the heart, in front
PAD_DEPTH_MM = 62.0
CORE_CENTER_Y, CORE_HALF_DEPTH, CORE_POWER = 8.0, 46.0, 2.4  # great vessels, trachea and gullet
core_half_width = profile([(98, 34), (50, 30), (10, 29), (-30, 31), (-100, 26), (-200, 28)])
SPINE_ZONE_HALF_WIDTH, SPINE_ZONE_HALF_DEPTH = 25.0, 32.0
SPINE_ZONE_BEHIND_MM = 13.0  # its centre lies behind that of the vertebral bodies
spine_y = profile([(140, 38), (80, 47), (0, 54), (-80, 55), (-190, 46)])  # vertebral body centres: the kyphosis

AORTA: list[Tube] = tubes(
    [
        (-6, -22, -30),
        (-16, -26, 5),
        (-10, -16, 27),
        (6, 8, 35),
        (19, 32, 26),
        (23, 38, 0),
        (20, 38, -90),
        (7, 30, -190),
    ],
    [15, 15.5, 14, 13, 12.5, 12, 11.5, 10],
)
PLEURA_MM = 2.0  # fat and membranes between an organ and the lung

# The lowest that a lung reaches: the sulcus is deep at the back and shallow in front.
SULCUS_Z, SULCUS_SLOPE = -146.0, 0.22


@dataclass(frozen=True)
class ThoraxFields:
    """Signed fields, mm: the space within the ribs, the heart; by side, the space under the diaphragm and the lung."""

    wall: Any
    heart: Any
    domes: dict[float, Any]
    lungs: dict[float, Any]


@dataclass(frozen=True)
class Thorax:
    """One patient's chest.

    Parameters
    ----------
    scale_xyz
        Patient mm per template mm along x, y, z.
    heart, right_dome, left_dome
        Template frame; a dome goes on downwards from its widest level.
    rib_top_z
        Height of the first rib's head, template mm.
    """

    scale_xyz: Point
    heart: Ellipsoid
    right_dome: Ellipsoid
    left_dome: Ellipsoid
    rib_top_z: float

    def at(self, x: Any, y: Any, z: Any) -> ThoraxFields:
        """All fields at points in the template frame."""
        wall = chest_wall(x, y, z)
        heart = union((self.heart,), x, y, z)
        domes = {
            side: union((dome,), x, y, not_below(z, dome.center[2]))
            for side, dome in ((LEFT, self.left_dome), (RIGHT, self.right_dome))
        }
        middle = np.minimum(_core(x, y, z), heart - PLEURA_MM)
        space = np.maximum(np.maximum(wall, SULCUS_Z - SULCUS_SLOPE * y - z), -middle)
        lungs = {}
        for side in (LEFT, RIGHT):
            lung = np.maximum(space, JUNCTION_HALF_MM - side * x)
            lung = np.maximum(lung, _apex(side).field(x, y, not_below(z, _apex(side).center[2])))
            lungs[side] = np.maximum(lung, -domes[side])
        lungs[LEFT] = np.maximum(lungs[LEFT], PLEURA_MM - union(AORTA, x, y, z))
        return ThoraxFields(wall, heart, domes, lungs)


def draw_thorax(rng: np.random.Generator) -> Thorax:
    """A patient of ordinary build, a few percent larger or smaller than the template."""
    scale = np.clip(rng.normal(1.0, 0.02, 3), 0.96, 1.04)
    size = rng.uniform(0.95, 1.05)
    right_rise, left_rise = rng.uniform(-5, 5), rng.uniform(-5, 5)
    long_axis = np.array([0.74, -0.48, -0.47])  # the heart points to the left, forward and down
    across = np.cross(long_axis, [0.0, 0.0, 1.0])
    frame = [long_axis / np.linalg.norm(long_axis), across / np.linalg.norm(across)]
    frame.append(np.cross(*frame))
    axes = tuple((float(a[0]), float(a[1]), float(a[2])) for a in frame)
    return Thorax(
        scale_xyz=(float(scale[0]), float(scale[1]), float(scale[2])),
        heart=Ellipsoid((22.0, -34.0, -58.0), (62 * size, 44 * size, 46 * size), axes),
        right_dome=Ellipsoid((-62.0, -10.0, -172.0), (72.0, 90.0, 88.0 + right_rise)),
        left_dome=Ellipsoid((62.0, -8.0, -174.0), (70.0, 88.0, 84.0 + left_rise)),
        rib_top_z=float(rng.uniform(88, 98)),
    )


def chest_wall(x: Any, y: Any, z: Any) -> Any:
    """Field of the space within the ribs."""
    front, back = wall_front(z), wall_back(z)
    return superellipse(x, y - (front + back) / 2, wall_half_width(z), (back - front) / 2, WALL_POWER)


def _apex(side: float) -> Ellipsoid:
    """The dome that ends a lung upwards."""
    return Ellipsoid((side * 53.0, 16.0, -60.0), (92.0, 112.0, APEX_Z + 60.0))


def _core(x: Any, y: Any, z: Any) -> Any:
    """Field of the mediastinum's middle, of the fat in front of it and of the spine with the muscles beside it."""
    core = superellipse(x, y - CORE_CENTER_Y, core_half_width(z), CORE_HALF_DEPTH, CORE_POWER)
    spine_zone_y = spine_y(z) + SPINE_ZONE_BEHIND_MM
    spine = superellipse(x, y - spine_zone_y, SPINE_ZONE_HALF_WIDTH, SPINE_ZONE_HALF_DEPTH, 2.0)
    pad = superellipse(x, y - wall_front(z), pad_half_width(z), PAD_DEPTH_MM, 2.0)
    return np.minimum(np.minimum(core, spine), pad)
