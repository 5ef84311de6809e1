"""From whatever numbers a file holds to whole Hounsfield units, with scanner padding turned into air."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import CTReadError

AIR_HU = -1024  # the lowest value kept: padding outside the field of view (-2000, -2048, -3024) is air for us


def to_hounsfield(values: np.ndarray, path: Path | str) -> np.ndarray:
    """Any numeric array to int16 HU of the same shape: rounded, clamped to -1024 below and the int16 limit above.

    Raises CTReadError where values are NaN or infinite.
    """
    lowest, highest = AIR_HU, np.iinfo(np.int16).max
    if values.dtype.kind == "f":
        broken = values.size - np.count_nonzero(np.isfinite(values))
        if broken:
            raise CTReadError(
                f"{path}: {broken} of {values.size} voxels are NaN or infinite, where Hounsfield units were expected; "
                f"export the scan again, with -1024 outside the field of view."
            )
        values = np.rint(values)
    else:
        own = np.iinfo(values.dtype)
        lowest, highest = max(lowest, own.min), min(highest, own.max)
    return np.clip(values, lowest, highest).astype(np.int16)
