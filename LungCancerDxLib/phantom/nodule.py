"""A lung nodule of known place, size, density and make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .shapes import Point

Kind = Literal["solid", "part-solid", "ground-glass", "calcified", "cavitated"]
Margin = Literal["smooth", "lobulated", "spiculated"]
Place = Literal["isolated", "vessel", "pleura", "bronchus"]


@dataclass(frozen=True)
class SyntheticNodule:
    """One nodule, told apart from any grid.

    Parameters
    ----------
    center_lps_mm
        Centre of mass of its body (x, y, z), LPS mm.
    diameter_mm
        Of the ball that has the body's volume; spicules are no part of the body.
    hu
        Hounsfield units of its substance: the ground glass of a part-solid one, the wall of a cavitated one.
    kind, margin, place
        What it is made of, how it ends, and what it lies on.
    upper_lobe
        Whether it lies in an upper lobe.
    seed
        Of its outline, spicules and texture: the same nodule is the same on every grid.
    """

    center_lps_mm: Point
    diameter_mm: float
    hu: float = 40.0
    kind: Kind = "solid"
    margin: Margin = "smooth"
    place: Place = "isolated"
    upper_lobe: bool = False
    seed: int = 0
