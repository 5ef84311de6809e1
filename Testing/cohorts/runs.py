"""Cohorts to run and what tests look at afterwards."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from LungCancerDxLib.cohorts import run as module
from LungCancerDxLib.cohorts.run import run_cohort
from LungCancerDxLib.datasets.folder import list_scans
from LungCancerDxLib.io.image_file import write_volume
from Testing.cohorts.stand_ins import SETTINGS, quick_work, small_volume

TABLES = ("cases.csv", "nodules.csv", "luna16_submission.csv")


def write_scans(folder: Path, names) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        write_volume(small_volume(number), folder / f"{name}.nrrd")
    return folder


def in_this_process(function, tasks, **options):
    """Stands in for `engine.on_workers`."""
    for task in tasks:
        function(task)
        yield task, True


def run_here(scans: Path, out: Path, work=quick_work, settings=SETTINGS, **options):
    """A run without other processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "on_workers", in_this_process)
        return run_cohort(list_scans(scans), out, settings, work, **options)


def rows(out: Path, table: str = "cases.csv") -> list[dict[str, str]]:
    with (out / table).open(newline="") as file:
        return list(csv.DictReader(file))


def tables(out: Path) -> list[list[dict[str, str]]]:
    """All tables without the time that cases took."""
    return [[{key: row[key] for key in row if key != "seconds"} for row in rows(out, name)] for name in TABLES]


def done(out: Path) -> int:
    return len(list((out / "cases").glob("[!.]*/case.json")))
