"""Data Science Bowl 2017: a DICOM folder a patient, diagnoses in CSV (section III-A)."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from ..errors import CTReadError, UsageError
from ..io.dicom.writer import write_dicom_series
from ..io.points import CENTER_COLUMNS, read_spheres
from ..io.tables import read_labels, write_table
from ..runtime.atomic import atomic_folder
from ..volume import CTVolume
from .scan import CohortScan, Dataset, natural_order, nodule_labels

SOURCE = "DSB2017"
LABELS = "stage1_labels.csv"
IMAGES = "stage1"
NODULES = "nodule_labels.csv"
NODULE_COLUMNS = ("id", *CENTER_COLUMNS, "diameter_mm")
_DIAGNOSES = {"training": LABELS, "validation": "stage1_solution.csv", "test": "stage2_solution.csv"}


def is_dsb2017(folder: Path) -> bool:
    """Whether a folder is laid out as the Data Science Bowl's."""
    return (folder / LABELS).is_file()


def read_dsb2017(folder: Path) -> Dataset:
    """The patients of the Data Science Bowl; no image is read.

    Patients are the sub-folders of `stage1` and `stage2`, or of the folder itself where it has neither. Diagnoses
    (columns id,cancer) stand in `stage1_labels.csv` (part "training") and, where they are there, in
    `stage1_solution.csv` ("validation") and `stage2_solution.csv` ("test"); a patient in none has no label. Nodules
    marked by hand stand in `nodule_labels.csv`, where it is there.

    Raises
    ------
    CTReadError
        For a table that is missing or ill-formed and a patient twice; the message names file and line.
    """
    if not is_dsb2017(folder):
        raise CTReadError(f"{folder} has no {LABELS}; expected a folder a patient and {LABELS} with id,cancer.")
    paths = _patients(folder)
    diagnoses: dict[str, tuple[bool, str]] = {}
    for part, name in _DIAGNOSES.items():
        labels = read_labels(folder / name, "cancer", error=CTReadError) if (folder / name).is_file() else {}
        for patient, cancer in labels.items():
            if patient in diagnoses:
                raise CTReadError(f"{folder / name}: the patient {patient} is in another table of diagnoses too.")
            diagnoses[patient] = (cancer, part)
    table = folder / NODULES
    nodules = read_spheres(table, "diameter_mm", error=CTReadError) if table.is_file() else {}
    scans = [
        CohortScan(name, paths[name], label, nodule_labels(nodules.get(name)), SOURCE, part)
        for name in sorted(paths, key=natural_order)
        for label, part in [diagnoses.get(name, (None, ""))]
    ]
    return Dataset(tuple(scans), tuple(sorted((diagnoses.keys() | nodules.keys()) - paths.keys(), key=natural_order)))


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
