"""What is known of the synthetic patients of a cohort: `truth.csv` and `nodule_labels.csv`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..io.tables import read_rows, write_table
from .dsb2017 import NODULE_COLUMNS, NODULES

TRUTH = "truth.csv"
_COLUMNS = ("id", "label", "bayes_probability", "leak", "age_years", "female", "emphysema", "nodule_count")


@dataclass(frozen=True)
class PatientTruth:
    """One row of `truth.csv`.

    Parameters
    ----------
    label
        The drawn diagnosis.
    bayes_probability
        Of the diagnosis given all that it depends on: no model can know more.
    leak
        The probability of cancer that no nodule explains.
    """

    label: bool
    bayes_probability: float
    leak: float
    age_years: float
    female: bool
    emphysema: bool
    nodule_count: int


def read_truth(folder: Path) -> dict[str, PatientTruth]:
    """The truth of a synthetic cohort by id.

    Raises
    ------
    CTReadError
        Where `truth.csv` is missing or ill-formed; the message names the line.
    """
    found: dict[str, PatientTruth] = {}
    for row in read_rows(folder / TRUTH, _COLUMNS):
        name = row.text("id")
        if name in found:
            raise row.error(f"the patient {name} a second time")
        found[name] = PatientTruth(
            label=bool(row.number("label")),
            bayes_probability=row.number("bayes_probability"),
            leak=row.number("leak"),
            age_years=row.number("age_years"),
            female=bool(row.number("female")),
            emphysema=bool(row.number("emphysema")),
            nodule_count=int(row.number("nodule_count")),
        )
    return found


def write_truth(folder: Path, records: Sequence[dict[str, Any]]) -> None:
    """Both tables from the records of the patients (see `phantom.case.SyntheticCase.record`), each with its id.

    Raises
    ------
    OutputError
    """
    write_table(folder / TRUTH, _COLUMNS, [_truth_row(record) for record in records])
    rows = [
        (record["id"], *nodule["center_lps_mm"], nodule["diameter_mm"], *(nodule[name] for name in _NODULE_MORE))
        for record in records
        for nodule in record["nodules"]
    ]
    write_table(folder / NODULES, (*NODULE_COLUMNS, *_NODULE_MORE), rows)


_NODULE_MORE = ("probability", "kind", "margin", "place", "upper_lobe")


def _truth_row(record: dict[str, Any]) -> list[object]:
    known = {**record, "nodule_count": len(record["nodules"])}
    return [known[name] for name in _COLUMNS]
