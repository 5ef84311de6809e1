"""A cohort's run: its tables, broken scans, what is done again and what is not."""

import os
import re
import shutil
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from LungCancerDxLib.cohorts.run import CaseTask, run_case, run_cohort
from LungCancerDxLib.datasets.folder import Entry, list_scans
from LungCancerDxLib.errors import Cancelled, OutputError, UsageError
from LungCancerDxLib.options import ScoreOptions
from Testing.cohorts.runs import rows, run_here, tables, write_scans
from Testing.cohorts.stand_ins import SETTINGS, Settings, deadly_work, no_room, quick_work, small_lungs

pytestmark = pytest.mark.slow

NAMES = ("scan2", "scan10", "scan1")


def never(path, settings):
    pytest.fail(f"{path} was worked on again")


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    return write_scans(tmp_path_factory.mktemp("scans"), NAMES)


@pytest.fixture(scope="module")
def run(scans, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    run_here(scans, out)
    return out


@pytest.fixture
def with_broken(tmp_path):
    folder = write_scans(tmp_path / "scans", ["a", "c"])
    (folder / "b.nrrd").write_text("no image\n")
    return folder


def test_label_maps_are_written_where_they_are_asked_for_only(run, scans, tmp_path):
    run_here(scans, tmp_path, settings=Settings(ScoreOptions(), sha256="0", masks=True))
    assert [path.name for path in (run / "cases" / "scan1").iterdir()] == ["case.json"]
    lungs = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "cases" / "scan1" / "lungs.nrrd")))
    np.testing.assert_array_equal(lungs, small_lungs())


def test_what_has_a_result_is_not_done_again_and_the_tables_come_out_the_same(run, scans):
    before = tables(run)
    for name in ("cases.csv", "nodules.csv"):
        (run / name).unlink()
    said = []
    run_here(scans, run, never, progress=lambda stage, fraction: said.append((stage, fraction)))
    assert tables(run) == before
    assert said == [("0 of 0 scans, 3 there before", 1.0)]


def test_more_scans_join_the_results_that_are_there(tmp_path):
    folder = write_scans(tmp_path / "scans", ["a"])
    run_here(folder, tmp_path / "out")
    write_scans(folder, ["a", "b"])
    said = []
    run_here(folder, tmp_path / "out", progress=lambda stage, fraction: said.append((stage, fraction)))
    assert said == [("0 of 1 scans, 1 there before", 0.0), ("1 of 1 scans, 1 there before", 1.0)]
    assert [row["status"] for row in rows(tmp_path / "out")] == ["done", "done"]


def test_a_broken_scan_is_a_row_with_its_reason_and_is_done_again_only_when_asked(with_broken, tmp_path):
    out = tmp_path / "out"
    assert run_here(with_broken, out) == {"done": 2, "failed": 1}
    cases = rows(out)
    assert [row["status"] for row in cases] == ["done", "failed", "done"]
    assert "b.nrrd: cannot be read" in cases[1]["reason"]
    assert (cases[1]["score"], cases[1]["warnings"]) == ("", "")
    write_scans(with_broken, ["a", "b"])
    assert run_here(with_broken, out, never) == {"done": 2, "failed": 1}
    assert run_here(with_broken, out, retry_failed=True) == {"done": 3}
    assert sorted(path.name for path in (out / "cases" / "b").iterdir()) == ["case.json"]


def test_a_listed_scan_that_is_not_there_is_a_row_with_its_reason(scans, tmp_path):
    (tmp_path / "list.txt").write_text(f"{scans}/scan1.nrrd\ngone\n~nosuchuser/other\n")
    assert run_here(tmp_path / "list.txt", tmp_path / "out") == {"done": 1, "failed": 2}
    cases = rows(tmp_path / "out")
    assert [(row["id"], row["status"]) for row in cases] == [("gone", "failed"), ("other", "failed"), ("scan1", "done")]
    assert "gone: no such file or folder" in cases[0]["reason"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: "{}",
        lambda text: "[]",
        lambda text: text.encode().replace(b"stand-in", b"\xff").decode("latin-1"),
        lambda text: re.sub('"score": [^,]*', '"score": NaN', text),
        lambda text: re.sub('"score": [^,]*', '"score": null', text),
        lambda text: text.replace('"outcome"', '"other"'),
    ],
)
def test_a_case_of_a_damaged_record_is_done_again_and_costs_no_other(run, scans, with_broken, tmp_path, damage):
    shutil.copytree(run, tmp_path / "a")
    record = tmp_path / "a" / "cases" / "scan2" / "case.json"
    record.write_bytes(damage(record.read_text()).encode("latin-1"))
    assert run_here(scans, tmp_path / "a") == {"done": 3}
    assert tables(tmp_path / "a") == tables(run)
    out = tmp_path / "b"
    run_here(with_broken, out)
    before = tables(out)
    (out / "cases" / "b" / "failure.json").write_bytes(damage("stand-in").encode("latin-1"))
    assert run_here(with_broken, out) == {"done": 2, "failed": 1}
    assert tables(out) == before


def test_a_damaged_result_gives_way_to_the_reason_why_there_is_none(with_broken, tmp_path):
    run_here(with_broken, tmp_path / "out")
    (tmp_path / "out" / "cases" / "a" / "case.json").write_text("")
    (with_broken / "a.nrrd").write_text("no image\n")
    assert run_here(with_broken, tmp_path / "out") == {"done": 1, "failed": 2}
    assert [path.name for path in (tmp_path / "out" / "cases" / "a").iterdir()] == ["failure.json"]


def test_a_case_that_another_process_has_done_meanwhile_is_done(scans, tmp_path):
    def overtaken(path, settings):
        run_case(CaseTask(Entry(path.stem, path), tmp_path / "cases" / path.stem, settings, quick_work))
        return quick_work(path, settings)

    assert run_here(scans, tmp_path, overtaken) == {"done": 3}


def test_an_unexpected_error_costs_its_scan_and_a_full_disk_ends_the_run(scans, tmp_path):
    def stumbles(path, settings):
        if path.stem == "scan2":
            raise ZeroDivisionError("by\nzero")
        return quick_work(path, settings)

    assert run_here(scans, tmp_path / "a", stumbles) == {"done": 2, "failed": 1}
    assert rows(tmp_path / "a")[1]["reason"] == "Unexpected ZeroDivisionError: by zero"
    with pytest.raises(OutputError, match="The disk is full"):
        run_here(scans, tmp_path / "b", no_room)


def test_a_result_of_another_scan_of_the_same_name_is_refused(run, tmp_path):
    others = write_scans(tmp_path / "others", NAMES)
    with pytest.raises(UsageError, match=r"'scan1' in .* was made of .*scan1\.nrrd, not of"):
        run_here(others, run, never)


def test_a_scan_that_kills_its_process_twice_is_a_row_and_costs_no_other(tmp_path):
    folder = write_scans(tmp_path / "scans", ["a", "deadly", "z"])
    assert run_cohort(list_scans(folder), tmp_path / "out", SETTINGS, deadly_work) == {"done": 2, "failed": 1}
    assert "died twice" in rows(tmp_path / "out")[1]["reason"]


def test_a_run_that_is_asked_to_stop_stops_with_its_tables_up_to_date(scans, tmp_path):
    def stopped(*_, **__):
        raise Cancelled("Stopped.")
        yield

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("LungCancerDxLib.cohorts.run.on_workers", stopped)
        with pytest.raises(Cancelled, match=r"0 of 3 scans are done\. The same command goes on"):
            run_cohort(list_scans(scans), tmp_path, SETTINGS, never)
    assert [row["status"] for row in rows(tmp_path)] == ["waiting"] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such names")
def test_names_whose_bytes_are_not_utf8_are_worked_on_as_any_other(tmp_path):
    latin_1 = os.fsdecode(b"J\xfcrgen")
    folder = write_scans(tmp_path / "scans", ["a", latin_1])
    (folder / "broken.nrrd").write_text("no image\n")
    out = tmp_path / latin_1
    settings = Settings(ScoreOptions(), sha256="0", masks=True)
    for _ in range(2):  # the second run knows the first one's cases
        assert run_cohort(list_scans(folder), out, settings, quick_work, workers=2) == {"done": 2, "failed": 1}
    assert [(row["id"], row["status"]) for row in rows(out)] == [
        ("J\\udcfcrgen", "done"),
        ("a", "done"),
        ("broken", "failed"),
    ]
    assert sorted(path.name for path in (out / "cases" / latin_1).iterdir()) == [
        "case.json",
        "lungs.nrrd",
        "nodules.nrrd",
    ]
    assert list((out / "cases").glob(".*")) == []
