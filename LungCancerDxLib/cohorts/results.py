"""The tables of a run, made anew from the files of its cases."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..case import CaseResult
from ..datasets.folder import Entry
from ..errors import UsageError
from ..io.result_folder import CASE_FILE
from ..io.tables import write_table
from .case import FAILURE_FILE

CASES_TABLE, NODULES_TABLE, SUBMISSION_TABLE = "cases.csv", "nodules.csv", "luna16_submission.csv"
CASE_COLUMNS = (
    "id",
    "path",
    "status",
    "reason",
    "score",
    "score_name",
    "outcome",
    "model",
    "scored_nodules",
    "listed_nodules",
    "leak",
    "left_lung_ml",
    "right_lung_ml",
    "seconds",
    "warnings",
)
NODULE_COLUMNS = (
    "id",
    "rank",
    "source",
    "x_lps_mm",
    "y_lps_mm",
    "z_lps_mm",
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
SUBMISSION_COLUMNS = ("seriesuid", "coordX", "coordY", "coordZ", "probability")
_AFTER_CENTER = NODULE_COLUMNS[6:]
DONE, FAILED, WAITING = "done", "failed", "waiting"


def case_folder(out: Path, entry: Entry) -> Path:
    """Where the result of a case is."""
    return out / "cases" / entry.id


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
        if status == DONE:
            result = _result(folder)
            cases.append(_case_row(entry, result))
            for nodule in result.nodules:
                more = [getattr(nodule, name) for name in _AFTER_CENTER]
                nodules.append([entry.id, nodule.rank, nodule.source, *nodule.center_lps_mm, *more])
                submission.append([entry.id, *nodule.center_lps_mm, nodule.confidence])
        else:
            reason = _reason(folder) if status == FAILED else None
            cases.append([entry.id, entry.path, status, reason, *[None] * (len(CASE_COLUMNS) - 4)])
    write_table(out / CASES_TABLE, CASE_COLUMNS, cases)
    write_table(out / NODULES_TABLE, NODULE_COLUMNS, nodules)
    write_table(out / SUBMISSION_TABLE, SUBMISSION_COLUMNS, submission)
    return statuses


def _case_row(entry: Entry, result: CaseResult) -> list[object]:
    case = result.case
    return [
        entry.id,
        entry.path,
        DONE,
        None,
        case.score,
        case.score_name,
        result.model["outcome"],
        result.model["name"],
        case.scored_nodules,
        len(result.nodules),
        case.leak,
        result.lungs["left_volume_ml"],
        result.lungs["right_volume_ml"],
        round(result.timing_s.get("total", sum(result.timing_s.values())), 2),
        " ".join(result.warnings),
    ]


def _result(folder: Path) -> CaseResult:
    return CaseResult.from_json((folder / CASE_FILE).read_text(encoding="utf-8"))


def _reason(folder: Path) -> str:
    return json.loads((folder / FAILURE_FILE).read_text(encoding="utf-8"))["reason"]
