"""Cohorts to run and what tests look at afterwards."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from LungCancerDxLib.cohorts import run as module
from LungCancerDxLib.cohorts.run import run_cohort
from LungCancerDxLib.datasets.folder import list_scans
from LungCancerDxLib.io.result_folder import write_volume
from Testing.cohorts.stand_ins import SETTINGS, quick_work, small_volume

TABLES = ("cases.csv", "nodules.csv", "luna16_submission.csv")
UNDER_WAY = """
import sys
from pathlib import Path
from LungCancerDxLib.datasets.folder import list_scans
from LungCancerDxLib.cohorts.run import run_cohort
from Testing.cohorts.stand_ins import SETTINGS, slow_work
if __name__ == "__main__":
    run_cohort(list_scans(Path(sys.argv[1])), Path(sys.argv[2]), SETTINGS, slow_work, workers=int(sys.argv[3]))
"""
"""A run of slow work on the folder argv[1] into argv[2] with argv[3] workers, for a process of its own."""


def write_scans(folder: Path, names) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        write_volume(small_volume(number), folder / f"{name}.nrrd")
    return folder


def in_this_process(function, tasks, workers, asked_to_stop):
    """Stands in for `pool.in_processes`."""
    for task in tasks:
        yield task, function(task)


def run_here(scans: Path, out: Path, work=quick_work, settings=SETTINGS, **options):
    """A run without other processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "in_processes", in_this_process)
        return run_cohort(list_scans(scans), out, settings, work, **options)


def rows(out: Path, table: str = "cases.csv") -> list[dict[str, str]]:
    with (out / table).open(newline="") as file:
        return list(csv.DictReader(file))


def tables(out: Path) -> list[list[dict[str, str]]]:
    """All tables without the time that cases took."""
    return [[{key: row[key] for key in row if key != "seconds"} for row in rows(out, name)] for name in TABLES]


def done(out: Path) -> int:
    return len(list((out / "cases").glob("[!.]*/case.json")))
