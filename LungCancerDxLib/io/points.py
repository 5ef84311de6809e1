"""Places in the patient from files: spots to classify, and spheres (nodules, regions) of many scans."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import LungCancerDxError, UsageError
from .tables import read_table, read_text

CENTER_COLUMNS = ("x_lps_mm", "y_lps_mm", "z_lps_mm")
_TO_LPS = {"LPS": (1, 1, 1), "1": (1, 1, 1), "RAS": (-1, -1, 1), "0": (-1, -1, 1)}
_DEFINED = ("defined", "2", "")  # points that were placed, as the two formats say; nothing in older files

Point = tuple[float, float, float]


def read_points(path: Path) -> list[Point]:
    """Points in LPS mm, of a CSV file with the columns x, y, z or as 3D Slicer saves them (`.mrk.json`, `.fcsv`).

    Raises
    ------
    UsageError
        Where the file cannot be read, a point holds no three numbers, or a file of 3D Slicer has no points in mm.
    """
    name = path.name.lower()
    if not name.endswith((".json", ".fcsv")):
        table = read_table(path, ("x", "y", "z"))
        x, y, z = (table.numbers(axis).tolist() for axis in "xyz")
        return list(zip(x, y, z, strict=True))
    try:
        points = _of_fcsv(read_text(path)) if name.endswith(".fcsv") else _of_markups(json.loads(read_text(path)))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as points of 3D Slicer ({error}).") from error
    if not points:
        raise UsageError(f"{path} holds no points; place some in 3D Slicer and save them again.")
    return points


def _of_markups(content: Any) -> list[Point]:
    """The control points of all point lists of a `.mrk.json`."""
    points = []
    for markup in content["markups"]:
        if markup.get("type", "Fiducial") != "Fiducial":
            raise ValueError(f"it holds a {markup['type']}, expected a point list")
        if set(np.ravel(markup.get("coordinateUnits", "mm"))) != {"mm"}:
            raise ValueError(f"its unit is {markup['coordinateUnits']}, expected mm")
        system = str(markup.get("coordinateSystem", "LPS"))
        placed = [point for point in markup["controlPoints"] if point.get("positionStatus", "") in _DEFINED]
        points += [_in_lps(point["position"], system) for point in placed]
    return points


def _of_fcsv(text: str) -> list[Point]:
    """The points of the older format: rows id, x, y, z, ..., what they are in lines that begin with #."""
    head = dict(re.findall(r"^#\s*(\w+)\s*=\s*(.*?)\s*$", text, re.MULTILINE))
    columns = head.get("columns", "id,x,y,z").split(",")
    points = []
    for cells in csv.reader(line for line in text.splitlines() if line.strip() and not line.startswith("#")):
        row = dict(zip(columns, cells, strict=False))
        if row.get("positionStatus", "") in _DEFINED:
            points.append(_in_lps([row[axis] for axis in "xyz"], head.get("CoordinateSystem", "RAS")))
    return points


def _in_lps(position: Any, system: str) -> Point:
    x, y, z = (float(value) * sign for value, sign in zip(position, _TO_LPS[system], strict=True))
    if not math.isfinite(x + y + z):
        raise ValueError(f"a position is {position}")
    return x, y, z


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
