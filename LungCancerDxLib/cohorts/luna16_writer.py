"""Writing scans and tables as LUNA16 has them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..result_folder import write_volume
from ..staging import in_work
from ..volume import CTVolume
from .luna16 import ANNOTATIONS, COLUMNS, IDS, LUNGS_FOLDER
from .lung_labels import write_lung_labels
from .scan import CohortScan
from .tables import write_table, write_text


def write_luna16_scan(folder: Path, uid: str, subset: str, volume: CTVolume, lungs: np.ndarray | None = None) -> None:
    """A scan as `subset*/UID.mhd` and `.raw`, not compressed, and its lungs (K, J, I; 1 left, 2 right) beside.

    The header comes last, so that a scan which is listed is whole.

    Raises
    ------
    OSError
        Where a file could not be written whole.
    """
    with in_work(folder / f".{uid}.{uuid.uuid4().hex[:8]}") as staging:
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
