"""A cohort's cases, several at a time; killed and started again it goes on where it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from ..errors import Cancelled
from ..progress import Progress, silent
from .cluster import on_cluster
from .leftovers import remove_leftovers
from .listing import Entry
from .pool import in_processes
from .results import DONE, FAILED, case_folder, check_same_scans, status_of, write_tables
from .run_case import CaseTask, Settings, Work, record_failure, run_case

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
