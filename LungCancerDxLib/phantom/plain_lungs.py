"""Two ellipsoids as lungs: places without a patient, for trying a population out."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .shapes import Point


def _lines(start: Point, ends: list[Point], radius_mm: float) -> np.ndarray:
    """(M, 4) points along straight lines in both lungs."""
    way = np.linspace(0, 1, 12)[:, None]
    points = np.concatenate([start + way * np.subtract(end, start) for end in ends])
    both = np.concatenate([points * (side, 1.0, 1.0) for side in (-1.0, 1.0)])
    return np.column_stack([both, np.full(len(both), radius_mm)])


_CENTERS, _HALF_AXES = ((-75.0, 0.0, -30.0), (75.0, 0.0, -30.0)), (52.0, 78.0, 118.0)
_UPPER_ABOVE_MM = -10.0
_VESSEL_ENDS: list[Point] = [(95.0, y, z) for y in (-45.0, -15.0, 15.0, 45.0) for z in (-90.0, -30.0, 30.0)]
_VESSELS = _lines((30.0, 5.0, -20.0), _VESSEL_ENDS, 2.0)
_BRONCHI = _lines((26.0, 5.0, -20.0), [(48.0, 5.0, -30.0)], 6.0)


@dataclass(frozen=True)
class PlainLungs:
    """Lungs of an adult's size and no detail; each has a fan of straight vessels and a short bronchus."""

    low_lps_mm: Point = (-130.0, -80.0, -150.0)
    high_lps_mm: Point = (130.0, 80.0, 90.0)
    vessels: np.ndarray = field(default_factory=lambda: _VESSELS)
    bronchi: np.ndarray = field(default_factory=lambda: _BRONCHI)

    def depth_mm(self, points: np.ndarray) -> np.ndarray:
        points = np.asarray(points, dtype=float)
        reach = [np.linalg.norm((points - center) / _HALF_AXES, axis=1) for center in _CENTERS]
        return (1 - np.min(reach, axis=0)) * min(_HALF_AXES)

    def upper(self, points: np.ndarray) -> np.ndarray:
        return np.asarray(points, dtype=float)[:, 2] > _UPPER_ABOVE_MM
