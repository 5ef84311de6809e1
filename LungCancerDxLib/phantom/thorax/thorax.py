"""The shape of an adult chest: the space within the ribs, the mediastinum, the diaphragm and the lungs between them.

Everything is told in the template frame: mm, x to the patient's left, y to the back, z to the head, with the midline,
the middle of the chest and the carina at the origin. A patient is the template stretched, turned and warped (`Body`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..lattice import Lattice, nodes
from ..shapes import Ellipsoid, Point, Solid, oval, profile, smooth_union
from .organs import MEDIASTINAL_ORGANS, heart_parts

WAVES = 5  # of the smooth warp that makes every patient a little irregular
WARP_MM = 1.6  # each wave's amplitude


@dataclass(frozen=True)
class Body:
    """A patient's build.

    Parameters
    ----------
    scale_xyz
        Patient mm per template mm along x, y, z.
    fat_mm, muscle_mm
        Thickness under the skin of the front, and of the outer layer of muscle.
    breast_mm, gland_share
        Half-width of a breast (0 for none) and how much of it is gland.
    mediastinal_fat_mm
        Between the organs of the mediastinum and the pleura.
    dome_rise_mm, right_dome_rise_mm
        How much higher than in full inspiration the diaphragm stands, and its right half above the left.
    heart_size
        As a share of the template's.
    turn_degrees, shift_mm
        How the patient lies: turned about the long axis, and off the middle of the field (x, y).
    waves
        (WAVES, 7) of the warp: direction (x, y, z) and amplitude (x, y, z) in mm, and phase.
    """

    female: bool
    bmi: float
    scale_xyz: Point
    fat_mm: float
    muscle_mm: float
    breast_mm: float
    gland_share: float
    mediastinal_fat_mm: float
    dome_rise_mm: float
    right_dome_rise_mm: float
    heart_size: float
    rib_top_z: float
    turn_degrees: float
    shift_mm: tuple[float, float]
    waves: tuple[tuple[float, ...], ...]

    def record(self) -> dict[str, Any]:
        """Everything drawn, for JSON."""
        return asdict(self)

    def to_template(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The template coordinates x, y, z (each (K, J, I) float32) of a grid of z (K,), y (J,), x (I,) in LPS mm.

        Turned, stretched and warped; sin(a + b) = sin a cos b + cos a sin b makes of the waves a product of matrices.
        """
        angle = np.radians(self.turn_degrees)
        cos, sin = float(np.cos(angle)), float(np.sin(angle))
        across, back = x.astype(np.float32)[None, :], y.astype(np.float32)[:, None]
        tx, ty = (cos * across + sin * back) / self.scale_xyz[0], (cos * back - sin * across) / self.scale_xyz[1]
        tz = (z / self.scale_xyz[2]).astype(np.float32)
        waves = np.array(self.waves, dtype=np.float32)
        within = np.stack([kx * tx + ky * ty for kx, ky in waves[:, :2]]).reshape(len(waves), -1)
        along = tz[:, None] * waves[:, 2] + waves[:, 6]
        rows, columns = np.hstack([np.sin(along), np.cos(along)]), np.vstack([np.cos(within), np.sin(within)])
        warped = []
        for axis, straight in enumerate((tx, ty, tz[:, None, None])):
            displaced = (rows * np.tile(waves[:, 3 + axis], 2)) @ columns
            warped.append(displaced.reshape(len(tz), *tx.shape) + straight)
        return warped[0], warped[1], warped[2]

    def near(self, x: Any, y: Any, z: float, middle: tuple[float, float]) -> tuple[Any, Any, float]:
        """`to_template` in one slice, exact at `middle` (x, y of the template) and without other warp around it."""
        angle = np.float32(np.radians(self.turn_degrees))
        cos, sin = np.cos(angle), np.sin(angle)
        height = z / self.scale_xyz[2]
        dx, dy, dz = self.warp(np.float32(middle[0]), np.float32(middle[1]), np.float32(height))
        tx = (cos * x + sin * y) / np.float32(self.scale_xyz[0]) + dx
        return tx, (cos * y - sin * x) / np.float32(self.scale_xyz[1]) + dy, float(height + dz)

    def turned(self, x: float, y: float) -> tuple[float, float]:
        """A point of the template (x, y) in LPS mm, warp apart."""
        angle = np.radians(self.turn_degrees)
        cos, sin = float(np.cos(angle)), float(np.sin(angle))
        x, y = x * self.scale_xyz[0], y * self.scale_xyz[1]
        return cos * x - sin * y, cos * y + sin * x

    def to_patient(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) of the template frame to LPS mm: the inverse of `to_template`, good to a tenth of a mm."""
        target = np.asarray(points, dtype=float)
        found = target.copy()
        for _ in range(4):
            found = target - np.stack(self.warp(*found.T), axis=1)
        found = found * self.scale_xyz
        angle = np.radians(self.turn_degrees)
        cos, sin = np.cos(angle), np.sin(angle)
        x, y, z = found.T
        return np.stack([cos * x - sin * y, cos * y + sin * x, z], axis=1)

    def warp(self, x: Any, y: Any, z: Any) -> tuple[Any, Any, Any]:
        """Displacement of points of the template frame, mm."""
        total: list[Any] = [0.0, 0.0, 0.0]
        for wave in self.waves:
            kx, ky, kz, *amplitude, phase = (np.float32(value) for value in wave)
            swing = np.sin(kx * x + ky * y + kz * z + phase)
            total = [t + a * swing for t, a in zip(total, amplitude, strict=True)]
        return total[0], total[1], total[2]


def draw_body(rng: np.random.Generator) -> Body:
    """An adult: slim to obese, with small or large lungs."""
    female = bool(rng.random() < 0.5)
    bmi = float(np.clip(rng.gamma(9.0, 1.35) + 15.0, 17.5, 38.0))
    size = rng.normal(0.975 if female else 1.035, 0.025)
    scale = size * rng.normal([1.0, 1.05, 1.0], [0.025, 0.04, 0.04])
    low, high = [0.90, 0.93, 0.88], [1.10, 1.18, 1.13]
    x, y, z = np.clip(scale, low, high).tolist()
    directions = rng.normal(0.0, 1.0, (WAVES, 3)) * (2 * np.pi / 230.0)
    amplitudes = rng.normal(0.0, WARP_MM, (WAVES, 3))
    phases = rng.uniform(0, 2 * np.pi, (WAVES, 1))
    breast = float(rng.uniform(30, 54)) if female else 0.0
    return Body(
        female=female,
        bmi=bmi,
        scale_xyz=(x, y, z),
        fat_mm=float(np.clip(3.0 + 0.95 * (bmi - 18.0) * (1.15 if female else 0.9) + rng.normal(0, 1.5), 3, 34)),
        muscle_mm=float(rng.uniform(5, 10) if female else rng.uniform(8, 16)),
        breast_mm=breast * float(np.clip(bmi / 27, 0.8, 1.25)),
        gland_share=float(rng.uniform(0.15, 0.6)),
        mediastinal_fat_mm=float(np.clip(0.22 * (bmi - 17) + rng.normal(0.8, 0.4), 0.8, 6.0)),
        dome_rise_mm=float(np.clip(rng.normal(4, 9), -10, 26)),
        right_dome_rise_mm=float(rng.uniform(2, 16)),
        heart_size=float(np.clip(rng.normal(1.0, 0.06), 0.88, 1.15)),
        rib_top_z=float(rng.uniform(88, 98)),
        turn_degrees=float(np.clip(rng.normal(0, 2.2), -5, 5)),
        shift_mm=(float(rng.normal(0, 4)), float(rng.normal(0, 6))),
        waves=tuple(tuple(row) for row in np.hstack([directions, amplitudes, phases]).tolist()),
    )


LEFT, RIGHT = 1.0, -1.0  # sides, as signs of x
APEX_Z = 98.0  # the lung tops, a hand above the carina

# Inner chest wall: a section that widens downwards, with a flattened back.
WALL_SQUARENESS = 0.45
wall_half_width = profile([(125, 44), (98, 66), (80, 87), (50, 108), (20, 120), (-20, 128), (-80, 132), (-200, 130)])
wall_front = profile([(125, -14), (98, -30), (80, -48), (50, -65), (20, -76), (-30, -86), (-100, -89), (-200, -86)])
wall_back = profile([(125, 60), (98, 70), (60, 82), (0, 92), (-80, 94), (-200, 88)])
spine_y = profile([(140, 38), (80, 47), (0, 54), (-80, 55), (-190, 46)])  # vertebral body centres: the kyphosis
RIB_BULGE_MM = 0.9  # the pleura gives a little between the ribs

JUNCTION_HALF_MM = 2.4  # the thin septum where the lungs nearly meet behind the sternum
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
