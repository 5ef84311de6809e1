"""Data Science Bowl 2017: a DICOM folder a patient, diagnoses in CSV (section III-A)."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from ..errors import CTReadError, UsageError
from ..io.dicom.writer import write_dicom_series
from ..io.tables import Row, read_rows, write_table
from ..runtime.atomic import atomic_folder
from ..volume import CTVolume
from .scan import CohortScan, NoduleLabel, natural_order

SOURCE = "DSB2017"
LABELS = "stage1_labels.csv"
IMAGES = "stage1"
NODULES = "nodule_labels.csv"
NODULE_COLUMNS = ("id", "x_lps_mm", "y_lps_mm", "z_lps_mm", "diameter_mm")
_DIAGNOSES = {"training": LABELS, "validation": "stage1_solution.csv", "test": "stage2_solution.csv"}


def is_dsb2017(folder: Path) -> bool:
    """Whether a folder is laid out as the Data Science Bowl's."""
    return (folder / LABELS).is_file()


def read_dsb2017(folder: Path, nodule_csv: Path | None = None, complete: bool = True) -> tuple[CohortScan, ...]:
    """The patients of the Data Science Bowl in natural order of their ids; no image is read.

    Patients are the sub-folders of `stage1` and `stage2`, or of the folder itself where it has neither. Diagnoses
    (columns id,cancer) stand in `stage1_labels.csv` (part "training") and, where they are there, in
    `stage1_solution.csv` ("validation") and `stage2_solution.csv` ("test"); a patient in none has no label.

    Parameters
    ----------
    nodule_csv
        Nodules marked by hand: columns id,x_lps_mm,y_lps_mm,z_lps_mm,diameter_mm and, where known,
        probability,kind. By default the folder's own `nodule_labels.csv`, if it has one.
    complete
        Refuse a cohort in which a patient is missing that a table names; else read what is there.

    Raises
    ------
    CTReadError
        For a table that is missing or ill-formed, a patient twice, and a missing patient; the message names file and
        line.
    """
    if not is_dsb2017(folder):
        raise CTReadError(f"{folder} has no {LABELS}; expected a folder a patient and {LABELS} with id,cancer.")
    paths = _patients(folder)
    diagnoses = _diagnoses(folder, paths, complete)
    table = nodule_csv or folder / NODULES
    nodules = _nodules(table, paths, complete) if nodule_csv or table.is_file() else {}
    return tuple(
        CohortScan(name, paths[name], label, tuple(nodules.get(name, ())), SOURCE, part)
        for name in sorted(paths, key=natural_order)
        for label, part in [diagnoses.get(name, (None, ""))]
    )


def _patients(folder: Path) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    stages = [path for name in ("stage1", "stage2") if (path := folder / name).is_dir()]
    for stage in stages or [folder]:
        for path in sorted(stage.iterdir()):
            if not path.is_dir() or path.name.startswith("."):
                continue
            if path.name in paths:
                raise CTReadError(
                    f"The patient {path.name} is there twice: {paths[path.name]} and {path}. Remove one of them."
                )
            paths[path.name] = path
    if not paths:
        raise CTReadError(f"{folder} has no patient folders; expected a DICOM folder a patient, in it or in stage1.")
    return paths


def _diagnoses(folder: Path, patients: dict[str, Path], complete: bool) -> dict[str, tuple[bool, str]]:
    found: dict[str, tuple[bool, str]] = {}
    for part, name in _DIAGNOSES.items():
        if not (folder / name).is_file():
            continue
        for row in read_rows(folder / name, ("id", "cancer")):
            patient, cancer = row.text("id"), row.number("cancer")
            if cancer not in (0, 1):
                raise row.error(f"'{row.text('cancer')}' in column cancer, expected 0 or 1")
            if patient in found:
                raise row.error(f"the patient {patient} a second time")
            if _is_there(patient, patients, row, complete):
                found[patient] = (cancer == 1, part)
    return found


def _nodules(path: Path, patients: dict[str, Path], complete: bool) -> dict[str, list[NoduleLabel]]:
    found: dict[str, list[NoduleLabel]] = defaultdict(list)
    for row in read_rows(path, NODULE_COLUMNS):
        patient = row.text("id")
        x, y, z, diameter_mm = (row.number(column) for column in NODULE_COLUMNS[1:])
        if diameter_mm <= 0:
            raise row.error(f"a diameter of {diameter_mm:g} mm, expected more than 0")
        label = NoduleLabel((x, y, z), diameter_mm, row.number_if_any("probability"), row.cells.get("kind") or None)
        if label in found[patient]:
            raise row.error("the same nodule twice")
        if _is_there(patient, patients, row, complete):
            found[patient].append(label)
    return found


def _is_there(patient: str, patients: dict[str, Path], row: Row, complete: bool) -> bool:
    if patient not in patients and complete:
        raise row.error(f"the patient {patient}, who has no folder")
    return patient in patients


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
    with atomic_folder(target) as staging:
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
