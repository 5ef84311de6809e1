"""The shape of an adult chest: the space within the ribs, the mediastinum, the diaphragm and the lungs between them.

All numbers are of the template (see `body`), in mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..fields import UPRIGHT, Ellipsoid, Lattice, Point, Solid, Tube, oval, profile, smooth_union, tubes
from .body import Body

# Inner chest wall: a section that widens downwards, with a flattened back.
WALL_SQUARENESS = 0.45
wall_half_width = profile([(125, 44), (98, 66), (80, 87), (50, 108), (20, 120), (-20, 128), (-80, 132), (-200, 130)])
wall_front = profile([(125, -14), (98, -30), (80, -48), (50, -65), (20, -76), (-30, -86), (-100, -89), (-200, -86)])
wall_back = profile([(125, 60), (98, 70), (60, 82), (0, 92), (-80, 94), (-200, 88)])
spine_y = profile([(140, 38), (80, 47), (0, 54), (-80, 55), (-190, 46)])  # vertebral body centres: the kyphosis
RIB_BULGE_MM = 0.9  # the pleura gives a little between the ribs
RIB_STEP_MM = 21.5  # from one rib to the next below
RIB_SLOPE = 0.42  # a rib sinks this much for each mm that it runs forward
RIB_ORIGIN_Y = 80.0  # where `Body.rib_top_z` is measured

APEX_Z = 98.0  # the lung tops, a hand above the carina
JUNCTION_HALF_MM = 2.4  # the thin septum where the lungs nearly meet behind the sternum
PLEURA_MM = 1.2  # between an organ and the lung, besides fat
ROUNDING_MM = 5.0  # of the grooves between organs
pad_half_width = profile([(-30, 4), (-70, 10), (-100, 26), (-140, 46)])  # the fat below the heart, in front
PAD_DEPTH_MM = 50.0
MEDIASTINUM_X_MM = (-100.0, 110.0)  # LPS; nodes beyond are far from the mediastinum
SULCUS_Z, SULCUS_SLOPE = -146.0, 0.22  # the lowest that a lung reaches: the sulcus is deep at the back

MEDIASTINUM: dict[str, Sequence[Solid]] = {
    "fat": [
        Ellipsoid((0.0, -16.0, 20.0), (14.0, 24.0, 60.0)),
        Ellipsoid((0.0, 8.0, 110.0), (36.0, 46.0, 60.0)),
        Ellipsoid((2.0, 16.0, -16.0), (30.0, 15.0, 24.0)),
        Tube((2.0, 10.0, -76.0), (2.0, 10.0, -210.0), 18.0, 30.0),
    ],
    "trachea": [
        *tubes([(0, 4, 150), (0, 10, 60), (-1, 17, 0)], 10.5),
        *tubes([(-1, 17, 0), (-22, 20, -16), (-34, 22, -36)], [9, 9, 8]),
        *tubes([(-1, 17, 0), (22, 22, -20), (38, 25, -30)], [8.5, 8.5, 7.5]),
    ],
    "aorta": [
        *tubes([(-2, -20, -42), (-12, -26, -22), (-16, -26, 4), (-10, -17, 25)], [14, 16, 15, 14]),
        *tubes([(-10, -17, 25), (4, 4, 36), (18, 26, 29), (23, 37, 8)], [14, 13.5, 12.5, 12]),
        *tubes([(23, 37, 8), (23, 39, -20), (20, 38, -90), (7, 28, -190), (4, 24, -280)], [12, 12, 11.5, 10, 9]),
        *tubes([(-8, -12, 34), (-14, -12, 62), (-24, -8, 90), (-30, -4, 140)], [6.5, 6, 5, 4]),  # the arch's branches
        *tubes([(-20, -10, 78), (-48, -2, 98), (-95, -8, 104)], [4.5, 4.2, 4]),
        *tubes([(4, -2, 38), (12, -6, 70), (22, -4, 140)], [4.5, 4, 4]),
        *tubes([(14, 12, 36), (20, 12, 66), (40, 4, 96), (95, -6, 104)], [5, 4.8, 4.5, 4]),
    ],
    "great veins": [
        *tubes([(-26, -16, -34), (-25, -16, 10), (-21, -18, 48)], [10, 9, 8.5]),
        *tubes([(-21, -18, 48), (-26, -16, 76), (-50, -18, 100), (-110, -22, 106)], [7.5, 7, 6.5, 6]),
        *tubes([(-21, -18, 48), (0, -34, 54), (22, -30, 68), (52, -22, 98), (110, -24, 106)], [7, 6.5, 6.5, 6.5, 6]),
        *tubes([(-5, 38, -190), (-7, 36, -20), (-10, 34, 6), (-20, 16, 14), (-25, -8, 10)], [3, 4, 4, 4, 4]),  # azygos
        *tubes([(-26, -14, -72), (-26, 6, -110), (-26, 14, -190), (-22, 18, -280)], 11.0),  # inferior vena cava
    ],
    "pulmonary arteries": [
        *tubes([(14, -52, -50), (17, -36, -22), (18, -16, -4)], [13, 13.5, 13]),
        *tubes([(18, -16, -4), (-8, -2, -14), (-30, 4, -16), (-40, 8, -20)], [11, 10.5, 9.5, 7.5]),
        *tubes([(18, -16, -4), (28, 4, 2), (36, 18, -4), (39, 24, -16)], [11, 10.5, 9.5, 7.5]),
    ],
    "pulmonary veins": [
        *tubes([(-22, 8, -40), (-38, 4, -34)], [8, 5.5]),
        *tubes([(-20, 14, -48), (-36, 22, -58)], [8, 5.5]),
        *tubes([(24, 8, -36), (42, 6, -26)], [8, 5.5]),
        *tubes([(22, 16, -46), (38, 26, -56)], [8, 5.5]),
    ],
    "oesophagus": tubes([(3, 28, 140), (6, 30, 20), (8, 26, -40), (8, 22, -90), (24, 4, -128)], [6, 6, 6.5, 6.5, 7]),
}
_LONG_AXIS = ((0.741, -0.480, -0.470), (-0.544, -0.839, 0.0), (-0.394, 0.256, -0.883))  # heart: left, forward, down
_HEART: dict[str, list[tuple[Point, Point, tuple[Point, ...]]]] = {
    "right heart": [  # atrium and ventricle
        ((-28.0, -28.0, -58.0), (22.0, 28.0, 30.0), UPRIGHT),
        ((2.0, -54.0, -66.0), (40.0, 22.0, 32.0), UPRIGHT),
        ((14.0, -56.0, -48.0), (18.0, 18.0, 20.0), UPRIGHT),
    ],
    "left heart": [  # atrium, and the cavity of the ventricle
        ((4.0, 6.0, -42.0), (30.0, 19.0, 20.0), UPRIGHT),
        ((34.0, -30.0, -64.0), (38.0, 19.0, 20.0), _LONG_AXIS),
    ],
    "left ventricle": [((34.0, -30.0, -64.0), (50.0, 30.0, 31.0), _LONG_AXIS)],  # its muscle, with the cavity
}


@dataclass(frozen=True)
class Thorax:
    """One patient's chest on lattices, signed fields in mm, negative inside.

    `cage` is the space within the ribs, `abdomen` what lies under the diaphragm, `lungs` both lungs, `side` the
    template's x (a lung's side is its sign), `oblique` and `horizontal` the heights above the major fissures and the
    right minor one.
    """

    body: Body
    cage: Lattice
    abdomen: Lattice
    lungs: Lattice
    side: Lattice
    oblique: Lattice
    horizontal: Lattice


def heart(size: float) -> dict[str, list[Solid]]:
    """The parts of a heart of `size` times the template's."""
    return {
        name: [Ellipsoid(center, (a * size, b * size, c * size), axes) for center, (a, b, c), axes in parts]
        for name, parts in _HEART.items()
    }


def build_thorax(body: Body) -> Thorax:
    """Put a patient's chest on lattices."""
    empty = Lattice.over(*body.chest_box)
    tx, ty, tz = body.to_template(empty)
    height = body.template_z(empty)
    front, back = wall_front(height), wall_back(height)
    wall = oval(tx, ty - (front + back) / 2, wall_half_width(height), (back - front) / 2, WALL_SQUARENESS)
    cage = np.maximum(wall, -_paravertebral(tx, ty, spine_y(height)))
    phase = (tz + RIB_SLOPE * (RIB_ORIGIN_Y - ty) - body.rib_top_z) * np.float32(2 * np.pi / RIB_STEP_MM)
    cage += np.float32(RIB_BULGE_MM) * np.cos(phase)

    near = (slice(None), slice(None), slice(*np.searchsorted(empty.node_mm[2], MEDIASTINUM_X_MM)))
    fat = body.mediastinal_fat_mm
    solids = [solid for organs in (MEDIASTINUM, heart(body.heart_size)) for part in organs.values() for solid in part]
    organs = smooth_union(solids, tx[near], ty[near], tz[near], ROUNDING_MM) - PLEURA_MM - fat
    pad = oval(tx[near], ty[near] - front, pad_half_width(height) + fat, np.float32(PAD_DEPTH_MM), 0.0)
    middle = np.full(tx.shape, 60.0, dtype=np.float32)
    middle[near] = np.minimum(organs, pad)

    rise, right = body.dome_rise_mm, body.right_dome_rise_mm
    domes = [  # the diaphragm's two halves and its middle
        Ellipsoid((-64.0, -10.0, -172.0), (72.0, 92.0, 76.0 + rise + right)),
        Ellipsoid((64.0, -8.0, -174.0), (70.0, 90.0, 76.0 + rise)),
        Ellipsoid((0.0, -8.0, -180.0), (64.0, 74.0, 66.0 + rise)),
    ]
    abdomen = smooth_union(domes, tx, ty, tz, 9.0, endless_below=True)
    low = SULCUS_Z - SULCUS_SLOPE * ty - tz
    apex = Ellipsoid((53.0, 16.0, -60.0), (92.0, 112.0, APEX_Z + 60.0))
    top = apex.field(np.abs(tx), ty, np.maximum(tz, np.float32(-60.0)))
    junction = JUNCTION_HALF_MM + 0.4 * fat - np.abs(tx)
    lungs = np.maximum.reduce([cage, -middle, -abdomen, low, top, junction])
    under = np.maximum(abdomen, cage - 1.0)
    return Thorax(body, *map(empty.filled, (cage, under, lungs, tx, *_fissures(tx, ty, tz))))


def _paravertebral(x: Any, y: Any, spine: Any) -> Any:
    """Field of the spine with its processes, the heads of the ribs and the muscles behind: widening to the back."""
    body = oval(x, y - spine, np.float32(18.5), np.float32(15.0), 0.2)
    wedge = (np.abs(x) - 16.0 - 0.85 * np.maximum(y - spine - 3.0, 0.0)) / np.float32(1.25)
    return np.minimum(body, np.maximum(wedge, spine - y))


def _fissures(x: Any, y: Any, z: Any) -> tuple[Any, Any]:
    """Distances above the major fissure and above the right minor one, mm."""
    out = (np.abs(x) - 70.0) / 60.0
    bow = 5.0 * out * out - 4.0 * np.sin((y + 20.0) / 45.0)
    oblique = (z - (42.0 - 1.12 * (86.0 - y)) + bow) * np.float32(1 / 1.5)
    horizontal = z + 26.0 - 0.08 * y + 9.0 * out * out - 4.0 * out
    return oblique, horizontal
