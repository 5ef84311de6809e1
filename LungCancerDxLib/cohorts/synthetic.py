"""Synthetic cohorts in the formats of LUNA16 and the Data Science Bowl 2017; a killed build goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ..datasets.dsb2017 import IMAGES, NODULE_COLUMNS, NODULES, write_dsb2017_patient, write_dsb2017_tables
from ..datasets.dsb2017 import SOURCE as DSB2017
from ..datasets.luna16 import SOURCE as LUNA16
from ..datasets.luna16 import write_luna16_scan, write_luna16_tables
from ..datasets.scan import CohortScan, NoduleLabel
from ..errors import Cancelled, OutputError, UsageError
from ..io.dicom.writer import derived_id, derived_uid
from ..io.tables import write_table, write_text
from ..phantom.case import SyntheticCase, synthetic_case
from ..phantom.nodules.population import Population
from ..runtime.atomic import remove_leftovers
from ..runtime.progress import Progress, silent
from .engine import on_workers

Format = Literal["luna16", "dsb2017"]
PLAN_FILE, RECORDS, TRUTH = "cohort.json", "records", "truth.csv"
_PATIENT_COLUMNS = ("id", "label", "bayes_probability", "leak", "age_years", "female", "emphysema", "nodule_count")
_NODULE_COLUMNS = ("probability", "kind", "margin", "place", "upper_lobe")
_POPULATIONS: dict[Format, Population] = {"luna16": "luna", "dsb2017": "dsb"}
_SUBSETS = 10


@dataclass(frozen=True)
class CohortPlan:
    """What a synthetic cohort's folder is made of; patient 0, 1, 2 ... are the same in a cohort of any size."""

    format: Format
    seed: int
    spacing_mm_kji: tuple[float, float, float] | None = None

    def case(self, index: int) -> SyntheticCase:
        """Patient `index`, made anew."""
        population = _POPULATIONS[self.format]
        return synthetic_case(self.seed, index, spacing_mm_kji=self.spacing_mm_kji, population=population)

    def id_of(self, index: int) -> str:
        """The name of patient `index`."""
        derive = derived_uid if self.format == "luna16" else derived_id
        return derive("LungCancerDx", self.format, self.seed, index)


Make = Callable[[CohortPlan, int], SyntheticCase]


@dataclass(frozen=True)
class _Patient:
    plan: CohortPlan
    index: int
    folder: Path
    make: Make

    @property
    def record_path(self) -> Path:
        return self.folder / RECORDS / f"{self.index:06}.json"


def build_cohort(
    plan: CohortPlan,
    cases: int,
    folder: Path,
    *,
    workers: int = 1,
    make: Make = CohortPlan.case,
    progress: Progress = silent,
    asked_to_stop: Callable[[], bool] = lambda: False,
) -> tuple[int, int]:
    """Write the first `cases` patients of a plan and their tables; returns how many were made and were there before.

    A patient's record is written last, so a patient with a record is whole and not made again; a damaged record counts
    as none.

    Parameters
    ----------
    make
        Makes patient `index` of a plan, found by its name in other processes.

    Raises
    ------
    UsageError
        Where the folder holds another cohort, a larger one or something else.
    OutputError, Cancelled
    """
    _check_plan(plan, folder)
    for place in (folder, folder / IMAGES, folder / RECORDS):
        remove_leftovers(place)
    patients = [_Patient(plan, index, folder, make) for index in range(cases)]
    if (folder / RECORDS / f"{cases:06}.json").is_file():
        raise UsageError(
            f"{folder} holds more than {cases} patients already. Ask for as many, or choose another folder."
        )
    missing = [patient for patient in patients if _record(patient) is None]
    for number, (patient, written) in enumerate(_written(missing, workers, asked_to_stop), start=1):
        if not written:
            raise OutputError(
                f"The process that made patient {patient.index} died twice, most likely for lack of memory; start the "
                "same command again with fewer workers."
            )
        progress(f"{number} of {len(missing)} patients", number / len(missing))
    _write_tables(plan, folder, [_record(patient) or {} for patient in patients])
    return len(missing), cases - len(missing)


def _written(
    patients: Sequence[_Patient], workers: int, asked_to_stop: Callable[[], bool]
) -> Iterator[tuple[_Patient, bool]]:
    """Every patient as it is whole, see `on_workers`; made in this process where one at a time is enough."""
    if workers > 1:
        yield from on_workers(_write_patient, patients, workers=workers, asked_to_stop=asked_to_stop)
        return
    for patient in patients:
        if asked_to_stop():
            raise Cancelled("Stopped. The same command goes on from here.")
        _write_patient(patient)
        yield patient, True


def _write_patient(patient: _Patient) -> None:
    """Make a patient, write the scan and then the record."""
    plan, name = patient.plan, patient.plan.id_of(patient.index)
    case = patient.make(plan, patient.index)
    truth, volume = case.truth, case.patient.volume
    try:
        if plan.format == "luna16":
            subset = f"subset{patient.index % _SUBSETS}"
            write_luna16_scan(patient.folder, name, subset, volume, case.patient.lungs)
        else:
            sex = "F" if truth.female else "M"
            write_dsb2017_patient(patient.folder, name, volume, sex, truth.age_years)
    except OSError as error:
        raise OutputError(
            f"{name} could not be written to {patient.folder} ({error}). Make room on the disk."
        ) from error
    record = {"id": name, "seed": plan.seed, "index": patient.index, **case.record()}
    write_text(patient.record_path, json.dumps(record, indent=2, allow_nan=False) + "\n")


def _record(patient: _Patient) -> dict[str, Any] | None:
    """What was drawn of a patient; None where that is not there or damaged."""
    try:
        record: dict[str, Any] = json.loads(patient.record_path.read_text(encoding="utf-8"))
        json.dumps(record, allow_nan=False)
        whole = record["id"] == patient.plan.id_of(patient.index) and isinstance(record["label"], bool)
        _truth_rows(record)
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return record if whole else None


def _truth_rows(record: dict[str, Any]) -> tuple[list[object], list[list[object]]]:
    """A patient's rows of `truth.csv` and of `nodule_labels.csv`."""
    known = {**record, "nodule_count": len(record["nodules"])}
    nodules = []
    for nodule in record["nodules"]:
        x, y, z = nodule["center_lps_mm"]
        nodules.append([record["id"], x, y, z, nodule["diameter_mm"], *(nodule[name] for name in _NODULE_COLUMNS)])
    return [known[name] for name in _PATIENT_COLUMNS], nodules


def _write_tables(plan: CohortPlan, folder: Path, records: Sequence[dict[str, Any]]) -> None:
    """The tables of the format, and what is known of patients and nodules: `truth.csv` and `nodule_labels.csv`."""
    is_luna16 = plan.format == "luna16"
    scans = []
    for record in records:
        nodules = tuple(NoduleLabel(tuple(n["center_lps_mm"]), n["diameter_mm"]) for n in record["nodules"])
        source = LUNA16 if is_luna16 else DSB2017
        scans.append(CohortScan(record["id"], folder, record["label"], nodules, source))
    (write_luna16_tables if is_luna16 else write_dsb2017_tables)(folder, scans)
    patients, nodules_of = zip(*map(_truth_rows, records), strict=True)
    write_table(folder / TRUTH, _PATIENT_COLUMNS, patients)
    write_table(folder / NODULES, (*NODULE_COLUMNS, *_NODULE_COLUMNS), [row for rows in nodules_of for row in rows])


def _check_plan(plan: CohortPlan, folder: Path) -> None:
    content = json.dumps({"schema": "lungcancerdx/synthetic-cohort/1", **asdict(plan)}, indent=2) + "\n"
    path = folder / PLAN_FILE
    if path.is_file():
        if path.read_text(encoding="utf-8", errors="replace") != content:
            raise UsageError(
                f"{folder} holds a cohort of another format, seed or spacing (see {path}). Choose another."
            )
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is no synthetic cohort (no {PLAN_FILE}). Choose another folder.")
    else:
        write_text(path, content)
