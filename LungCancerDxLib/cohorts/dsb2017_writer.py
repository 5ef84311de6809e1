"""Writing patients and tables as the Data Science Bowl has them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from ..errors import UsageError
from ..staging import whole_folder
from ..volume import CTVolume
from .dicom_writer import write_dicom_series
from .dsb2017 import IMAGES, LABELS
from .scan import CohortScan
from .tables import write_table


def write_dsb2017_patient(
    folder: Path, name: str, volume: CTVolume, sex: str = "", age_years: float | None = None
) -> None:
    """A patient as a DICOM folder `stage1/NAME`, whole or not at all; one already there is replaced.

    Raises
    ------
    OutputError
    """
    target = folder / IMAGES / name
    shutil.rmtree(target, ignore_errors=True)
    with whole_folder(target) as staging:
        write_dicom_series(volume, staging, name, sex, age_years)


def write_dsb2017_tables(folder: Path, scans: Iterable[CohortScan]) -> None:
    """`stage1_labels.csv` of all patients.

    Raises
    ------
    UsageError
        Where a patient has no label.
    OutputError
    """
    scans = list(scans)
    unlabelled = [scan.id for scan in scans if scan.label is None]
    if unlabelled:
        raise UsageError(f"The patient {unlabelled[0]} has no label; {LABELS} holds 0 or 1 for every patient.")
    write_table(folder / LABELS, ("id", "cancer"), [(scan.id, scan.label) for scan in scans])
