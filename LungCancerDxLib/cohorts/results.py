"""The tables of a run, made anew from the files of its cases."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from ..case import CaseResult
from ..datasets.folder import Entry
from ..errors import UsageError
from ..io.result_folder import CASE_FILE
from ..io.tables import write_table

CASES, FAILURE_FILE = "cases", "failure.json"
CASES_TABLE, NODULES_TABLE, SUBMISSION_TABLE = "cases.csv", "nodules.csv", "luna16_submission.csv"
DONE, FAILED, WAITING = "done", "failed", "waiting"

_OF_RESULT: dict[str, Callable[[CaseResult], object]] = {
    "score": lambda result: result.case.score,
    "score_name": lambda result: result.case.score_name,
    "outcome": lambda result: result.model["outcome"],
    "model": lambda result: result.model["name"],
    "scored_nodules": lambda result: result.case.scored_nodules,
    "listed_nodules": lambda result: len(result.nodules),
    "leak": lambda result: result.case.leak,
    "left_lung_ml": lambda result: result.lungs["left_volume_ml"],
    "right_lung_ml": lambda result: result.lungs["right_volume_ml"],
    "seconds": lambda result: round(result.timing_s.get("total", sum(result.timing_s.values())), 2),
    "warnings": lambda result: " ".join(result.warnings),
}
CASE_COLUMNS = ("id", "path", "status", "reason", *_OF_RESULT)
_AFTER_CENTER = (
    "box_diameter_mm",
    "diameter_mm",
    "volume_mm3",
    "type",
    "logit",
    "confidence",
    "malignancy",
    "contribution",
    "scored",
)
NODULE_COLUMNS = ("id", "rank", "source", "x_lps_mm", "y_lps_mm", "z_lps_mm", *_AFTER_CENTER)
SUBMISSION_COLUMNS = ("seriesuid", "coordX", "coordY", "coordZ", "probability")


def case_folder(out: Path, entry: Entry) -> Path:
    """Where the result of a case is."""
    return out / CASES / entry.id


def status_of(folder: Path) -> str:
    """Whether a case is done, failed or still waiting."""
    if (folder / CASE_FILE).is_file():
        return DONE
    return FAILED if (folder / FAILURE_FILE).is_file() else WAITING


def check_same_scans(out: Path, entries: Sequence[Entry]) -> None:
    """Refuse to go on where a result was made of another scan of the same id.

    Raises
    ------
    UsageError
    """
    for entry in entries:
        folder = case_folder(out, entry)
        if (folder / CASE_FILE).is_file():
            before = _result(folder).input["path"]
            if before != str(entry.path):
                raise UsageError(
                    f"The case '{entry.id}' in {out} was made of {before}, not of {entry.path}. Choose another output "
                    "folder."
                )


def write_tables(out: Path, entries: Sequence[Entry]) -> Counter[str]:
    """Write `cases.csv`, `nodules.csv` and `luna16_submission.csv`; returns how many cases have which status.

    Rows are in the order of the entries, nodules by rank. Of a run's tables only the column seconds of `cases.csv`
    differs from one run to the next.

    Raises
    ------
    OutputError
    """
    cases: list[Sequence[object]] = []
    nodules: list[Sequence[object]] = []
    submission: list[Sequence[object]] = []
    statuses: Counter[str] = Counter()
    for entry in entries:
        folder = case_folder(out, entry)
        status = status_of(folder)
        statuses[status] += 1
        reason = _reason(folder) if status == FAILED else None
        result = _result(folder) if status == DONE else None
        about = [None if result is None else value(result) for value in _OF_RESULT.values()]
        cases.append([entry.id, entry.path, status, reason, *about])
        for nodule in result.nodules if result else ():
            rest = [getattr(nodule, name) for name in _AFTER_CENTER]
            nodules.append([entry.id, nodule.rank, nodule.source, *nodule.center_lps_mm, *rest])
            submission.append([entry.id, *nodule.center_lps_mm, nodule.confidence])
    write_table(out / CASES_TABLE, CASE_COLUMNS, cases)
    write_table(out / NODULES_TABLE, NODULE_COLUMNS, nodules)
    write_table(out / SUBMISSION_TABLE, SUBMISSION_COLUMNS, submission)
    return statuses


def _result(folder: Path) -> CaseResult:
    return CaseResult.from_json((folder / CASE_FILE).read_text(encoding="utf-8"))


def _reason(folder: Path) -> str:
    reason: str = json.loads((folder / FAILURE_FILE).read_text(encoding="utf-8"))["reason"]
    return reason
