"""What lies around the lungs, as layers painted one over the other: skin, fat, muscle, organs, blood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..fields import STEP_MM, Ellipsoid, Lattice, Solid, Tube, oval, profile, smooth_union, tubes
from .body import LEFT, RIGHT, Body
from .thorax import MEDIASTINUM, Thorax, heart, spine_y

SKIN_HU, FAT_HU, MEDIASTINAL_FAT_HU, MUSCLE_HU, WATER_HU, AIR_HU = 10.0, -104.0, -92.0, 52.0, 12.0, -1000.0
LIVER_HU, SPLEEN_HU, KIDNEY_HU, GLAND_HU, STOOL_HU = 56.0, 47.0, 32.0, 5.0, -20.0
SKIN_MM, CAGE_MUSCLE_MM, DIAPHRAGM_MM = 1.8, 12.5, 3.0
FINE_STEP_MM = 3.0  # of lattices of what is small or strongly curved
AROUND_CHEST_MM = 45.0  # how far the trunk reaches beyond the box of the chest

# The trunk without fat: half its width, its front and its back (template frame, arms raised).
lean_half_width = profile(
    [(150, 96), (128, 150), (108, 168), (70, 166), (20, 156), (-40, 150), (-120, 150), (-280, 142)]
)
lean_front = profile([(150, -30), (110, -52), (70, -82), (20, -100), (-60, -108), (-130, -106), (-280, -100)])
lean_back = profile([(150, 98), (110, 110), (40, 116), (-40, 116), (-120, 112), (-280, 104)])
BACK_FLAT_MM = 3.0

NECK_MUSCLES: list[Solid] = [
    tube
    for side in (RIGHT, LEFT)
    for tube in (
        *tubes([(side * 14, 30, 190), (side * 15, 34, 60)], [9, 5]),
        *tubes([(side * 28, 32, 190), (side * 34, 34, 128), (side * 44, 22, 96)], [14, 13, 8]),
        *tubes([(side * 30, -4, 190), (side * 20, -38, 112), (side * 12, -56, 66)], [11, 10, 7]),
        *tubes([(side * 9, -16, 160), (side * 9, -30, 100), (side * 8, -48, 62)], [6, 6, 4]),
    )
]
SHOULDER_BLADE = ((0.80, -0.60, 0.0), (0.60, 0.80, 0.0), (0.0, 0.0, 1.0))  # axes of the left one's muscles
_STOMACH = (54.0, -18.0, -146.0)
# What lies under the diaphragm in full inspiration, in the order of painting: HU, what each HU that contrast medium
# adds to the organs adds, how much of the right dome's rise it follows, rounding in mm, and where it is.
_ABDOMEN: list[tuple[float, float, float, float, Sequence[Ellipsoid | Tube]]] = [
    (KIDNEY_HU, 2.0, 0.0, 1.5, [
        Ellipsoid((-52.0, 50.0, -232.0), (25.0, 24.0, 46.0)), Ellipsoid((56.0, 50.0, -218.0), (25.0, 24.0, 46.0))]),
    (STOOL_HU, 0.0, 0.0, 1.5, tubes([(100, -50, -150), (70, -72, -170), (20, -76, -190), (-40, -74, -205)], 17.0)),
    (SPLEEN_HU, 1.3, 0.0, 1.5, [Ellipsoid((92.0, 38.0, -148.0), (36.0, 46.0, 46.0))]),
    (LIVER_HU, 1.0, 1.0, 6.0, [
        Ellipsoid((-64.0, -8.0, -182.0), (76.0, 96.0, 90.0)), Ellipsoid((-4.0, -42.0, -160.0), (62.0, 36.0, 42.0))]),
    (MUSCLE_HU, 0.0, 0.0, 1.5, [Ellipsoid(_STOMACH, (44.0, 50.0, 42.0))]),
    (WATER_HU, 0.0, 0.0, 1.5, [Ellipsoid(_STOMACH, (40.0, 46.0, 38.0))]),
    (AIR_HU, 0.0, 0.0, 1.5, [Ellipsoid((54.0, -40.0, -138.0), (28.0, 22.0, 22.0))]),  # gas rises to the front
]  # fmt: skip


@dataclass(frozen=True)
class Blood:
    """Hounsfield units of the blood, which contrast medium changes."""

    right_hu: float
    left_hu: float
    muscle_hu: float
    organs_hu: float  # what the liver gains; spleen and kidneys gain more


@dataclass(frozen=True)
class Layer:
    """Tissues, painted one after the other: each, (HU, growth in mm), where the field less its growth is negative."""

    field: Lattice
    coats: tuple[tuple[float, float], ...]


def build_outer(body: Body, cage: Lattice) -> tuple[Layer, ...]:
    """Skin, fat under it, the outer muscles and those between the ribs."""
    skin, shell = _trunk(body)
    layers = [Layer(skin, ((SKIN_HU, 0.0), (FAT_HU, -SKIN_MM))), Layer(shell, ((MUSCLE_HU, 0.0),))]
    if body.breast_mm:
        glands = _lattice(body, _breasts(body, 0.35 + 0.65 * body.gland_share), 3.0, skin, SKIN_MM + 4.0)
        layers.append(Layer(glands, ((GLAND_HU, 0.0),)))
    return (*layers, *build_wall(cage))


def build_wall(cage: Lattice) -> tuple[Layer, ...]:
    """What of the outside lies next to the lungs: the muscles between the ribs and the fat under them."""
    return (Layer(cage, ((MUSCLE_HU, CAGE_MUSCLE_MM), (MEDIASTINAL_FAT_HU, 0.8))),)


def body_width_mm(body: Body) -> float:
    """How wide the trunk is at its widest, about."""
    return 2 * (float(lean_half_width(50.0)) + body.muscle_mm - 10.0 + 0.95 * body.fat_mm) * body.scale_xyz[0]


def build_inner(thorax: Thorax, blood: Blood) -> tuple[Layer, ...]:
    """The organs of the chest and of the upper belly."""
    body = thorax.body
    layers = [
        Layer(_lattice(body, NECK_MUSCLES, 2.0), ((MUSCLE_HU, 0.0),)),
        Layer(thorax.abdomen, ((MUSCLE_HU, 0.0), (FAT_HU, -DIAPHRAGM_MM))),
    ]
    for hu, gain, follows, rounding_mm, solids in _ABDOMEN:
        rise = body.dome_rise_mm + follows * body.right_dome_rise_mm
        raised = [_raised(solid, rise) for solid in solids]
        lattice = _lattice(body, raised, rounding_mm, thorax.abdomen, DIAPHRAGM_MM + 1.0)
        layers.append(Layer(lattice, ((hu + gain * blood.organs_hu, 0.0),)))
    organs = {**MEDIASTINUM, **heart(body.heart_size)}
    for name, hu, rounding_mm in (
        ("oesophagus", MUSCLE_HU - 12.0, 1.5),
        ("left ventricle", blood.muscle_hu, 1.5),
        ("right heart", blood.right_hu, 3.0),
        ("great veins", blood.right_hu, 1.5),
        ("pulmonary arteries", blood.right_hu, 2.0),
        ("left heart", blood.left_hu, 2.0),
        ("pulmonary veins", blood.left_hu, 1.5),
        ("aorta", blood.left_hu, 1.5),
    ):
        layers.append(Layer(_lattice(body, organs[name], rounding_mm), ((hu, 0.0),)))
    return tuple(layers)


def _trunk(body: Body) -> tuple[Lattice, Lattice]:
    """Fields of the skin and of the outer shell of muscle."""
    room = body.fat_mm + body.breast_mm * 0.6 + 14.0
    low, high = body.chest_box
    aside = AROUND_CHEST_MM + room
    empty = Lattice.over(low - np.array([aside, room, 0.0]), high + np.array([aside, 0.5 * room, 0.0]))
    x, y, z = body.to_template(empty)
    height = body.template_z(empty)
    fat, muscle = body.fat_mm, body.muscle_mm
    belly = 0.5 * max(body.bmi - 24.0, 0.0) * np.clip((-60.0 - height) / 80.0, 0, 1).astype(np.float32)
    wide, front, back = lean_half_width(height), lean_front(height), lean_back(height)
    grown = muscle - 10.0
    lean = oval(x, y - (front + back) / 2, wide + grown, (back - front) / 2 + 0.5 * grown, 0.35)
    beside, behind = 0.95 * fat + belly, 0.5 * fat
    skin = oval(x, y - (front - fat - 1.5 * belly + back + behind) / 2, wide + grown + beside,
                (back + behind - front + fat + 1.5 * belly) / 2 + 0.5 * grown, 0.35)  # fmt: skip
    skin = np.maximum(skin, y - (lean_back(0.0) + BACK_FLAT_MM + 0.4 * fat))
    if body.breast_mm:
        breasts = smooth_union(_breasts(body, 1.0), x, y, z, 3.0)
        skin = -6.0 * np.log(np.exp(np.clip(-skin / 6, -30, 30)) + np.exp(np.clip(-breasts / 6, -30, 30)))
    # Muscle: strong at the shoulders and in front of the upper ribs, thin at the flanks, strong beside the spine.
    upper = np.clip((z + 30.0) / 70.0, 0, 1)
    thin = np.clip(1.0 - np.abs(x) / 30.0, 0, 1) * (y < 0)
    depth = 3.0 + (muscle + 6.0) * upper * (1 - thin) + 5.0 * np.clip(1 - upper, 0, 1)
    shell = np.maximum(lean, -(lean + depth))
    spine = oval(np.abs(x) - 25.0, y - spine_y(height) - 44.0, np.float32(24.0), np.float32(15.0 + 0.2 * muscle), 0.2)
    blade = Ellipsoid((96.0, 62.0, 48.0), (46.0, 17.0, 62.0), SHOULDER_BLADE)
    shoulder = Ellipsoid((128.0, 30.0, 104.0), (44.0, 46.0, 52.0))
    neck = oval(x, y - 46.0, np.float32(52.0), np.float32(50.0), 0.1) + np.maximum(92.0 - z, 0.0)
    around_blade = np.minimum(blade.field(np.abs(x), y, z), shoulder.field(np.abs(x), y, z))
    shell = np.minimum.reduce([shell, spine, np.maximum(around_blade, lean), np.maximum(neck, lean)])
    shell = np.maximum(shell, skin + SKIN_MM + 2.0)
    return empty.filled(skin), empty.filled(shell)


def _breasts(body: Body, share: float) -> list[Solid]:
    """Both breasts, or what has a share of their size within them."""
    half = body.breast_mm * share
    front = float(lean_front(-30.0)) - 0.35 * body.fat_mm
    axes = (half * 1.25, half * 0.5, half * 1.1)  # flattened by lying on the back
    return [Ellipsoid((side * 74.0, front, -38.0), axes) for side in (RIGHT, LEFT)]


def _raised(solid: Ellipsoid | Tube, by_mm: float) -> Solid:
    """An organ of the belly higher up, with the diaphragm."""
    if isinstance(solid, Ellipsoid):
        x, y, z = solid.center
        return replace(solid, center=(x, y, z + by_mm))
    (x, y, z), (end_x, end_y, end_z) = solid.start, solid.end
    return replace(solid, start=(x, y, z + by_mm), end=(end_x, end_y, end_z + by_mm))


def _lattice(
    body: Body, solids: Sequence[Solid], rounding_mm: float, within: Lattice | None = None, depth_mm: float = 0.0
) -> Lattice:
    """Solids of the template on a lattice of their own, cut to the inside of another field, `depth_mm` deep."""
    lows, highs = zip(*(solid.bounds() for solid in solids), strict=True)
    corners = np.array(np.meshgrid(*zip(np.min(lows, axis=0), np.max(highs, axis=0), strict=True))).reshape(3, -1).T
    ends = body.to_patient(corners)
    outer_low, outer_high = body.chest_box
    low = np.maximum(ends.min(axis=0) - 8.0, outer_low - AROUND_CHEST_MM)
    high = np.minimum(ends.max(axis=0) + 8.0, outer_high + AROUND_CHEST_MM)
    empty = Lattice.over(low, high, FINE_STEP_MM if within is None else STEP_MM)
    field = smooth_union(solids, *body.to_template(empty), rounding_mm)
    if within is not None:
        here, there = [], []
        for a, n, b, m in zip(empty.first_zyx, field.shape, within.first_zyx, within.values.shape, strict=True):
            first, end = max(a, b), max(a, b, min(a + n, b + m))
            here.append(slice(first - a, end - a))
            there.append(slice(first - b, end - b))
        limit = np.full(field.shape, 10.0, dtype=np.float32)
        limit[tuple(here)] = within.values[tuple(there)]
        field = np.maximum(field, limit + depth_mm)
    return empty.filled(field)
