"""Where nodules can be in a pair of lungs, real or synthetic."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from .shapes import Point


class LungPlaces(Protocol):
    """A pair of lungs, told by points in LPS mm.

    Attributes
    ----------
    low_lps_mm, high_lps_mm
        Lowest and highest corner (x, y, z) of a box that holds the lungs.
    vessels
        (M, 4) x, y, z and radius in mm: points on the centre lines of vessels within the lungs; M may be 0.
    bronchi
        (M, 4) the same of the main and lobar bronchi; the points themselves may lie outside the lungs.
    """

    @property
    def low_lps_mm(self) -> Point: ...

    @property
    def high_lps_mm(self) -> Point: ...

    @property
    def vessels(self) -> np.ndarray: ...

    @property
    def bronchi(self) -> np.ndarray: ...

    def depth_mm(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) to the way to the nearest pleura in mm, (N,); negative outside the lungs."""

    def upper(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) to whether each lies in an upper lobe, (N,) bool."""
