"""Reading the spots that a user wants classified."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import UsageError
from .tables import read_table


def read_points(path: Path) -> list[tuple[float, float, float]]:
    """Points of a CSV file with the columns x, y, z in LPS mm.

    Raises
    ------
    UsageError
        Where the file cannot be read or a row holds no three numbers.
    """
    table = read_table(path, ("x", "y", "z"))
    x, y, z = (table.numbers(axis).tolist() for axis in "xyz")
    return list(zip(x, y, z, strict=True))


CENTER_COLUMNS = ("x_lps_mm", "y_lps_mm", "z_lps_mm")


def read_spheres(path: Path, length: str) -> dict[str, np.ndarray]:
    """The rows of a file with the columns id, x_lps_mm, y_lps_mm, z_lps_mm and `length`, by their scan's id.

    Returns
    -------
    (N, 4) x, y, z, length in LPS mm for each id.

    Raises
    ------
    UsageError
        Where the file cannot be read, lacks a column, or holds something else than numbers or a length that is none.
    """
    columns = (*CENTER_COLUMNS, length)
    table = read_table(path, ("id", *columns))
    spheres = np.column_stack([table.numbers(name) for name in columns])
    for line, size in zip(table.lines, spheres[:, 3], strict=True):
        if size <= 0:
            raise UsageError(f"{path}, line {line}, column {length}: expected a length above zero in mm, got {size:g}.")
    ids = np.array(table.texts("id"))
    return {str(name): spheres[ids == name] for name in dict.fromkeys(ids)}
