"""Reading the spots that a user wants classified."""

from __future__ import annotations

from pathlib import Path

from ..csv_table import read_table


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
