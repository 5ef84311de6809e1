"""Places in scans as CSV files: described nodules, and spheres to keep away from."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

from ..errors import UsageError

CENTER_COLUMNS = ("x_lps_mm", "y_lps_mm", "z_lps_mm")


def read_spheres(path: Path, length: str) -> dict[str, np.ndarray]:
    """The rows of a file with the columns id, x_lps_mm, y_lps_mm, z_lps_mm and `length`, by their scan's id.

    Returns
    -------
    (N, 4) x, y, z, length in LPS mm for each id.

    Raises
    ------
    UsageError
        Where the file cannot be read, lacks a column or holds something else than numbers.
    """
    columns = (*CENTER_COLUMNS, length)
    found: dict[str, list[list[float]]] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file, skipinitialspace=True)
            missing = [name for name in ("id", *columns) if name not in (rows.fieldnames or ())]
            if missing:
                raise UsageError(f"{path} has no column {', '.join(missing)}; expected id,{','.join(columns)}.")
            for row in rows:
                found.setdefault(row["id"], []).append(_numbers(row, columns, path, rows.line_num))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read ({error}); expected a CSV file.") from error
    return {name: np.array(rows) for name, rows in found.items()}


def _numbers(row: dict[str, str], columns: tuple[str, ...], path: Path, line: int) -> list[float]:
    try:
        values = [float(row[name]) for name in columns]
    except (TypeError, ValueError):
        values = [math.nan]
    if not all(map(math.isfinite, values)) or values[-1] <= 0:
        raise UsageError(
            f"{path}, line {line}: expected three coordinates and a length above zero in mm ({', '.join(columns)}), "
            f"got {', '.join(str(row[name]) for name in columns)}."
        )
    return values
