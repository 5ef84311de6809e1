"""LUNA16: MetaImage scans in ten subsets, nodules in `annotations.csv` (section III-A; Setio et al. 2017)."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..errors import CTReadError
from ..io.image_file import read_label_map, write_image, write_volume
from ..io.points import read_spheres
from ..io.tables import read_first_column, write_table, write_text
from ..names import LEFT, RIGHT
from ..runtime.atomic import cleanup_on_exit
from ..volume import CTVolume, corners_apart_mm
from .scan import CohortScan, Dataset, natural_order, nodule_labels

SOURCE = "LUNA16"
LUNGS_FOLDER = "seg-lungs-LUNA16"
ANNOTATIONS, IDS = "annotations.csv", "seriesuids.csv"
_CENTER = ("coordX", "coordY", "coordZ")
COLUMNS = ("seriesuid", *_CENTER, "diameter_mm")
_TABLE_FOLDERS = (".", "evaluationScript/annotations")  # where the challenge's archives put them
_OUR_LABELS = {3: LEFT, 4: RIGHT}  # of the challenge's; 5 are the airways
_SAME_PLACE_MM = 0.01  # of the farthest corner


def is_luna16(folder: Path) -> bool:
    """Whether a folder is laid out as LUNA16."""
    return _table(folder, ANNOTATIONS) is not None and any(folder.glob("subset*/"))


def read_luna16(folder: Path) -> Dataset:
    """The scans of LUNA16 with all their nodules; no image is read.

    `seriesuids.csv`, where it is there, says which scans belong to the challenge.

    Raises
    ------
    CTReadError
        For a table that is missing or ill-formed and a scan twice; the message names file and line.
    """
    paths = _scans(folder)
    annotations, listed = _table(folder, ANNOTATIONS), _table(folder, IDS)
    if annotations is None:
        raise CTReadError(f"{folder} has no {ANNOTATIONS}; expected LUNA16: subset0 to subset9 and {ANNOTATIONS}.")
    nodules = read_spheres(annotations, "diameter_mm", "seriesuid", _CENTER, CTReadError)
    ids = set(read_first_column(listed, CTReadError)) if listed else set(paths)
    scans = [
        CohortScan(
            id=uid,
            path=paths[uid],
            label=None,
            nodules=nodule_labels(nodules.get(uid)),
            source=SOURCE,
            part=paths[uid].parent.name,
            lungs_path=lungs if (lungs := folder / LUNGS_FOLDER / f"{uid}.mhd").is_file() else None,
        )
        for uid in sorted(ids & paths.keys(), key=natural_order)
    ]
    return Dataset(tuple(scans), tuple(sorted((ids | nodules.keys()) - paths.keys(), key=natural_order)))


def read_lung_labels(path: Path, volume: CTVolume) -> np.ndarray:
    """The lungs of a scan as the challenge labelled them: uint8, (K, J, I) of `volume`, 1 left, 2 right.

    Raises
    ------
    CTReadError
        Where the file cannot be read or lies on another grid than the scan.
    """
    found, affine = read_label_map(path)
    apart_mm = corners_apart_mm(affine, volume.kji_to_lps, found.shape)
    if found.shape != volume.shape_kji or apart_mm > _SAME_PLACE_MM:
        raise CTReadError(
            f"{path}: the lung labels ({found.shape} voxels) do not lie on the grid of {volume.info.get('path')} "
            f"({volume.shape_kji} voxels); corners are {apart_mm:.2f} mm apart. Use the labels of this scan."
        )
    lungs = np.zeros(found.shape, np.uint8)
    for theirs, ours in _OUR_LABELS.items():
        lungs[found == theirs] = ours
    return lungs


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
            labels = np.zeros(lungs.shape, np.uint8)
            for theirs, ours in _OUR_LABELS.items():
                labels[lungs == ours] = theirs
            write_image(labels, volume, staging / f"{uid}.mhd", compressed=False)
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


def _scans(folder: Path) -> dict[str, Path]:
    """Every scan's header by its id."""
    paths: dict[str, Path] = {}
    for path in sorted(folder.glob("subset*/*.mhd")):
        if path.stem in paths:
            raise CTReadError(f"The scan {path.stem} is there twice: {paths[path.stem]} and {path}. Remove one.")
        paths[path.stem] = path
    if not paths:
        raise CTReadError(f"{folder} has no scan subset*/*.mhd; expected LUNA16: subset0 to subset9.")
    return paths


def _table(folder: Path, name: str) -> Path | None:
    return next((path for place in _TABLE_FOLDERS if (path := folder / place / name).is_file()), None)


def _move(staging: Path, target: Path, uid: str) -> None:
    for extension in ("raw", "mhd"):
        os.replace(staging / f"{uid}.{extension}", target / f"{uid}.{extension}")
