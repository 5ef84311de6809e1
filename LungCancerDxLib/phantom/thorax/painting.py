"""A patient's anatomy put on a grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...runtime.progress import in_threads
from ..canvas import Canvas, blend
from ..lattice import Reader
from ..nodules.grid import paint_nodules
from ..nodules.nodule import SyntheticNodule
from ..shapes import Ellipsoid
from .anatomy import HOLE_HU, SCAR_HU, Anatomy
from .skeleton import (
    CORTEX_HU,
    CORTEX_MM,
    MARROW_HU,
    near_ribs,
    paint_ribs,
    paint_spine,
    paint_sternum,
    shoulder_girdle,
)
from .soft_tissue import CAGE_MUSCLE_MM, MUSCLE_HU, Blood, Layer
from .strands import joined, paint_strands
from .thorax import LEFT, RIGHT
from .trees import trachea

LUNG_LABELS = {LEFT: 1, RIGHT: 2}
WALL_HU, LUMEN_HU = 10.0, -995.0
TABLE_BEND_MM, TABLE_HALF_THICKNESS_MM, TABLE_HU = 900.0, 1.5, -150.0  # a shallow carbon trough
FINEST_PX = 0.22  # vessels of a smaller radius than this share of a pixel are left out
SPRIGS_BELOW_MM = 1.2  # of the pixel size
_FISSURE_NEAR_MM = 3.0  # from the horizontal fissure to a slice that may show it
_SPINE_MM, _STERNUM_MM = ((0.0, 84.0), (42.0, 58.0)), ((0.0, -85.0), (36.0, 26.0))  # windows: middle, half size


def paint_patient(
    canvas: Canvas,
    anatomy: Anatomy,
    layers: Sequence[Layer],
    blood: Blood,
    nodules: Sequence[SyntheticNodule],
    table_y: float | None,
) -> None:
    """Paint everything into a canvas full of air; `table_y` is where the table lies, LPS mm, None for none."""
    reader = Reader(canvas.y, canvas.x)

    def paint(k: int) -> None:
        _paint_slice(canvas, k, reader, anatomy, layers, table_y)

    for _ in in_threads(paint, range(len(canvas.z))):
        pass
    for bone in shoulder_girdle(anatomy.body):
        canvas.paint(bone, CORTEX_HU, brighten=True)
        canvas.paint(bone, MARROW_HU, grow_mm=-CORTEX_MM)
    paint_lung_contents(canvas, anatomy, blood)
    paint_nodules(canvas, nodules)


def paint_lung_contents(canvas: Canvas, anatomy: Anatomy, blood: Blood) -> None:
    """Holes, vessels, bronchi and marks."""
    around = anatomy.parenchyma.mean_hu
    finest = FINEST_PX * float(canvas.x[1] - canvas.x[0])
    if len(anatomy.changes.holes):
        paint_strands(canvas, anatomy.changes.holes, HOLE_HU, around)
    for tree in anatomy.trees.values():
        for vessels in (tree.sprigs, tree.vessels):
            if vessels is not None:
                paint_strands(canvas, vessels.pick(vessels.start_radius > finest), blood.left_hu, around)
    windpipe = trachea(anatomy.thorax)
    lumens = joined([windpipe, *(tree.lumens for tree in anatomy.trees.values())])
    paint_strands(canvas, joined([windpipe.grown(1.4), *(t.walls() for t in anatomy.trees.values())]), WALL_HU, around)
    paint_strands(canvas, lumens, LUMEN_HU, WALL_HU)
    for mark in anatomy.changes.marks:
        _paint_mark(canvas, anatomy, mark)


def _paint_mark(canvas: Canvas, anatomy: Anatomy, mark: Ellipsoid) -> None:
    """A dense mark, as far as it lies in the lungs."""
    low, high = mark.bounds()
    box = tuple(
        slice(*np.searchsorted(c, (low[axis] - canvas.edge_mm, high[axis] + canvas.edge_mm)).tolist())
        for c, axis in ((canvas.z, 2), (canvas.y, 1), (canvas.x, 0))
    )
    patch = canvas.hu[box]
    if not patch.size:
        return
    z, y, x = np.meshgrid(canvas.z[box[0]], canvas.y[box[1]], canvas.x[box[2]], indexing="ij")
    depth = anatomy.depth_mm(np.column_stack([x.ravel(), y.ravel(), z.ravel()])).reshape(patch.shape)
    blend(patch, np.maximum(mark.field(x, y, z), -depth), np.maximum(patch, SCAR_HU), canvas.edge_mm)


def lung_labels(anatomy: Anatomy, reader: Reader, z: float, depth_mm: float = 0.0) -> np.ndarray:
    """uint8 (J, I): 1 left lung, 2 right lung in the slice at height z, from `depth_mm` below the pleura on."""
    labels = np.zeros((len(reader.y), len(reader.x)), dtype=np.uint8)
    thorax = anatomy.thorax
    box = reader.window(thorax.lungs, z, -depth_mm)
    if box is not None:
        inside = reader.read(thorax.lungs, thorax.lungs.plane(z), box) < -depth_mm
        left = reader.read(thorax.side, thorax.side.plane(z), box) > 0
        for side, label in LUNG_LABELS.items():
            if side in anatomy.trees:
                labels[box][inside & (left == (side == LEFT))] = label
    return labels


def _paint_slice(
    canvas: Canvas, k: int, reader: Reader, anatomy: Anatomy, layers: Sequence[Layer], table_y: float | None
) -> None:
    z, hu, edge = float(canvas.z[k]), canvas.hu[k], canvas.edge_mm
    if table_y is not None:
        sag = np.abs(canvas.y[:, None] - np.float32(table_y) + canvas.x**2 / TABLE_BEND_MM) - TABLE_HALF_THICKNESS_MM
        blend(hu, sag, TABLE_HU, edge)
    for layer in layers:
        _paint_layer(hu, reader, layer, z, edge)
    _paint_lungs(hu, reader, anatomy, z, edge)
    _paint_bones(hu, reader, anatomy, z, edge)


def _paint_layer(hu: np.ndarray, reader: Reader, layer: Layer, z: float, edge: float) -> None:
    box = reader.window(layer.field, z, layer.reach_mm + edge / 2)
    if box is not None:
        field = reader.read(layer.field, layer.field.plane(z), box)
        for value, grow in layer.coats:
            blend(hu[box], field - np.float32(grow) if grow else field, np.float32(value), edge)


def _paint_lungs(hu: np.ndarray, reader: Reader, anatomy: Anatomy, z: float, edge: float) -> None:
    thorax, tissue = anatomy.thorax, anatomy.parenchyma
    box = reader.window(thorax.lungs, z, edge / 2)
    if box is None:
        return
    field = reader.read(thorax.lungs, thorax.lungs.plane(z), box)
    y, x = reader.y[box[0]], reader.x[box[1]]
    lung = tissue.slice_hu(x, y, z)
    if tissue.dependent_hu:
        lung += _dependent(tissue.dependent_hu, tissue.dependent_mm, field, y)
    oblique = reader.read(thorax.oblique, thorax.oblique.plane(z), box)
    tissue.add_fissure(lung, oblique, x, y, edge)
    absent = {LEFT, RIGHT} - set(anatomy.trees)
    level = thorax.horizontal.plane(z)
    minor = level.min() < _FISSURE_NEAR_MM and level.max() > -_FISSURE_NEAR_MM
    if minor or absent:
        side = reader.read(thorax.side, thorax.side.plane(z), box)
    if minor:
        horizontal = reader.read(thorax.horizontal, level, box)
        tissue.add_fissure(lung, horizontal, x, y, edge, (side < 0) & (oblique > 0))
    for other in absent:
        lung[side * other > 0] = MUSCLE_HU
    blend(hu[box], field, lung, edge)


def _dependent(gain_hu: float, depth_mm: float, field: np.ndarray, y: np.ndarray) -> np.ndarray:
    back = np.clip((y - 20.0) / 45.0, 0, 1).astype(np.float32)[:, None]
    return np.float32(gain_hu) * np.exp(np.minimum(field, 0) / np.float32(depth_mm)) * back


def _paint_bones(hu: np.ndarray, reader: Reader, anatomy: Anatomy, z: float, edge: float) -> None:
    body, cage = anatomy.body, anatomy.thorax.cage
    box = reader.window(cage, z, CAGE_MUSCLE_MM)
    if box is not None:
        patch = hu[box]
        field = reader.read(cage, cage.plane(z), box)
        row, column = np.divmod(np.flatnonzero(near_ribs(field, edge)), field.shape[1])
        tx, ty, tz = body.near(reader.x[box[1]][column], reader.y[box[0]][row], z, (0.0, 0.0))
        ribs = patch[row, column]
        paint_ribs(ribs, field[row, column], tx, ty, tz, body.rib_top_z, edge)
        patch[row, column] = ribs
    for (middle, (half_x, half_y)), paint in ((_SPINE_MM, paint_spine), (_STERNUM_MM, paint_sternum)):
        cx, cy = body.turned(*middle)
        rows = slice(*np.searchsorted(reader.y, (cy - half_y, cy + half_y)).tolist())
        columns = slice(*np.searchsorted(reader.x, (cx - half_x, cx + half_x)).tolist())
        patch = hu[rows, columns]
        if patch.size:
            tx, ty, tz = body.near(reader.x[columns][None, :], reader.y[rows][:, None], z, middle)
            paint(patch, tx, ty, tz, edge)
