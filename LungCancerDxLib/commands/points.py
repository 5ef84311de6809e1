"""Reading the spots that a user wants classified."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from ..errors import UsageError


def read_points(path: Path) -> list[tuple[float, float, float]]:
    """Points of a CSV file with the columns x, y, z in LPS mm.

    Raises
    ------
    UsageError
        Where the file cannot be read or a row holds no three numbers.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, skipinitialspace=True)
            rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
            missing = {"x", "y", "z"} - set(rows.fieldnames)
            if missing:
                raise UsageError(f"{path} has no column {', '.join(sorted(missing))}; expected a header line x,y,z.")
            return [_point(row, path, rows.line_num) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(
            f"The points {path} cannot be read ({error}); expected a CSV file with columns x,y,z."
        ) from error


def _point(row: dict[str, str], path: Path, line: int) -> tuple[float, float, float]:
    if None in row:  # more cells than columns
        raise UsageError(f"{path}, line {line}: more cells than columns; write decimals with a point, not a comma.")
    try:
        x, y, z = (float(row[axis]) for axis in "xyz")
    except (TypeError, ValueError):
        x = y = z = math.nan
    if not all(map(math.isfinite, (x, y, z))):
        raise UsageError(f"{path}, line {line}: expected three numbers x,y,z in LPS mm, got {row}.")
    return x, y, z
