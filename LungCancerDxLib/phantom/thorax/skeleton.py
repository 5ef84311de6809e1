"""Ribs, spine, sternum, collar bones and shoulder blades (template frame, see thorax)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..canvas import blend
from ..shapes import Ellipsoid, Solid, mirrored, oval, profile, tubes
from .thorax import LEFT, RIGHT, Body, spine_y, wall_front

CORTEX_HU, MARROW_HU, CARTILAGE_HU, DISC_HU, CORD_HU = 620.0, 190.0, 105.0, 85.0, 32.0
CORTEX_MM = 1.3

RIBS = 12
RIB_STEP_MM = 21.5  # from one rib to the next below
RIB_SLOPE = 0.42  # a rib sinks this much for each mm that it runs forward
RIB_HALF_THICKNESS_MM, RIB_HALF_HEIGHT_MM = 3.8, 6.3
RIB_OFFSET_MM = 5.4  # from the inner chest wall to the middle of the rib
RIB_ORIGIN_Y = 80.0  # where `rib_top_z` is measured
RIB_HEAD_X = 19.0  # ribs begin beside the vertebrae
CARTILAGE_LENGTH_MM = 28.0  # in front, ribs are cartilage from here on
FLOATING_RIB_END_Y = 5.0  # the last two pairs end free in the flank

VERTEBRA_STEP_MM, DISC_MM = 23.0, 4.5
vertebra_half_width = profile([(140, 12), (60, 14), (-60, 16.5), (-200, 20)])
vertebra_half_depth = profile([(140, 9), (60, 12), (-60, 14), (-200, 16)])
CANAL_RADIUS_MM, ARCH_MM = 8.0, 4.0
STERNUM_Z, STERNUM_HALF_DEPTH = (-82.0, 54.0), 5.0
sternum_half_width = profile([(54, 30), (30, 24), (18, 14), (-30, 17), (-60, 17), (-82, 8)])


def near_ribs(cage: np.ndarray, edge_mm: float) -> np.ndarray:
    """Where ribs can show, bool, told by the field of the space within them."""
    return np.abs(cage - np.float32(RIB_OFFSET_MM)) < RIB_HALF_THICKNESS_MM + edge_mm


def paint_ribs(
    hu: np.ndarray, cage: np.ndarray, x: np.ndarray, y: np.ndarray, z: float, rib_top_z: float, edge_mm: float
) -> None:
    """All ribs in pixels (N,) of a slice: hoops outside the chest wall, told by the height of their heads.

    `cage` is the field of the space within the ribs; x, y (N,) and z are template coordinates.
    """
    head_z = z + np.float32(RIB_SLOPE) * (RIB_ORIGIN_Y - y)
    number = np.clip(np.round((rib_top_z - head_z) / RIB_STEP_MM), 0, RIBS - 1)
    above = head_z - (rib_top_z - number * RIB_STEP_MM)
    half_height = np.where(number == 0, 4.6, RIB_HALF_HEIGHT_MM).astype(np.float32)
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


def paint_spine(hu: np.ndarray, x: Any, y: Any, z: float, edge_mm: float) -> None:
    """The vertebra or disc in the slice at height z, with canal, arch and processes."""
    phase = (z % VERTEBRA_STEP_MM) / VERTEBRA_STEP_MM
    body_y, half_depth = spine_y(z), vertebra_half_depth(z)
    canal_y = body_y + half_depth + CANAL_RADIUS_MM - 1.0
    arch = oval(x, y - canal_y, CANAL_RADIUS_MM + ARCH_MM, CANAL_RADIUS_MM + ARCH_MM, 0.0)
    phase = float(phase)
    if phase < 0.42:  # the gap between two arches is closed by a ligament
        arch = np.maximum(arch, canal_y + 3.0 - y)
    spinous = oval(x, y - canal_y - 22, 2.6 + 1.2 * phase, 15.0, 0.2)
    along = (np.abs(x) - 19.0) * 0.80 + (y - canal_y - 8.0) * 0.60  # outwards and backwards: clear of the lungs
    across = (y - canal_y - 8.0) * 0.80 - (np.abs(x) - 19.0) * 0.60
    lift = 8.0 * (phase - 0.72)
    transverse = oval(along, across, 13.0, max(4.2 - 0.5 * abs(lift), 0.5), 0.3)
    if phase > 0.5:
        arch = np.minimum(arch, transverse)
    arch = np.minimum(arch, spinous)
    _paint_bone(hu, arch, edge_mm)
    waist = 1.6 * float(np.sin(np.pi * phase))  # a vertebra is narrower in its middle
    body = oval(x, y - body_y, vertebra_half_width(z) - waist, half_depth - 0.6 * waist, 0.15)
    from_plate = min(phase, 1 - phase) * VERTEBRA_STEP_MM - DISC_MM / 2
    if from_plate < 0:
        blend(hu, body, DISC_HU, edge_mm)
    elif from_plate < 1.5:
        blend(hu, body, 420.0, edge_mm)
    else:
        _paint_bone(hu, body, edge_mm)
    from_canal = np.hypot(x, y - canal_y)
    blend(hu, from_canal - CANAL_RADIUS_MM, -20.0, edge_mm)
    blend(hu, from_canal - 6.0, CORD_HU, edge_mm)


def paint_sternum(hu: np.ndarray, x: Any, y: Any, z: float, edge_mm: float) -> None:
    """The sternum in the slice at height z, in line with the ribs."""
    beyond = max(STERNUM_Z[0] - z, z - STERNUM_Z[1])
    if beyond > 5:
        return
    flat = oval(x, y - wall_front(z) + RIB_OFFSET_MM + 3, sternum_half_width(z), STERNUM_HALF_DEPTH, 0.4)
    _paint_bone(hu, np.maximum(flat, np.float32(beyond)), edge_mm)


def shoulder_girdle(body: Body) -> list[Solid]:
    """Collar bones, shoulder blades and the heads of the arms, arms raised, LPS mm."""
    bones: list[Solid] = []
    for side in (LEFT, RIGHT):
        sheet = [(74, 92, 92), (70, 96, 40), (78, 96, -10)], [(96, 80, 96), (96, 84, 46), (84, 94, -6)], [
            (116, 62, 98), (112, 70, 56), (88, 92, -2)]  # fmt: skip
        for rim, radius in zip(sheet, (2.8, 2.2, 3.6), strict=True):
            bones.extend(tubes(_placed(rim, side, body), radius))
        bones.append(_plate(side, body))
        bones.extend(tubes(_placed([(76, 102, 62), (104, 96, 88), (134, 62, 108)], side, body), [3.0, 4.0, 5.5]))
        collar = _placed([(14, -68, 62), (50, -74, 80), (88, -42, 104), (124, 2, 116)], side, body)
        bones.extend(tubes(collar, [8, 5, 5, 6]))
        x, y, z = _placed([(146, 36, 118)], side, body)[0]
        bones.append(Ellipsoid((x, y, z), (22.0, 22.0, 24.0)))
    return bones


def _placed(points: list[Any], side: float, body: Body) -> list[Any]:
    template = np.array([mirrored(p, side) for p in points], dtype=float)
    return [tuple(p) for p in body.to_patient(template).tolist()]


def _plate(side: float, body: Body) -> Ellipsoid:
    """The blade's thin sheet, bent along the ribs."""
    (center,) = _placed([(93.0, 82.0, 48.0)], side, body)
    flat = ((side * 0.80, -0.60, 0.0), (side * 0.60, 0.80, 0.0), (0.0, 0.0, 1.0))
    return Ellipsoid(center, (29.0, 1.7, 50.0), flat)


def _paint_bone(hu: np.ndarray, field: Any, edge_mm: float) -> None:
    blend(hu, field, CORTEX_HU, edge_mm)
    blend(hu, field + CORTEX_MM, MARROW_HU, edge_mm)
