"""Lung nodules of known place, size and density."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .canvas import Canvas
from .shapes import Ellipsoid, Point

Kind = Literal["solid", "ground-glass", "calcified"]

SOLID_HU, GROUND_GLASS_HU, CALCIFIED_HU = (30.0, 60.0), (-640.0, -560.0), 400.0
SOLID_DIAMETER_MM, GROUND_GLASS_DIAMETER_MM = (8.0, 20.0), (12.0, 20.0)
FREE_MM = 6.0  # from the surface of a nodule within the lung to the pleura
APART_MM = 12.0  # between the surfaces of two nodules


@dataclass(frozen=True)
class SyntheticNodule:
    """A ball in the lung: centre in LPS mm, diameter in mm, density in HU."""

    center_lps_mm: Point
    diameter_mm: float
    hu: float
    kind: Kind = "solid"


def draw_nodules(
    rng: np.random.Generator, lung: Callable[[np.ndarray], np.ndarray], low_lps_mm: Point, high_lps_mm: Point
) -> tuple[SyntheticNodule, ...]:
    """Two or three solid nodules, one of them on the pleura, and a ground-glass one.

    `lung` takes points (N, 3) in LPS mm to a field that is negative within the lungs; they lie within the given box.
    """
    drawn: list[SyntheticNodule] = []
    solid: list[Kind] = ["solid"]
    kinds = [*(solid * int(rng.integers(2, 4))), "ground-glass"]
    for number, kind in enumerate(kinds):
        diameter = float(rng.uniform(*(SOLID_DIAMETER_MM if kind == "solid" else GROUND_GLASS_DIAMETER_MM)))
        hu = float(rng.uniform(*(SOLID_HU if kind == "solid" else GROUND_GLASS_HU)))
        depth = (diameter / 2, diameter / 2 + 1) if number == 0 else (diameter / 2 + FREE_MM, np.inf)
        while True:
            points = rng.uniform(low_lps_mm, high_lps_mm, (2000, 3))
            below = -lung(points)
            fitting = points[(below >= depth[0]) & (below <= depth[1])]
            free = [p for p in fitting if _is_free(p, diameter, drawn)]
            if free:
                break
        center = (float(free[0][0]), float(free[0][1]), float(free[0][2]))
        drawn.append(SyntheticNodule(center, diameter, hu, kind))
    return tuple(drawn)


def paint_nodules(canvas: Canvas, nodules: Sequence[SyntheticNodule]) -> None:
    """Add nodules to the patient (LPS mm). Denser tissue stays, so vessels run on through ground glass."""
    for nodule in nodules:
        radius = nodule.diameter_mm / 2
        canvas.paint(Ellipsoid(nodule.center_lps_mm, (radius, radius, radius)), nodule.hu, brighten=True)


def _is_free(point: np.ndarray, diameter_mm: float, others: Sequence[SyntheticNodule]) -> bool:
    return all(
        np.linalg.norm(point - np.array(o.center_lps_mm)) > (diameter_mm + o.diameter_mm) / 2 + APART_MM for o in others
    )
