"""What lies around the lungs, as layers painted one over the other: skin, fat, muscle, organs, blood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..lattice import FINE_STEP_MM, STEP_MM, Lattice, nodes
from ..shapes import Ellipsoid, Solid, Tube, oval, profile, smooth_union
from . import organs
from .thorax import Body, Thorax, chest_box, spine_y

SKIN_HU, FAT_HU, MEDIASTINAL_FAT_HU, MUSCLE_HU, WATER_HU, AIR_HU = 10.0, -104.0, -92.0, 52.0, 12.0, -1000.0
LIVER_HU, SPLEEN_HU, KIDNEY_HU, GLAND_HU, STOOL_HU = 56.0, 47.0, 32.0, 5.0, -20.0
SKIN_MM, CAGE_MUSCLE_MM, DIAPHRAGM_MM = 1.8, 12.5, 3.0

# The trunk without fat: half its width, its front and its back (template frame, arms raised).
lean_half_width = profile(
    [(150, 96), (128, 150), (108, 168), (70, 166), (20, 156), (-40, 150), (-120, 150), (-280, 142)]
)
lean_front = profile([(150, -30), (110, -52), (70, -82), (20, -100), (-60, -108), (-130, -106), (-280, -100)])
lean_back = profile([(150, 98), (110, 110), (40, 116), (-40, 116), (-120, 112), (-280, 104)])
BACK_FLAT_MM = 3.0


@dataclass(frozen=True)
class Blood:
    """Hounsfield units of the blood, which contrast medium changes."""

    right_hu: float
    left_hu: float
    muscle_hu: float
    organs_hu: float  # what the liver, spleen and kidneys gain


@dataclass(frozen=True)
class Layer:
    """Tissues, painted one after the other: each, (HU, growth in mm), where the field less its growth is negative."""

    field: Lattice
    coats: tuple[tuple[float, float], ...]

    @staticmethod
    def of(field: Lattice, *coats: tuple[float, float] | float) -> Layer:
        """Coats that do not grow may be told by their HU alone."""
        return Layer(field, tuple(c if isinstance(c, tuple) else (c, 0.0) for c in coats))

    @property
    def reach_mm(self) -> float:
        """The greatest growth."""
        return max(grow for _, grow in self.coats)


def build_outer(body: Body, cage: Lattice) -> tuple[Layer, ...]:
    """Skin, fat under it, the outer muscles and those between the ribs."""
    skin, shell = _trunk(body)
    layers = [Layer.of(skin, SKIN_HU, (FAT_HU, -SKIN_MM)), Layer.of(shell, MUSCLE_HU)]
    if body.breast_mm:
        layers.append(Layer.of(_lattice(body, _breasts(body, body.gland_share), 3.0, -SKIN_MM - 4.0, skin), GLAND_HU))
    return (*layers, *build_wall(cage))


def build_wall(cage: Lattice) -> tuple[Layer, ...]:
    """What of the outside lies next to the lungs: the muscles between the ribs and the fat under them."""
    return (Layer.of(cage, (MUSCLE_HU, CAGE_MUSCLE_MM), (MEDIASTINAL_FAT_HU, 0.8)),)


def body_width_mm(body: Body) -> float:
    """How wide the trunk is at its widest, about."""
    return 2 * (float(lean_half_width(50.0)) + body.muscle_mm - 10.0 + 0.95 * body.fat_mm) * body.scale_xyz[0]


def build_inner(thorax: Thorax, blood: Blood) -> tuple[Layer, ...]:
    """The organs of the chest and of the upper belly."""
    body, size = thorax.body, thorax.body.heart_size
    gain = blood.organs_hu

    def layer(solids: Sequence[Solid], hu: float, rounding_mm: float = 1.5, within: Lattice | None = None) -> Layer:
        return Layer.of(_lattice(body, solids, rounding_mm, -DIAPHRAGM_MM - 1.0, within), hu)

    rise = body.dome_rise_mm
    belly = [_raised(group, rise + extra) for group, extra in (
        (organs.LIVER, body.right_dome_rise_mm), (organs.SPLEEN, 0.0), (organs.STOMACH, 0.0),
        (organs.STOMACH_FILL, 0.0), (organs.STOMACH_GAS, 0.0), (organs.COLON, 0.0), (organs.KIDNEYS, 0.0),
    )]  # fmt: skip
    liver, spleen, stomach, fill, gas, colon, kidneys = belly
    under = thorax.abdomen
    neck = _lattice(body, organs.NECK_MUSCLES, 2.0, 0.0, None)
    return (
        Layer.of(neck, MUSCLE_HU),
        Layer.of(under, MUSCLE_HU, (FAT_HU, -DIAPHRAGM_MM)),
        layer(kidneys, KIDNEY_HU + 2.0 * gain, 1.5, under),
        layer(colon, STOOL_HU, 1.5, under),
        layer(spleen, SPLEEN_HU + 1.3 * gain, 1.5, under),
        layer(liver, LIVER_HU + gain, 6.0, under),
        layer(stomach, MUSCLE_HU, 1.5, under),
        layer(fill, WATER_HU, 1.5, under),
        layer(gas, AIR_HU, 1.5, under),
        layer(organs.GULLET, MUSCLE_HU - 12.0),
        layer(organs.left_ventricle(size), blood.muscle_hu),
        layer(organs.right_heart(size), blood.right_hu, 3.0),
        layer([*organs.VEINS_ABOVE, *organs.INFERIOR_CAVA], blood.right_hu),
        layer(organs.PULMONARY_ARTERIES, blood.right_hu, 2.0),
        layer(organs.left_heart(size), blood.left_hu, 2.0),
        layer(organs.PULMONARY_VEINS, blood.left_hu),
        layer([*organs.ASCENDING_AORTA, *organs.DESCENDING_AORTA, *organs.ARCH_BRANCHES], blood.left_hu),
    )


def _trunk(body: Body) -> tuple[Lattice, Lattice]:
    """Fields of the skin and of the outer shell of muscle."""
    (low_x, low_y, low_z), (high_x, high_y, high_z) = chest_box(body)
    room = body.fat_mm + body.breast_mm * 0.6 + 14.0
    empty = nodes((low_x - 45.0 - room, low_y - room, low_z), (high_x + 45.0 + room, high_y + 0.5 * room, high_z))
    x, y, z = body.to_template(*empty.node_mm[::-1])
    height = empty.node_mm[0] / body.scale_xyz[2]

    def level(curve: Any) -> Any:
        return curve(height).astype(np.float32)[:, None, None]

    fat, muscle = body.fat_mm, body.muscle_mm
    belly = 0.5 * max(body.bmi - 24.0, 0.0) * np.clip((-60.0 - height) / 80.0, 0, 1).astype(np.float32)[:, None, None]
    wide, front, back = level(lean_half_width), level(lean_front), level(lean_back)
    grown = muscle - 10.0
    lean = oval(x, y - (front + back) / 2, wide + grown, (back - front) / 2 + 0.5 * grown, 0.35)
    around = (0.95 * fat + belly, 0.5 * fat)
    skin = oval(x, y - (front - fat - 1.5 * belly + back + around[1]) / 2, wide + grown + around[0],
                (back + around[1] - front + fat + 1.5 * belly) / 2 + 0.5 * grown, 0.35)  # fmt: skip
    skin = np.maximum(skin, y - (lean_back(0.0) + BACK_FLAT_MM + 0.4 * fat))
    if body.breast_mm:
        breasts = smooth_union(_breasts(body, 1.0), x, y, z, 3.0)
        skin = -6.0 * np.log(np.exp(np.clip(-skin / 6, -30, 30)) + np.exp(np.clip(-breasts / 6, -30, 30)))
    # Muscle: strong at the shoulders and in front of the upper ribs, thin at the flanks, strong beside the spine.
    upper = np.clip((z + 30.0) / 70.0, 0, 1)
    thin = np.clip(1.0 - np.abs(x) / 30.0, 0, 1) * (y < 0)
    depth = 3.0 + (muscle + 6.0) * upper * (1 - thin) + 5.0 * np.clip(1 - upper, 0, 1)
    shell = np.maximum(lean, -(lean + depth))
    spine = spine_y(height).astype(np.float32)[:, None, None]
    beside = oval(np.abs(x) - 25.0, y - spine - 44.0, np.float32(24.0), np.float32(15.0 + 0.2 * muscle), 0.2)
    blade = Ellipsoid((96.0, 62.0, 48.0), (46.0, 17.0, 62.0), ((0.80, -0.60, 0.0), (0.60, 0.80, 0.0), (0.0, 0.0, 1.0)))
    shoulder = Ellipsoid((128.0, 30.0, 104.0), (44.0, 46.0, 52.0))
    neck = oval(x, y - 46.0, np.float32(52.0), np.float32(50.0), 0.1) + np.maximum(92.0 - z, 0.0)
    around_blade = np.minimum(blade.field(np.abs(x), y, z), shoulder.field(np.abs(x), y, z))
    shell = np.minimum.reduce([shell, beside, np.maximum(around_blade, lean), np.maximum(neck, lean)])
    shell = np.maximum(shell, skin + SKIN_MM + 2.0)
    return Lattice(empty.first_zyx, skin), Lattice(empty.first_zyx, shell.astype(np.float32))


def _breasts(body: Body, share: float) -> list[Solid]:
    half = body.breast_mm * (0.35 + 0.65 * share if share < 1 else 1.0)
    front = float(lean_front(-30.0)) - 0.35 * body.fat_mm
    axes = (half * 1.25, half * 0.5, half * 1.1)  # flattened by lying on the back
    return [Ellipsoid((side * 74.0, front, -38.0), axes) for side in (-1, 1)]


def _raised(solids: Sequence[Solid], by_mm: float) -> list[Solid]:
    """The organs of the belly follow the diaphragm."""
    raised: list[Solid] = []
    for solid in solids:
        if isinstance(solid, Ellipsoid):
            x, y, z = solid.center
            raised.append(Ellipsoid((x, y, z + by_mm), solid.half_axes, solid.axes))
        elif isinstance(solid, Tube):
            ends = [(p[0], p[1], p[2] + by_mm) for p in (solid.start, solid.end)]
            raised.append(Tube(ends[0], ends[1], solid.start_radius, solid.end_radius))
    return raised


def _lattice(
    body: Body, solids: Sequence[Solid], rounding_mm: float, inset_mm: float, within: Lattice | None
) -> Lattice:
    """Solids of the template on a lattice of their own, cut to the inside of another field, `inset_mm` deep."""
    lows, highs = zip(*(solid.bounds() for solid in solids), strict=True)
    corners = np.array(np.meshgrid(*zip(np.min(lows, axis=0), np.max(highs, axis=0), strict=True))).reshape(3, -1).T
    ends = body.to_patient(corners)
    outer_low, outer_high = chest_box(body)
    low = np.maximum(ends.min(axis=0) - 8.0, np.array(outer_low) - 45.0)
    high = np.minimum(ends.max(axis=0) + 8.0, np.array(outer_high) + 45.0)
    empty = nodes(tuple(low.tolist()), tuple(high.tolist()), FINE_STEP_MM if within is None else STEP_MM)
    field = smooth_union(solids, *body.to_template(*empty.node_mm[::-1]), rounding_mm)
    if within is not None:
        box, inner = _overlap(empty, within)
        limit = np.full(field.shape, 10.0, dtype=np.float32)
        limit[box] = within.values[inner]
        field = np.maximum(field, limit - inset_mm)
    return Lattice(empty.first_zyx, field, empty.step_mm)


def _overlap(one: Lattice, other: Lattice) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """The nodes that two lattices share, as boxes of either."""
    boxes: tuple[list[slice], list[slice]] = ([], [])
    for a, n, b, m in zip(one.first_zyx, one.values.shape, other.first_zyx, other.values.shape, strict=True):
        low, high = max(a, b), max(max(a, b), min(a + n, b + m))
        boxes[0].append(slice(low - a, high - a))
        boxes[1].append(slice(low - b, high - b))
    return tuple(boxes[0]), tuple(boxes[1])
