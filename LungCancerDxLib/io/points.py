"""Places in the patient from files: spots to classify, and spheres (nodules, regions) of many scans."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import LungCancerDxError, UsageError
from .tables import read_table

CENTER_COLUMNS = ("x_lps_mm", "y_lps_mm", "z_lps_mm")


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


def read_spheres(
    path: Path,
    length: str,
    scan: str = "id",
    center: tuple[str, str, str] = CENTER_COLUMNS,
    error: type[LungCancerDxError] = UsageError,
) -> dict[str, np.ndarray]:
    """The spheres of a table by their scan, whose id stands in the column `scan`.

    Returns
    -------
    (N, 4) x, y, z (the columns `center`) and `length` in LPS mm for each scan.

    Raises
    ------
    error
        Where the file cannot be read, lacks a column, holds something else than numbers or a length that is none, or
        has a row twice.
    """
    columns = (*center, length)
    table = read_table(path, (scan, *columns), error)
    rows = np.column_stack([table.numbers(name) for name in columns])
    spheres: dict[str, list[tuple[float, ...]]] = {}
    for line, name, sphere in zip(table.lines, table.texts(scan), map(tuple, rows.tolist()), strict=True):
        if sphere[3] <= 0:
            raise table.complaint(line, f"expected a length above zero in mm, got {sphere[3]:g}.", length)
        if sphere in spheres.setdefault(name, []):
            raise table.complaint(line, f"the same sphere of {name} twice.")
        spheres[name].append(sphere)
    return {name: np.array(found) for name, found in spheres.items()}
