"""Marks (what a detector found) and findings (what is there), on a list of scans.

Accepted are LUNA16's submission and annotation files (`seriesuid,coordX,coordY,coordZ,probability` and
`...,diameter_mm`), the tables of `lungcancerdx cohort` (`id,x_lps_mm,y_lps_mm,z_lps_mm,...`) and the nodule labels of
synthetic cohorts, whose column `probability` is each nodule's malignancy. All give LPS mm.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import UsageError
from ..io.tables import Table, read_first_column, read_table

_SCAN = ("seriesuid", "id")
_CENTER = (("coordX", "x_lps_mm"), ("coordY", "y_lps_mm"), ("coordZ", "z_lps_mm"))
_SCORE = ("probability", "logit", "confidence")
_MALIGNANCY = ("malignancy", "probability")
_UNMEASURED_DIAMETER_MM = 10.0  # LUNA16's for a finding whose diameter is negative


@dataclass(frozen=True)
class Detections:
    """Marks and findings of N and M rows, on scans numbered 0 to `scans` - 1.

    Parameters
    ----------
    mark_scan, mark_center_lps_mm, mark_score, mark_diameter_mm
        (N,) scan numbers, (N, 3) centres, (N,) scores, greater is surer, and (N,) diameters of their boxes, NaN where
        none is given.
    finding_scan, finding_center_lps_mm, finding_diameter_mm
        (M,), (M, 3), (M,); diameters are positive.
    finding_counts
        (M,) bool: False for excluded findings, on which marks are neither right nor wrong.
    finding_malignancy
        (M,) greater is more malignant, NaN where it is not known.
    remarks
        Sentences about what was left out.
    """

    scans: int
    mark_scan: np.ndarray
    mark_center_lps_mm: np.ndarray
    mark_score: np.ndarray
    mark_diameter_mm: np.ndarray
    finding_scan: np.ndarray
    finding_center_lps_mm: np.ndarray
    finding_diameter_mm: np.ndarray
    finding_counts: np.ndarray
    finding_malignancy: np.ndarray
    remarks: tuple[str, ...] = ()


def read_detections(
    predictions: Path, annotations: Path, excluded: Path | None = None, scans: Path | None = None
) -> Detections:
    """Read predictions and annotations, optional excluded findings and the optional list of all scans.

    The list's first column names the scans, see `read_first_column`: LUNA16's `seriesuids.csv` or a cohort's
    `cases.csv`. Without it the scans
    are those that any table names, so scans without marks and nodules are missing, and a remark says so. With it, rows
    on other scans are left out, and a remark counts them. Rows of predictions whose `source` is `user` are no
    detections and are left out.

    Raises
    ------
    UsageError
        Where a file cannot be read or understood, a finding is annotated twice, or predictions and annotations have no
        scan in common.
    """
    marks = read_table(predictions)
    if marks.has("source"):
        marks = marks.where(np.array([source != "user" for source in marks.columns["source"]], dtype=bool))
    counted = read_table(annotations)
    _check_once(counted)
    ignored = read_table(excluded) if excluded is not None else None
    findings = [counted] if ignored is None else [counted, ignored]
    named = [table.texts(*_SCAN) for table in (marks, *findings)]
    if scans is not None:
        listed = list(dict.fromkeys(read_first_column(scans)))
    else:
        listed = sorted({scan for names in named for scan in names})
    _check_shared(predictions, set(named[0]), annotations, set(named[1]), scans, set(listed))
    number = {scan: place for place, scan in enumerate(listed)}
    remarks = []
    if scans is None:
        remarks.append(
            f"Scans are the {len(listed)} that the tables name. Scans with neither marks nor nodules are unknown "
            "without a list of all scans; if there are any, false positives per scan come out too high."
        )
    kept = []
    for table, names in zip((marks, *findings), named, strict=True):
        known = np.array([scan in number for scan in names], dtype=bool)
        kept.append(table.where(known))
        if not known.all():
            remarks.append(f"{(~known).sum()} rows of {table.path.name} are on scans outside the list, left out.")
    marks, findings = kept[0], kept[1:]
    box_mm = _optional(marks, "box_diameter_mm")  # the detector's own box where it is there, else what was measured
    return Detections(
        scans=len(listed),
        mark_scan=_scan_numbers(marks, number),
        mark_center_lps_mm=_centers(marks),
        mark_score=marks.numbers(*_SCORE),
        mark_diameter_mm=np.where(np.isnan(box_mm), _optional(marks, "diameter_mm"), box_mm),
        finding_scan=np.concatenate([_scan_numbers(table, number) for table in findings]),
        finding_center_lps_mm=np.concatenate([_centers(table) for table in findings]),
        finding_diameter_mm=np.concatenate([_finding_diameters(table) for table in findings]),
        finding_counts=np.repeat([True, False], [len(findings[0]), sum(map(len, findings[1:]))]),
        finding_malignancy=np.concatenate([_optional(table, *_MALIGNANCY) for table in findings]),
        remarks=tuple(remarks),
    )


def _check_once(annotations: Table) -> None:
    lines: dict[tuple[object, ...], int] = {}
    rows = zip(annotations.texts(*_SCAN), *_centers(annotations).T, annotations.numbers("diameter_mm"), strict=True)
    for line, finding in zip(annotations.lines, rows, strict=True):
        if finding in lines:
            raise annotations.complaint(line, f"the same finding as in line {lines[finding]}; remove one.")
        lines[finding] = line


def _check_shared(
    predictions: Path, marked: set[str], annotations: Path, annotated: set[str], scans: Path | None, listed: set[str]
) -> None:
    if not listed:
        raise UsageError(f"{scans or predictions} names no scan; expected at least one.")
    for path, names in ((predictions, marked), (annotations, annotated)):
        if scans is not None and names and not names & listed:
            raise UsageError(f"No scan of {path} (such as {min(names)}) is in {scans} (such as {min(listed)}).")
    if scans is None and marked and annotated and not marked & annotated:
        raise UsageError(
            f"{predictions} (such as {min(marked)}) and {annotations} (such as {min(annotated)}) have no scan in "
            "common. If that is meant, give the list of scans too."
        )


def _scan_numbers(table: Table, number: dict[str, int]) -> np.ndarray:
    return np.array([number[scan] for scan in table.texts(*_SCAN)], dtype=np.intp)


def _centers(table: Table) -> np.ndarray:
    return np.stack([table.numbers(*names) for names in _CENTER], axis=1)


def _finding_diameters(table: Table) -> np.ndarray:
    diameter_mm = table.numbers("diameter_mm")
    for line, diameter in zip(table.lines, diameter_mm, strict=True):
        if diameter == 0:
            raise table.complaint(
                line, "expected a diameter, or a negative number for one that was not measured; got 0.", "diameter_mm"
            )
    return np.where(diameter_mm < 0, _UNMEASURED_DIAMETER_MM, diameter_mm)


def _optional(table: Table, *names: str) -> np.ndarray:
    return table.numbers(*names, empty_allowed=True) if table.has(*names) else np.full(len(table), np.nan)
