"""The shape of an adult chest: the space within the ribs, the mediastinum, the diaphragm and the lungs between them.

Everything is told in the template frame: mm, x to the patient's left, y to the back, z to the head, with the midline,
the middle of the chest and the carina at the origin. A patient is the template stretched, turned and warped (`Body`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .body import Body
from .lattice import Lattice, nodes
from .organs import MEDIASTINAL_ORGANS, heart_parts
from .shapes import Ellipsoid, Solid, oval, profile, smooth_union

LEFT, RIGHT = 1.0, -1.0  # sides, as signs of x
APEX_Z = 98.0  # the lung tops, a hand above the carina

# Inner chest wall: a section that widens downwards, with a flattened back.
WALL_SQUARENESS = 0.45
wall_half_width = profile([(125, 44), (98, 66), (80, 87), (50, 108), (20, 120), (-20, 128), (-80, 132), (-200, 130)])
wall_front = profile([(125, -14), (98, -30), (80, -48), (50, -65), (20, -76), (-30, -86), (-100, -89), (-200, -86)])
wall_back = profile([(125, 60), (98, 70), (60, 82), (0, 92), (-80, 94), (-200, 88)])
spine_y = profile([(140, 38), (80, 47), (0, 54), (-80, 55), (-190, 46)])  # vertebral body centres: the kyphosis
RIB_BULGE_MM = 0.9  # the pleura gives a little between the ribs

JUNCTION_HALF_MM = 2.4  # the thin septum where the lungs nearly meet behind the breastbone
PLEURA_MM = 1.2  # between an organ and the lung, besides fat
ROUNDING_MM = 5.0  # of the grooves between organs
pad_half_width = profile([(-30, 4), (-70, 10), (-100, 26), (-140, 46)])  # the fat below the heart, in front
PAD_DEPTH_MM = 50.0
# The lowest that a lung reaches: the sulcus is deep at the back and shallow in front.
SULCUS_Z, SULCUS_SLOPE = -146.0, 0.22
BOX_LOW_MM, BOX_HIGH_MM = (-165.0, -126.0, -240.0), (165.0, 126.0, 132.0)  # of the chest, LPS mm before the shift


@dataclass(frozen=True)
class Thorax:
    """One patient's chest on lattices, signed fields in mm, negative inside.

    `cage` is the space within the ribs, `middle` the mediastinum with its fat, `abdomen` what lies under the
    diaphragm, `lungs` both lungs, `side` the template's x (a lung's side is its sign), `oblique` and `horizontal` the
    heights above the major fissures and the right minor one.
    """

    body: Body
    cage: Lattice
    middle: Lattice
    abdomen: Lattice
    lungs: Lattice
    side: Lattice
    oblique: Lattice
    horizontal: Lattice


def build_thorax(body: Body) -> Thorax:
    """Put a patient's chest on lattices."""
    empty = nodes(*chest_box(body))
    tx, ty, tz = body.to_template(*empty.node_mm[::-1])
    height = empty.node_mm[0] / body.scale_xyz[2]

    def level(curve: Any) -> Any:
        return curve(height).astype(np.float32)[:, None, None]

    front, back = level(wall_front), level(wall_back)
    wall = oval(tx, ty - (front + back) / 2, level(wall_half_width), (back - front) / 2, WALL_SQUARENESS)
    wedge = _paravertebral(tx, ty, level(spine_y))
    cage = np.maximum(wall, -wedge)
    phase = (tz + 0.42 * (80.0 - ty) - body.rib_top_z) * np.float32(2 * np.pi / 21.5)
    cage += np.float32(RIB_BULGE_MM) * np.cos(phase)

    near = (slice(None), slice(None), slice(*np.searchsorted(empty.node_mm[2], (-100.0, 110.0))))
    fat = body.mediastinal_fat_mm
    solids: Sequence[Solid] = [*MEDIASTINAL_ORGANS, *heart_parts(body.heart_size)]
    organs = smooth_union(solids, tx[near], ty[near], tz[near], ROUNDING_MM) - PLEURA_MM - fat
    pad = oval(tx[near], ty[near] - front, level(pad_half_width) + fat, np.float32(PAD_DEPTH_MM), 0.0)
    middle = np.full(empty.values.shape, 60.0, dtype=np.float32)
    middle[near] = np.minimum(organs, pad)

    abdomen = smooth_union(_domes(body), tx, ty, tz, 9.0, endless_below=True)
    low = SULCUS_Z - SULCUS_SLOPE * ty - tz
    apex = Ellipsoid((53.0, 16.0, -60.0), (92.0, 112.0, APEX_Z + 60.0))
    top = apex.field(np.abs(tx), ty, np.maximum(tz, np.float32(-60.0)))
    junction = JUNCTION_HALF_MM + 0.4 * fat - np.abs(tx)
    lungs = np.maximum.reduce([cage, -middle, -abdomen, low, top, junction])
    oblique, horizontal = _fissures(tx, ty, tz)

    def lattice(values: Any) -> Lattice:
        return Lattice(empty.first_zyx, np.ascontiguousarray(values, dtype=np.float32))

    under = np.maximum(abdomen, cage - 1.0)
    return Thorax(body, *map(lattice, (cage, middle, under, lungs, tx, oblique, horizontal)))


def chest_box(body: Body) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """The box (low, high x, y, z) of the lattices, LPS mm."""
    sx, sy, sz = body.scale_xyz
    low, high = np.array(BOX_LOW_MM) * (sx, sy, sz), np.array(BOX_HIGH_MM) * (sx, sy, sz)
    return (float(low[0]), float(low[1]), float(low[2])), (float(high[0]), float(high[1]), float(high[2]))


def _paravertebral(x: Any, y: Any, spine: Any) -> Any:
    """Field of the spine with its processes, the heads of the ribs and the muscles behind: widening to the back."""
    body = oval(x, y - spine, np.float32(18.5), np.float32(15.0), 0.2)
    wedge = (np.abs(x) - 16.0 - 0.85 * np.maximum(y - spine - 3.0, 0.0)) / np.float32(1.25)
    return np.minimum(body, np.maximum(wedge, spine - y))


def _domes(body: Body) -> list[Solid]:
    """The diaphragm's two halves and its middle."""
    rise, right = body.dome_rise_mm, body.right_dome_rise_mm
    return [
        Ellipsoid((-64.0, -10.0, -172.0), (72.0, 92.0, 76.0 + rise + right)),
        Ellipsoid((64.0, -8.0, -174.0), (70.0, 90.0, 76.0 + rise)),
        Ellipsoid((0.0, -8.0, -180.0), (64.0, 74.0, 66.0 + rise)),
    ]


def _fissures(x: Any, y: Any, z: Any) -> tuple[Any, Any]:
    """Distances above the major fissure and above the right minor one, mm."""
    out = (np.abs(x) - 70.0) / 60.0
    bow = 5.0 * out * out - 4.0 * np.sin((y + 20.0) / 45.0)
    oblique = (z - (42.0 - 1.12 * (86.0 - y)) + bow) * np.float32(1 / 1.5)
    horizontal = z + 26.0 - 0.08 * y + 9.0 * out * out - 4.0 * out
    return oblique, horizontal
