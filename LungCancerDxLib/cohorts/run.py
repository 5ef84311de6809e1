"""A cohort's cases, several at a time; killed and started again it goes on where it was."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ..datasets.folder import Entry
from ..errors import Cancelled, UsageError
from ..io.tables import write_text
from ..runtime.progress import Progress, silent
from .case import CaseTask, Settings, Work, record_failure, run_case
from .engine import in_processes, on_cluster
from .results import DONE, FAILED, case_folder, check_same_scans, status_of, write_tables

RUN_FILE = "run.json"
SCHEMA = "lungcancerdx/cohort/1"


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
        words = "; ".join(f"{key} was {before.get(key)} and is {record.get(key)}" for key in changed)
        raise UsageError(
            f"The run in {folder} was started with other options ({words}). Choose another output folder, or the "
            "options of that run."
        )


_IN_WORK = re.compile(r"\..+\.[0-9a-f]{8}(\.old|\.stopped)?")


def remove_leftovers(folder: Path) -> None:
    """Remove what `staging` had in work in this folder when its process was killed; nobody else may write there now."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if _IN_WORK.fullmatch(path.name):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()


_DIED = "The process that worked on it died twice, most likely for lack of memory; try with fewer workers."


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
    for folder in (out, out / "cases"):
        remove_leftovers(folder)
    check_same_scans(out, entries)
    tasks = [CaseTask(entry, case_folder(out, entry), settings, work) for entry in entries]
    settled = {DONE} if retry_failed else {DONE, FAILED}
    tasks = [task for task in tasks if status_of(task.folder) not in settled]
    there = len(entries) - len(tasks)
    if scheduler is None:
        run = partial(in_processes, workers=workers, asked_to_stop=asked_to_stop)
    else:
        run = partial(on_cluster, address=scheduler, asked_to_stop=asked_to_stop)
    already = f", {there} there before" if there else ""
    progress(f"0 of {len(tasks)} scans{already}", 0.0 if tasks else 1.0)
    try:
        for number, (task, _) in enumerate(run(run_case, tasks), start=1):
            if status_of(task.folder) not in (DONE, FAILED):
                record_failure(task, _DIED)
            progress(f"{number} of {len(tasks)} scans{already}", number / len(tasks))
    except Cancelled as error:
        statuses = write_tables(out, entries)
        raise Cancelled(
            f"Stopped; {statuses[DONE]} of {len(entries)} scans are done. The same command goes on from here."
        ) from error
    return write_tables(out, entries)
