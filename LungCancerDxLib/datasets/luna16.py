"""LUNA16: MetaImage scans in ten subsets, nodules in `annotations.csv` (section III-A; Setio et al. 2017)."""

from __future__ import annotations

import os
import uuid
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..errors import CTReadError
from ..io.label_maps import write_lung_labels
from ..io.result_folder import write_volume
from ..io.tables import Row, read_rows, write_table, write_text
from ..runtime.atomic import cleanup_on_exit
from ..volume import CTVolume
from .scan import CohortScan, NoduleLabel, natural_order

SOURCE = "LUNA16"
LUNGS_FOLDER = "seg-lungs-LUNA16"
ANNOTATIONS, EXCLUDED, IDS = "annotations.csv", "annotations_excluded.csv", "seriesuids.csv"
COLUMNS = ("seriesuid", "coordX", "coordY", "coordZ", "diameter_mm")
_TABLE_FOLDERS = (".", "evaluationScript/annotations")  # where the challenge's archives put them
_UNMEASURED_MM = 10.0  # what the challenge takes for an excluded finding whose diameter is -1


def is_luna16(folder: Path) -> bool:
    """Whether a folder is laid out as LUNA16."""
    return _table(folder, ANNOTATIONS) is not None and any(_subsets(folder))


def read_luna16(folder: Path, complete: bool = True) -> tuple[CohortScan, ...]:
    """The scans of LUNA16 with all their nodules, in natural order of their ids; no image is read.

    Parameters
    ----------
    complete
        Refuse a cohort in which a scan is missing that a table names; else read what is there.

    Raises
    ------
    CTReadError
        For a table that is missing or ill-formed, a scan twice, and a missing scan; the message names file and line.
    """
    paths = _scans(folder)
    annotations = _table(folder, ANNOTATIONS)
    if annotations is None:
        raise CTReadError(f"{folder} has no {ANNOTATIONS}; expected LUNA16: subset0 to subset9 and {ANNOTATIONS}.")
    excluded = _table(folder, EXCLUDED)
    nodules = _nodules(annotations, paths, complete)
    others = _nodules(excluded, paths, complete, _UNMEASURED_MM) if excluded else {}
    ids = _listed_ids(folder, paths, complete)
    return tuple(
        CohortScan(
            id=uid,
            path=paths[uid],
            label=None,
            nodules=tuple(nodules.get(uid, ())),
            source=SOURCE,
            part=paths[uid].parent.name,
            excluded=tuple(others.get(uid, ())),
            lungs_path=_if_there(folder / LUNGS_FOLDER / f"{uid}.mhd"),
        )
        for uid in sorted(ids, key=natural_order)
    )


def _subsets(folder: Path) -> Iterable[Path]:
    return (path for path in sorted(folder.glob("subset*")) if path.is_dir())


def _scans(folder: Path) -> dict[str, Path]:
    """Every scan's header by its id."""
    paths: dict[str, Path] = {}
    for subset in _subsets(folder):
        for path in sorted(subset.glob("*.mhd")):
            if path.stem in paths:
                raise CTReadError(f"The scan {path.stem} is there twice: {paths[path.stem]} and {path}. Remove one.")
            paths[path.stem] = path
    if not paths:
        raise CTReadError(f"{folder} has no scan subset*/*.mhd; expected LUNA16: subset0 to subset9.")
    return paths


def _table(folder: Path, name: str) -> Path | None:
    return next((path for place in _TABLE_FOLDERS if (path := folder / place / name).is_file()), None)


def _nodules(
    path: Path, scans: dict[str, Path], complete: bool, unmeasured_mm: float | None = None
) -> dict[str, list[NoduleLabel]]:
    found: dict[str, list[NoduleLabel]] = defaultdict(list)
    for row in read_rows(path, COLUMNS):
        uid = row.text("seriesuid")
        label = _label(row, unmeasured_mm)
        if uid not in scans:
            if complete:
                raise row.error(f"a nodule of scan {uid}, which is in no subset folder")
            continue
        if unmeasured_mm is None and label in found[uid]:
            raise row.error("the same nodule twice")
        found[uid].append(label)
    return found


def _label(row: Row, unmeasured_mm: float | None) -> NoduleLabel:
    x, y, z, diameter_mm = (row.number(column) for column in COLUMNS[1:])
    if diameter_mm <= 0:
        if unmeasured_mm is None:
            raise row.error(f"a diameter of {diameter_mm:g} mm, expected more than 0")
        diameter_mm = unmeasured_mm
    return NoduleLabel((x, y, z), diameter_mm)


def _listed_ids(folder: Path, scans: dict[str, Path], complete: bool) -> list[str]:
    """The ids of `seriesuids.csv` (no header, one a line), or of all scans where there is no such file."""
    path = _table(folder, IDS)
    if path is None:
        return list(scans)
    ids: list[str] = []
    for line, uid in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        row = Row(path, line, {"id": uid})
        if uid.strip() == "":
            continue
        if uid.strip() in ids:
            raise row.error(f"the scan {uid.strip()} twice")
        if uid.strip() in scans:
            ids.append(uid.strip())
        elif complete:
            raise row.error(f"the scan {uid.strip()}, which is in no subset folder")
    return ids


def _if_there(path: Path) -> Path | None:
    return path if path.is_file() else None


def write_luna16_scan(folder: Path, uid: str, subset: str, volume: CTVolume, lungs: np.ndarray | None = None) -> None:
    """A scan as `subset*/UID.mhd` and `.raw`, not compressed, and its lungs (K, J, I; 1 left, 2 right) beside.

    The header comes last, so that a scan which is listed is whole.

    Raises
    ------
    OSError
        Where a file could not be written whole.
    """
    with cleanup_on_exit(folder / f".{uid}.{uuid.uuid4().hex[:8]}") as staging:
        for place in (staging, folder / subset, folder / LUNGS_FOLDER):
            place.mkdir(parents=True, exist_ok=True)
        if lungs is not None:
            write_lung_labels(lungs, volume, staging / f"{uid}.mhd")
            _move(staging, folder / LUNGS_FOLDER, uid)
        write_volume(volume, staging / f"{uid}.mhd", compressed=False)
        _move(staging, folder / subset, uid)


def write_luna16_tables(folder: Path, scans: Iterable[CohortScan]) -> None:
    """`annotations.csv` and `seriesuids.csv` of all scans.

    Raises
    ------
    OutputError
    """
    scans = list(scans)
    rows = [(scan.id, *nodule.center_lps_mm, nodule.diameter_mm) for scan in scans for nodule in scan.nodules]
    write_table(folder / ANNOTATIONS, COLUMNS, rows)
    write_text(folder / IDS, "".join(f"{scan.id}\n" for scan in scans))


def _move(staging: Path, target: Path, uid: str) -> None:
    for extension in ("raw", "mhd"):
        os.replace(staging / f"{uid}.{extension}", target / f"{uid}.{extension}")
