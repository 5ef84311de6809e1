"""The soft tissues: skin, fat, muscle, heart, great vessels and the organs under the diaphragm (template frame)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .canvas import Canvas, blend
from .shapes import Ellipsoid, profile, superellipse, tubes
from .thorax import AORTA, LEFT, RIGHT, ThoraxFields

AIR_HU, FAT_HU, MEDIASTINAL_FAT_HU, MUSCLE_HU, WATER_HU = -1000.0, -100.0, -85.0, 50.0, 10.0
BLOOD_HU, HEART_HU, LIVER_HU, SPLEEN_HU = 42.0, 40.0, 60.0, 48.0

FAT_MM = 13.0  # under the skin
DIAPHRAGM_MM = 4.0
SKIN_POWER = 2.5
skin_half_width = profile([(150, 104), (120, 140), (95, 156), (50, 161), (0, 160), (-80, 160), (-200, 158)])
skin_front = profile([(150, -60), (110, -76), (70, -94), (20, -106), (-60, -113), (-200, -112)])
skin_back = profile([(150, 96), (100, 108), (0, 116), (-80, 117), (-200, 112)])

TABLE_Y, TABLE_BEND_MM, TABLE_HALF_THICKNESS_MM, TABLE_HU = 124.0, 900.0, 1.5, -150.0  # a shallow carbon trough

SUPERIOR_CAVA = tubes([(-19, -12, 70), (-24, -14, 10), (-24, -12, -40)], 8.5)
INFERIOR_CAVA = tubes([(-24, 2, -80), (-26, 12, -190)], 11.0)
PULMONARY_TRUNK = tubes([(16, -44, -38), (17, -28, -8), (20, -8, -4)], [14, 13, 12])
RIGHT_PULMONARY_ARTERY = tubes([(20, -8, -4), (-12, 0, -12), (-36, 6, -16)], [11, 11, 9])
LEFT_PULMONARY_ARTERY = tubes([(20, -8, -4), (28, 8, 2), (37, 18, -6)], [11, 11, 9])
ARCH_BRANCHES = tubes([(-8, -10, 30), (-18, -8, 130)], 6.0) + tubes([(10, 6, 34), (17, 4, 130)], 4.5)
GULLET = tubes([(6, 26, 140), (7, 29, 0), (8, 22, -90), (26, 2, -130)], 6.0)

LEFT_LIVER_LOBE = Ellipsoid((8.0, -48.0, -148.0), (52.0, 30.0, 38.0))
SPLEEN = Ellipsoid((98.0, 38.0, -142.0), (24.0, 38.0, 34.0))
STOMACH = Ellipsoid((58.0, -22.0, -142.0), (36.0, 42.0, 30.0))
STOMACH_GAS = Ellipsoid((58.0, -34.0, -138.0), (27.0, 24.0, 21.0))  # rises to the front of a patient on their back


def paint_trunk(hu: np.ndarray, x: Any, y: Any, z: float, edge_mm: float) -> None:
    """Table, skin, fat and muscle in the slice at height z."""
    sag = np.abs(y - TABLE_Y + x * x / TABLE_BEND_MM) - TABLE_HALF_THICKNESS_MM
    blend(hu, sag, TABLE_HU, edge_mm)
    front, back = skin_front(z), skin_back(z)
    skin = superellipse(x, y - (front + back) / 2, skin_half_width(z), (back - front) / 2, SKIN_POWER)
    blend(hu, skin, FAT_HU, edge_mm)
    blend(hu, skin + FAT_MM, MUSCLE_HU, edge_mm)


def paint_chest_contents(hu: np.ndarray, fields: ThoraxFields, edge_mm: float) -> None:
    """The fat, heart and liver within the chest wall, where `fields` were evaluated."""
    blend(hu, fields.wall, MEDIASTINAL_FAT_HU, edge_mm)
    blend(hu, np.maximum(fields.wall, fields.heart), HEART_HU, edge_mm)
    for side, inside in ((LEFT, FAT_HU), (RIGHT, LIVER_HU)):
        dome = np.maximum(fields.wall, fields.domes[side])
        blend(hu, dome, MUSCLE_HU, edge_mm)
        blend(hu, dome + DIAPHRAGM_MM, inside, edge_mm)


def paint_organs(canvas: Canvas) -> None:
    """Great vessels, gullet and the organs of the upper belly."""
    for vessels in (SUPERIOR_CAVA, INFERIOR_CAVA, PULMONARY_TRUNK, RIGHT_PULMONARY_ARTERY, LEFT_PULMONARY_ARTERY):
        for vessel in vessels:
            canvas.paint(vessel, BLOOD_HU)
    for vessel in (*AORTA, *ARCH_BRANCHES):
        canvas.paint(vessel, BLOOD_HU)
    for piece in GULLET:
        canvas.paint(piece, MUSCLE_HU)
    canvas.paint(LEFT_LIVER_LOBE, LIVER_HU)
    canvas.paint(SPLEEN, SPLEEN_HU)
    canvas.paint(STOMACH, MUSCLE_HU)
    canvas.paint(STOMACH, WATER_HU, grow_mm=-3.5)
    canvas.paint(STOMACH_GAS, AIR_HU)
