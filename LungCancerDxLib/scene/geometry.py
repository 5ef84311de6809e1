"""Between the library's frame (LPS mm, indices k j i) and MRML's (RAS mm, indices i j k). RAS stays in this folder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_IJK_TO_KJI = np.eye(4)[[2, 1, 0, 3]]


def ijk_to_ras(kji_to_lps: np.ndarray) -> np.ndarray:
    """The affine (4, 4) of a grid as MRML wants it."""
    return _LPS_TO_RAS @ kji_to_lps @ _IJK_TO_KJI


def kji_to_lps(ijk_to_ras: np.ndarray) -> np.ndarray:
    """The affine (4, 4) of a grid as the library wants it."""
    return _LPS_TO_RAS @ ijk_to_ras @ _IJK_TO_KJI


def lps_mm(point_ras_mm: Sequence[float]) -> tuple[float, float, float]:
    """A point in LPS mm."""
    return ras_mm(point_ras_mm)


def ras_mm(point_lps_mm: Sequence[float]) -> tuple[float, float, float]:
    """A point in RAS mm."""
    x, y, z = point_lps_mm
    return -float(x), -float(y), float(z)
