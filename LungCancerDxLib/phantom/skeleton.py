"""Ribs, spine, breastbone, collar bones and shoulder blades (template frame, see thorax)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .canvas import Canvas, blend
from .shapes import Ellipsoid, Solid, mirrored, superellipse, tubes
from .thorax import LEFT, RIGHT, spine_y, wall_front

CORTEX_HU, MARROW_HU, CARTILAGE_HU, DISC_HU, CORD_HU = 650.0, 260.0, 110.0, 80.0, 30.0
CORTEX_MM = 1.6

RIBS = 12
RIB_STEP_MM = 21.5  # from one rib to the next below
RIB_SLOPE = 0.42  # a rib sinks this much for each mm that it runs forward
RIB_HALF_THICKNESS_MM, RIB_HALF_HEIGHT_MM = 3.6, 6.5
RIB_OFFSET_MM = 5.6  # from the inner chest wall to the middle of the rib
RIB_ORIGIN_Y = 80.0  # where `rib_top_z` is measured
RIB_HEAD_X = 24.0  # ribs begin beside the vertebrae
CARTILAGE_LENGTH_MM = 26.0  # in front, ribs are cartilage from here on
FLOATING_RIB_END_Y = 5.0  # the last two pairs end free in the flank

VERTEBRA_STEP_MM, DISC_MM = 23.0, 5.0
VERTEBRA_HALF_WIDTH, VERTEBRA_HALF_DEPTH = 17.0, 13.5
CANAL_BEHIND_MM, CANAL_RADIUS_MM, ARCH_MM = 23.0, 8.5, 5.0
STERNUM_Z, STERNUM_HALF_WIDTH, STERNUM_HALF_DEPTH = (-78.0, 52.0), 17.0, 5.5


def paint_ribs(hu: np.ndarray, wall: Any, x: Any, y: Any, z: float, rib_top_z: float, edge_mm: float) -> None:
    """All ribs in the slice at height z: hoops outside the chest wall, told by the height of their heads."""
    head_z = z + RIB_SLOPE * (RIB_ORIGIN_Y - y)
    number = np.clip(np.round((rib_top_z - head_z) / RIB_STEP_MM), 0, RIBS - 1)
    above = head_z - (rib_top_z - number * RIB_STEP_MM)
    outside = wall - RIB_OFFSET_MM
    reach = np.sqrt((outside / RIB_HALF_THICKNESS_MM) ** 2 + (above / RIB_HALF_HEIGHT_MM) ** 2)
    field = (reach - 1) * RIB_HALF_THICKNESS_MM
    field = np.where((number >= RIBS - 2) & (y < FLOATING_RIB_END_Y), 1e3, field)
    field = np.where((np.abs(x) < RIB_HEAD_X) & (y > 0), 1e3, field)
    cartilage = y < wall_front(z) + CARTILAGE_LENGTH_MM
    blend(hu, field, np.where(cartilage, CARTILAGE_HU, CORTEX_HU).astype(np.float32), edge_mm)
    blend(hu, np.where(cartilage, 1e3, field + CORTEX_MM), MARROW_HU, edge_mm)


def paint_spine(hu: np.ndarray, x: Any, y: Any, z: float, edge_mm: float) -> None:
    """The vertebra or disc in the slice at height z, with canal, arch and processes."""
    phase = z % VERTEBRA_STEP_MM
    body_y = spine_y(z)
    canal_y = body_y + CANAL_BEHIND_MM
    arch = superellipse(x, y - canal_y, CANAL_RADIUS_MM + ARCH_MM, CANAL_RADIUS_MM + ARCH_MM, 2.0)
    if phase > VERTEBRA_STEP_MM / 2:  # the processes leave the lower half
        spinous = superellipse(x, y - canal_y - 20, 3.0, 14.0, 2.0)
        transverse = superellipse(x, y - canal_y - 2, 30.0, 4.5, 3.0)
        arch = np.minimum(arch, np.minimum(spinous, transverse))
    _paint_bone(hu, arch, edge_mm)
    body = superellipse(x, y - body_y, VERTEBRA_HALF_WIDTH, VERTEBRA_HALF_DEPTH, 2.3)
    if phase < DISC_MM:
        blend(hu, body, DISC_HU, edge_mm)
    else:
        _paint_bone(hu, body, edge_mm)
    blend(hu, np.hypot(x, y - canal_y) - CANAL_RADIUS_MM, CORD_HU, edge_mm)


def paint_sternum(hu: np.ndarray, x: Any, y: Any, z: float, edge_mm: float) -> None:
    """The breastbone in the slice at height z, in line with the ribs."""
    beyond = max(STERNUM_Z[0] - z, z - STERNUM_Z[1])
    flat = superellipse(x, y - wall_front(z) + RIB_OFFSET_MM + 2, STERNUM_HALF_WIDTH, STERNUM_HALF_DEPTH, 2.6)
    _paint_bone(hu, np.maximum(flat, beyond), edge_mm)


def paint_shoulder_girdle(canvas: Canvas) -> None:
    """Collar bones and shoulder blades, arms raised."""
    for side in (LEFT, RIGHT):
        blade = Ellipsoid(
            mirrored((103.0, 69.0, 42.0), side),
            (40.0, 5.0, 58.0),
            ((side * 0.77, -0.64, 0.0), (side * 0.64, 0.77, 0.0), (0.0, 0.0, 1.0)),
        )
        collar = [mirrored(p, side) for p in ((20.0, -66.0, 60.0), (62.0, -62.0, 76.0), (118.0, -26.0, 98.0))]
        bones: list[Solid] = [blade, *tubes(collar, 6.0)]
        for bone in bones:
            canvas.paint(bone, CORTEX_HU)
            canvas.paint(bone, MARROW_HU, grow_mm=-CORTEX_MM)


def _paint_bone(hu: np.ndarray, field: Any, edge_mm: float) -> None:
    blend(hu, field, CORTEX_HU, edge_mm)
    blend(hu, field + CORTEX_MM, MARROW_HU, edge_mm)
