"""A cohort's cases, each result in a folder that appears whole, and their tables; a killed run goes on where it was."""

from __future__ import annotations

import functools
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..assessment.assess import assess
from ..case import CaseResult
from ..datasets.folder import Entry
from ..errors import Cancelled, LungCancerDxError, OutputError, UsageError
from ..io.result_folder import RESULT_FILES, read_case, write_result
from ..io.tables import write_table, write_text
from ..options import ScoreOptions
from ..runtime.atomic import atomic_folder, remove_leftovers
from ..runtime.progress import Progress, silent
from .engine import on_workers

if TYPE_CHECKING:
    from ..models.bundle import Model

RUN_FILE = "run.json"
SCHEMA = "lungcancerdx/cohort/1"
_ENDS_THE_RUN = (OutputError, UsageError)  # would befall every other case too
_DAMAGED = (OSError, ValueError, LookupError, TypeError, AttributeError)  # raised by records that are
_DIED = "The process that worked on it died twice, most likely for lack of memory; try with fewer workers."
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
    "lung_rads": lambda result: assess(result).scan_category if result.assessment else "",
    "leak": lambda result: result.case.leak,
    "left_lung_ml": lambda result: result.lungs["left_volume_ml"],
    "right_lung_ml": lambda result: result.lungs["right_volume_ml"],
    "unknown_side_lung_ml": lambda result: result.lungs.get("unknown_side_volume_ml"),
    "seconds": lambda result: round(result.timing_s.get("total", sum(result.timing_s.values())), 2),
    "warnings": lambda result: " ".join(result.warnings),
}
CASE_COLUMNS = ("id", "path", "status", "reason", *_OF_RESULT)
_AFTER_CENTER = (
    *("box_diameter_mm", "diameter_mm", "volume_mm3", "type"),
    *("logit", "confidence", "malignancy", "network_malignancy", "contribution", "scored"),
)
NODULE_COLUMNS = ("id", "rank", "source", "x_lps_mm", "y_lps_mm", "z_lps_mm", *_AFTER_CENTER)
SUBMISSION_COLUMNS = ("seriesuid", "coordX", "coordY", "coordZ", "probability")


@dataclass(frozen=True)
class Settings:
    """How every case of a run is scored, the `sha256` that the model must have, and whether masks are kept."""

    options: ScoreOptions
    sha256: str
    masks: bool = False


Work = Callable[[Path, Settings], CaseResult]
"""Reads and scores the CT at a path."""


@dataclass(frozen=True)
class CaseTask:
    """A case to do: `work` must be found by its name in another process."""

    entry: Entry
    folder: Path
    settings: Settings
    work: Work


def check_run(folder: Path, options: dict[str, Any]) -> None:
    """Record the options of a run in its folder, or see that they are those of the run to go on with.

    Raises
    ------
    UsageError
        Where an option has changed, or the folder holds something else than a run.
    OutputError
    """
    record = {"schema": SCHEMA, **options}
    path = folder / RUN_FILE
    if not path.is_file():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"The output {folder} exists and is no run of cohort (no {RUN_FILE}). Choose another.")
        write_text(path, json.dumps(record, indent=2) + "\n")
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = [key for key in {**before, **record} if before.get(key) != record.get(key)]
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{path} is damaged ({error}); choose another output folder.") from error
    if changed:
        differences = "; ".join(f"{key} was {before.get(key)} and is {record.get(key)}" for key in changed)
        raise UsageError(
            f"The run in {folder} was started with other options ({differences}). Choose another output folder, or the "
            "options of that run."
        )


def run_cohort(
    entries: Sequence[Entry],
    out: Path,
    settings: Settings,
    work: Work,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    retry_failed: bool = False,
    progress: Progress = silent,
    asked_to_stop: Callable[[], bool] = lambda: False,
) -> Counter[str]:
    """Do the cases that have no result yet and write the tables; returns how many cases have which status.

    Parameters
    ----------
    scheduler
        Address of a Dask scheduler, to run there instead of in `workers` processes here.
    retry_failed
        Also do again what failed before.

    Raises
    ------
    Cancelled
        Once asked to stop; the tables are up to date then.
    UsageError, OutputError
    """
    for folder in (out, out / CASES):
        remove_leftovers(folder)
    check_same_scans(out, entries)
    tasks = [CaseTask(entry, case_folder(out, entry), settings, work) for entry in entries]
    unsettled = {WAITING, FAILED} if retry_failed else {WAITING}
    tasks = [task for task in tasks if status_of(task.folder) in unsettled]
    there = len(entries) - len(tasks)
    already = f", {there} there before" if there else ""
    progress(f"0 of {len(tasks)} scans{already}", 0.0 if tasks else 1.0)
    ended = on_workers(run_case, tasks, workers=workers, scheduler=scheduler, asked_to_stop=asked_to_stop)
    try:
        for number, (task, done) in enumerate(ended, start=1):
            if not done and status_of(task.folder) != DONE:
                record_failure(task, _DIED)
            progress(f"{number} of {len(tasks)} scans{already}", number / len(tasks))
    except Cancelled as error:
        if scheduler is None:
            remove_leftovers(out / CASES)
        statuses = write_tables(out, entries)
        raise Cancelled(
            f"Stopped; {statuses[DONE]} of {len(entries)} scans are done. The same command goes on from here."
        ) from error
    return write_tables(out, entries)


def run_case(task: CaseTask) -> None:
    """Do a case and write `case.json` (and label maps), or `failure.json` with the reason.

    A case that has a result already is left as it is.

    Raises
    ------
    OutputError, UsageError
        What would befall every case: nothing can be written, another model.
    """
    if status_of(task.folder) == DONE:
        return
    try:
        result = task.work(task.entry.path, task.settings)
    except _ENDS_THE_RUN:
        raise
    except LungCancerDxError as error:
        record_failure(task, str(error))
    except MemoryError:
        record_failure(task, "Not enough memory.")
    except Exception as error:  # one case must not cost the run
        record_failure(task, f"Unexpected {type(error).__name__}: {error}")
    else:
        if not task.settings.masks:
            result = replace(result, lung_labels=None, nodule_labels=None)
        if status_of(task.folder) == DONE:  # by another process, which a scheduler that lost sight of it gave it to
            return
        with atomic_folder(task.folder, _replaceable(task.folder)) as staging:
            assert result.volume is not None
            write_result(result, result.volume, staging)


def record_failure(task: CaseTask, reason: str) -> None:
    """Write why a case has no result, on one line.

    Raises
    ------
    OutputError
    """
    content = {"id": task.entry.id, "path": os.fspath(task.entry.path), "reason": " ".join(reason.split())}
    with atomic_folder(task.folder, _replaceable(task.folder)) as staging:
        (staging / FAILURE_FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def score_ct(path: Path, settings: Settings) -> CaseResult:
    """Read and score a CT as the settings say, with a model that stays loaded.

    Raises
    ------
    CTReadError, NoLungsError, OutOfMemoryError, ModelError
    UsageError
        Where the model of that name has other weights here than where the run was started.
    """
    from ..pipeline import score_file

    model = _model(settings.options.model)
    if model.sha256 != settings.sha256:
        raise UsageError(
            f"The model '{model.name}' has other weights here (sha256 {model.sha256[:16]}...) than where the run was "
            f"started ({settings.sha256[:16]}...). Install the same model everywhere, or give its folder."
        )
    return score_file(path, settings.options, model=model)


@functools.lru_cache(maxsize=1)
def _model(name: str | None) -> Model:
    from ..models.find import find_model

    return find_model(name)


def case_folder(out: Path, entry: Entry) -> Path:
    """Where the result of a case is."""
    return out / CASES / entry.id


def status_of(folder: Path) -> str:
    """Whether a case is done, failed or still waiting: what is damaged counts as not there and is done again."""
    if _result(folder) is not None:
        return DONE
    return WAITING if _reason(folder) is None else FAILED


def check_same_scans(out: Path, entries: Sequence[Entry]) -> None:
    """Refuse to go on where a result was made of another scan of the same id.

    Raises
    ------
    UsageError
    """
    for entry in entries:
        result = _result(case_folder(out, entry))
        if result is not None and (before := result.input["path"]) != str(entry.path):
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
        result = _result(folder)
        reason = _reason(folder) if result is None else None
        status = DONE if result else WAITING if reason is None else FAILED
        statuses[status] += 1
        about = _about(result) if result else [None] * len(_OF_RESULT)
        cases.append([entry.id, entry.path, status, reason, *about])
        for nodule in result.nodules if result else ():
            rest = [getattr(nodule, name) for name in _AFTER_CENTER]
            nodules.append([entry.id, nodule.rank, nodule.source, *nodule.center_lps_mm, *rest])
            submission.append([entry.id, *nodule.center_lps_mm, nodule.confidence])
    write_table(out / CASES_TABLE, CASE_COLUMNS, cases)
    write_table(out / NODULES_TABLE, NODULE_COLUMNS, nodules)
    write_table(out / SUBMISSION_TABLE, SUBMISSION_COLUMNS, submission)
    return statuses


def _result(folder: Path) -> CaseResult | None:
    """The result of a case; None where there is none that the tables can be made of."""
    try:
        result = read_case(folder)
        return result if result.input["path"] and _about(result) else None
    except (*_DAMAGED, LungCancerDxError):
        return None


def _reason(folder: Path) -> str | None:
    """Why a case failed; None where nothing says so."""
    try:
        return str(json.loads((folder / FAILURE_FILE).read_text(encoding="utf-8"))["reason"])
    except _DAMAGED:
        return None


def _about(result: CaseResult) -> list[object]:
    return [value(result) for value in _OF_RESULT.values()]


def _replaceable(folder: Path) -> tuple[str, ...]:
    """What may be in a case's folder that is made anew, see `check_target`: a failure, or a damaged result."""
    return tuple(sorted((FAILURE_FILE, *RESULT_FILES), key=lambda name: not (folder / name).is_file()))
