"""A patient's anatomy put on a grid, slice by slice: tissues, lungs, bones, then what lies in the lungs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from ... import names
from ...runtime.progress import in_threads
from ..canvas import Canvas, blend, joined, paint_strands
from ..fields import Ellipsoid, Point, Reader, Solid, as_point, oval, profile, tubes
from ..nodules.nodule import SyntheticNodule, paint_nodules
from .anatomy import Anatomy
from .body import LEFT, RIGHT, Body
from .soft_tissue import CAGE_MUSCLE_MM, MUSCLE_HU, Blood, Layer
from .thorax import RIB_ORIGIN_Y, RIB_SLOPE, RIB_STEP_MM, spine_y, wall_front
from .trees import TRACHEA, chain_of_tubes

LUNG_LABELS = {LEFT: names.LEFT, RIGHT: names.RIGHT}
WALL_HU, LUMEN_HU, HOLE_HU, SCAR_HU = 10.0, -995.0, -965.0, 15.0
TRACHEA_WALL_MM = 1.4
WALL_MM, WALL_SHARE = 0.45, 0.10  # a bronchus' wall is WALL_MM and a share of the lumen's radius
TABLE_BEND_MM, TABLE_HALF_THICKNESS_MM, TABLE_HU = 900.0, 1.5, -150.0  # a shallow carbon trough
FINEST_PX = 0.22  # vessels of a smaller radius than this share of a pixel are left out
_FISSURE_NEAR_MM = 3.0  # from the horizontal fissure to a slice that may show it
_SPINE_MM, _STERNUM_MM = ((0.0, 84.0), (42.0, 58.0)), ((0.0, -85.0), (36.0, 26.0))  # windows: middle, half size

CORTEX_HU, MARROW_HU, CARTILAGE_HU, DISC_HU, PLATE_HU = 620.0, 190.0, 105.0, 85.0, 420.0
CANAL_HU, CORD_HU = -20.0, 32.0
CORTEX_MM = 1.3
RIBS = 12
RIB_HALF_THICKNESS_MM, RIB_HALF_HEIGHT_MM, FIRST_RIB_HALF_HEIGHT_MM = 3.8, 6.3, 4.6
RIB_OFFSET_MM = 5.4  # from the inner chest wall to the middle of the rib
RIB_HEAD_X = 19.0  # ribs begin beside the vertebrae
CARTILAGE_LENGTH_MM = 28.0  # in front, ribs are cartilage from here on
FLOATING_RIB_END_Y = 5.0  # the last two pairs end free in the flank
VERTEBRA_STEP_MM, DISC_MM, PLATE_MM = 23.0, 4.5, 1.5
vertebra_half_width = profile([(140, 12), (60, 14), (-60, 16.5), (-200, 20)])
vertebra_half_depth = profile([(140, 9), (60, 12), (-60, 14), (-200, 16)])
CANAL_RADIUS_MM, CORD_RADIUS_MM, ARCH_MM = 8.0, 6.0, 4.0
STERNUM_Z, STERNUM_HALF_DEPTH = (-82.0, 54.0), 5.0
sternum_half_width = profile([(54, 30), (30, 24), (18, 14), (-30, 17), (-60, 17), (-82, 8)])


def paint_patient(
    canvas: Canvas,
    anatomy: Anatomy,
    layers: Sequence[Layer],
    blood: Blood,
    nodules: Sequence[SyntheticNodule],
    table_y: float | None = None,
) -> None:
    """Paint everything into a canvas full of air; `table_y` is where the table lies, LPS mm, None for none."""
    reader = Reader(canvas.y, canvas.x)

    def paint(k: int) -> None:
        z, hu, edge = float(canvas.z[k]), canvas.hu[k], canvas.edge_mm
        if table_y is not None:
            away = np.abs(canvas.y[:, None] - np.float32(table_y) + canvas.x**2 / TABLE_BEND_MM)
            blend(hu, away - TABLE_HALF_THICKNESS_MM, TABLE_HU, edge)
        for layer in layers:
            box = reader.window(layer.field, z, max(grow for _, grow in layer.coats) + edge / 2)
            if box is not None:
                field = reader.read(layer.field, z, box)
                for value, grow in layer.coats:
                    blend(hu[box], field - np.float32(grow) if grow else field, np.float32(value), edge)
        _paint_lungs(hu, reader, anatomy, z, edge)
        _paint_bones(hu, reader, anatomy, z, edge)

    for _ in in_threads(paint, range(len(canvas.z))):
        pass
    for bone in _shoulder_girdle(anatomy.thorax.body):
        canvas.paint(bone, CORTEX_HU, brighten=True)
        canvas.paint(bone, MARROW_HU, grow_mm=-CORTEX_MM)
    _paint_lung_contents(canvas, anatomy, blood)
    paint_nodules(canvas, nodules)


def lung_labels(anatomy: Anatomy, reader: Reader, z: float, depth_mm: float = 0.0) -> np.ndarray:
    """uint8 (J, I): 1 left lung, 2 right lung in the slice at height z, from `depth_mm` below the pleura on."""
    labels = np.zeros((len(reader.y), len(reader.x)), dtype=np.uint8)
    thorax = anatomy.thorax
    box = reader.window(thorax.lungs, z, -depth_mm)
    if box is not None:
        inside = reader.read(thorax.lungs, z, box) < -depth_mm
        side = reader.read(thorax.side, z, box)
        for sign in anatomy.trees:
            labels[box][inside & ((side > 0) == (sign == LEFT))] = LUNG_LABELS[sign]
    return labels


def _paint_lungs(hu: np.ndarray, reader: Reader, anatomy: Anatomy, z: float, edge: float) -> None:
    """The lung tissue with its fissures; soft tissue where a lung is absent."""
    thorax, tissue = anatomy.thorax, anatomy.parenchyma
    box = reader.window(thorax.lungs, z, edge / 2)
    if box is None:
        return
    field = reader.read(thorax.lungs, z, box)
    y, x = reader.y[box[0]], reader.x[box[1]]
    lung = tissue.slice_hu(x, y, z, field)
    oblique, side = reader.read(thorax.oblique, z, box), reader.read(thorax.side, z, box)
    tissue.add_fissure(lung, oblique, x, y, edge)
    level = thorax.horizontal.plane(z)
    if level.min() < _FISSURE_NEAR_MM and level.max() > -_FISSURE_NEAR_MM:
        horizontal = reader.read(thorax.horizontal, z, box)
        tissue.add_fissure(lung, horizontal, x, y, edge, (side < 0) & (oblique > 0))
    for absent in anatomy.absent_sides:
        lung[side * absent > 0] = MUSCLE_HU
    blend(hu[box], field, lung, edge)


def _paint_bones(hu: np.ndarray, reader: Reader, anatomy: Anatomy, z: float, edge: float) -> None:
    body, cage = anatomy.thorax.body, anatomy.thorax.cage
    box = reader.window(cage, z, CAGE_MUSCLE_MM)
    if box is not None:
        patch = hu[box]
        field = reader.read(cage, z, box)
        near = np.abs(field - np.float32(RIB_OFFSET_MM)) < RIB_HALF_THICKNESS_MM + edge
        row, column = np.divmod(np.flatnonzero(near), field.shape[1])
        tx, ty, tz = body.near(reader.x[box[1]][column], reader.y[box[0]][row], z, (0.0, 0.0))
        ribs = patch[row, column]
        _paint_ribs(ribs, field[row, column], tx, ty, tz, body.rib_top_z, edge)
        patch[row, column] = ribs
    for (middle, (half_x, half_y)), paint in ((_SPINE_MM, _paint_spine), (_STERNUM_MM, _paint_sternum)):
        cx, cy = body.turned(*middle)
        rows = slice(*np.searchsorted(reader.y, (cy - half_y, cy + half_y)).tolist())
        columns = slice(*np.searchsorted(reader.x, (cx - half_x, cx + half_x)).tolist())
        patch = hu[rows, columns]
        if patch.size:
            tx, ty, tz = body.near(reader.x[columns][None, :], reader.y[rows][:, None], z, middle)
            paint(patch, tx, ty, tz, edge)


def _paint_ribs(
    hu: np.ndarray, cage: np.ndarray, x: np.ndarray, y: np.ndarray, z: float, rib_top_z: float, edge_mm: float
) -> None:
    """All ribs in pixels (N,) of a slice: hoops outside the chest wall, by the height of their heads.

    `cage` is the field of the space within the ribs; x, y (N,) and z are template coordinates.
    """
    head_z = z + np.float32(RIB_SLOPE) * (RIB_ORIGIN_Y - y)
    number = np.clip(np.round((rib_top_z - head_z) / RIB_STEP_MM), 0, RIBS - 1)
    above = head_z - (rib_top_z - number * RIB_STEP_MM)
    half_height = np.where(number == 0, FIRST_RIB_HALF_HEIGHT_MM, RIB_HALF_HEIGHT_MM).astype(np.float32)
    reach = np.sqrt(((cage - RIB_OFFSET_MM) / RIB_HALF_THICKNESS_MM) ** 2 + (above / half_height) ** 2)
    field = (reach - 1) * RIB_HALF_THICKNESS_MM
    away = ((number >= RIBS - 2) & (y < FLOATING_RIB_END_Y)) | ((np.abs(x) < RIB_HEAD_X) & (y > 0))
    away |= (y < 0) & (np.abs(x) < 12.0)
    field[away] = 1e3
    end = wall_front(z) + CARTILAGE_LENGTH_MM + np.float32(1.6) * np.maximum(number - 6, 0) ** 2
    cartilage = y < end
    blend(hu, field, np.where(cartilage, CARTILAGE_HU, CORTEX_HU).astype(np.float32), edge_mm)
    field[cartilage] = 1e3
    blend(hu, field + CORTEX_MM, MARROW_HU, edge_mm)


def _paint_spine(hu: np.ndarray, x: Any, y: Any, z: float, edge_mm: float) -> None:
    """The vertebra or disc in the slice at height z, with canal, arch and processes (template coordinates)."""
    phase = z % VERTEBRA_STEP_MM / VERTEBRA_STEP_MM
    body_y, half_depth = spine_y(z), vertebra_half_depth(z)
    canal_y = body_y + half_depth + CANAL_RADIUS_MM - 1.0
    arch = oval(x, y - canal_y, CANAL_RADIUS_MM + ARCH_MM, CANAL_RADIUS_MM + ARCH_MM, 0.0)
    if phase < 0.42:  # the gap between two arches is closed by a ligament
        arch = np.maximum(arch, canal_y + 3.0 - y)
    if phase > 0.5:  # the transverse processes run outwards and backwards: clear of the lungs
        along = (np.abs(x) - 19.0) * 0.80 + (y - canal_y - 8.0) * 0.60
        across = (y - canal_y - 8.0) * 0.80 - (np.abs(x) - 19.0) * 0.60
        lift = 8.0 * (phase - 0.72)
        arch = np.minimum(arch, oval(along, across, 13.0, max(4.2 - 0.5 * abs(lift), 0.5), 0.3))
    arch = np.minimum(arch, oval(x, y - canal_y - 22, 2.6 + 1.2 * phase, 15.0, 0.2))  # the spinous process
    _paint_bone(hu, arch, edge_mm)
    waist = 1.6 * float(np.sin(np.pi * phase))  # a vertebra is narrower in its middle
    body = oval(x, y - body_y, vertebra_half_width(z) - waist, half_depth - 0.6 * waist, 0.15)
    from_plate = min(phase, 1 - phase) * VERTEBRA_STEP_MM - DISC_MM / 2
    if from_plate < PLATE_MM:
        blend(hu, body, DISC_HU if from_plate < 0 else PLATE_HU, edge_mm)
    else:
        _paint_bone(hu, body, edge_mm)
    from_canal = np.hypot(x, y - canal_y)
    blend(hu, from_canal - CANAL_RADIUS_MM, CANAL_HU, edge_mm)
    blend(hu, from_canal - CORD_RADIUS_MM, CORD_HU, edge_mm)


def _paint_sternum(hu: np.ndarray, x: Any, y: Any, z: float, edge_mm: float) -> None:
    """The sternum in the slice at height z, in line with the ribs (template coordinates)."""
    beyond = max(STERNUM_Z[0] - z, z - STERNUM_Z[1])
    if beyond <= 5:
        flat = oval(x, y - wall_front(z) + RIB_OFFSET_MM + 3, sternum_half_width(z), STERNUM_HALF_DEPTH, 0.4)
        _paint_bone(hu, np.maximum(flat, np.float32(beyond)), edge_mm)


def _paint_bone(hu: np.ndarray, field: Any, edge_mm: float) -> None:
    blend(hu, field, CORTEX_HU, edge_mm)
    blend(hu, field + CORTEX_MM, MARROW_HU, edge_mm)


def _shoulder_girdle(body: Body) -> list[Solid]:
    """Clavicles, shoulder blades and the heads of the arms, arms raised, LPS mm."""
    bones: list[Solid] = []
    for side in (LEFT, RIGHT):
        place = partial(_placed, body, side)
        bones += tubes(place((74, 92, 92), (70, 96, 40), (78, 96, -10)), 2.8)
        bones += tubes(place((96, 80, 96), (96, 84, 46), (84, 94, -6)), 2.2)
        bones += tubes(place((116, 62, 98), (112, 70, 56), (88, 92, -2)), 3.6)
        flat = ((side * 0.80, -0.60, 0.0), (side * 0.60, 0.80, 0.0), (0.0, 0.0, 1.0))  # bent along the ribs
        bones.append(Ellipsoid(place((93, 82, 48))[0], (29.0, 1.7, 50.0), flat))
        bones += tubes(place((76, 102, 62), (104, 96, 88), (134, 62, 108)), [3.0, 4.0, 5.5])
        bones += tubes(place((14, -68, 62), (50, -74, 80), (88, -42, 104), (124, 2, 116)), [8, 5, 5, 6])
        bones.append(Ellipsoid(place((146, 36, 118))[0], (22.0, 22.0, 24.0)))
    return bones


def _placed(body: Body, side: float, *points: Point) -> list[Point]:
    """Points of the template's left half, or their mirror images, LPS mm."""
    return [as_point(point) for point in body.to_patient(np.multiply(points, (side, 1.0, 1.0)))]


def _paint_lung_contents(canvas: Canvas, anatomy: Anatomy, blood: Blood) -> None:
    """Holes, vessels, bronchi and marks."""
    around = anatomy.parenchyma.mean_hu
    finest = FINEST_PX * float(canvas.x[1] - canvas.x[0])
    paint_strands(canvas, anatomy.holes, HOLE_HU, around)
    for tree in anatomy.trees.values():
        for vessels in (tree.sprigs, tree.vessels):
            if vessels is not None:
                paint_strands(canvas, vessels.pick(vessels.start_radius > finest), blood.left_hu, around)
    trachea, trees = chain_of_tubes(anatomy.thorax.body, *TRACHEA), anatomy.trees.values()
    lumens = joined(tree.lumens for tree in trees)
    walls = lumens.grown(WALL_MM + WALL_SHARE * lumens.start_radius)
    paint_strands(canvas, joined([trachea.grown(TRACHEA_WALL_MM), walls]), WALL_HU, around)
    paint_strands(canvas, joined([trachea, lumens]), LUMEN_HU, WALL_HU)
    for mark in anatomy.marks:
        patch, x, y, z = canvas.patch(mark.bounds())
        if patch.size:  # as far as it lies in the lungs
            points = np.broadcast_arrays(x, y, z)
            depth = anatomy.depth_mm(np.column_stack([c.ravel() for c in points])).reshape(patch.shape)
            blend(patch, np.maximum(mark.field(x, y, z), -depth), np.maximum(patch, SCAR_HU), canvas.edge_mm)
