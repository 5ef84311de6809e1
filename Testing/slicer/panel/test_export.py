"""A case out of the scene into files."""

import csv
import json

import numpy as np
import pytest

from LungCancerDxLib.case import CaseResult
from Testing.slicer.panel.conftest import cases, choose, place_point, result_of, run, tick, wait

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

FILES = {"case.json", "nodules.csv", "summary.txt", "scene.mrb"}


@pytest.fixture
def scored(app, quick, ct):
    """The widget, a run done, one nodule overruled and a point classified."""
    choose(app, quick, ct)
    run(app, quick)
    tick(app, quick, 2, False)
    place_point(app, quick, (-60.0, 10.0, -30.0))
    wait(app, quick)
    return quick


def export(app, widget, folder):
    widget.ui.exportPathLineEdit.currentPath = str(folder)
    widget.ui.exportButton.click()
    app.process_events()


@pytest.mark.slow
def test_the_files_say_what_the_scene_says(app, scored, tmp_path):
    folder = tmp_path / "new" / "export"
    export(app, scored, folder)
    assert app.displayed == []
    assert {path.name for path in folder.iterdir()} >= FILES
    assert str(folder) in scored.ui.statusLabel.text
    result = result_of(cases(app)[0])
    assert CaseResult.from_json((folder / "case.json").read_text(encoding="utf-8")) == result
    with (folder / "nodules.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["rank"]) for row in rows] == [nodule.rank for nodule in result.nodules]
    for row, nodule in zip(rows, result.nodules, strict=True):
        assert tuple(float(row[f"{axis}_lps_mm"]) for axis in "xyz") == nodule.center_lps_mm
        assert row["malignancy"] == ("" if nodule.malignancy is None else repr(nodule.malignancy))
        assert row["scored"] == str(nodule.scored)
    assert cases(app)[0].summary.GetText() == (folder / "summary.txt").read_text(encoding="utf-8")
    app.open_scene(folder / "scene.mrb")
    assert result_of(cases(app)[0]) == result


@pytest.mark.slow
def test_the_picture_of_the_views_is_taken_by_slicers_own_means(app, scored, tmp_path, monkeypatch):
    import sys
    from pathlib import Path
    from types import SimpleNamespace

    class ScreenCaptureLogic:
        def captureImageFromView(self, view, filename):
            assert view is None
            Path(filename).write_bytes(b"PNG")

    monkeypatch.setitem(sys.modules, "ScreenCapture", SimpleNamespace(ScreenCaptureLogic=ScreenCaptureLogic))
    export(app, scored, tmp_path / "export")
    assert {path.name for path in (tmp_path / "export").iterdir()} == {*FILES, "views.png"}


@pytest.mark.parametrize("occupied", ["folder", "file", "unnamed"])
def test_an_occupied_place_is_refused_in_words_and_left_as_it_is(app, scored, tmp_path, occupied):
    folder = tmp_path / "export"
    if occupied == "folder":
        folder.mkdir()
        (folder / "mine.txt").write_text("mine")
    elif occupied == "file":
        folder.write_text("mine")
    export(app, scored, " " if occupied == "unnamed" else folder)
    (message,) = app.displayed
    assert message.kind == "error"
    assert "folder" in message.text
    assert "--" not in message.text
    assert [path.read_text() for path in tmp_path.rglob("*.txt")] == (["mine"] if occupied == "folder" else [])
    assert len(list(tmp_path.iterdir())) == (0 if occupied == "unnamed" else 1)


def test_nothing_is_left_half_written(app, scored, tmp_path, monkeypatch):
    monkeypatch.setattr(slicer.util, "saveScene", lambda path: False)
    export(app, scored, tmp_path / "export")
    (message,) = app.displayed
    assert "scene.mrb could not be written" in message.text
    assert list(tmp_path.iterdir()) == []


def test_an_empty_case_is_exported_too(app, quick, ct, runs, tmp_path):
    from dataclasses import replace

    runs.change = lambda result: replace(result, nodules=()).rescored(())
    choose(app, quick, ct)
    run(app, quick)
    assert quick.ui.noduleTable.rowCount == 0
    assert not quick.ui.nextButton.enabled
    export(app, quick, tmp_path / "export")
    assert app.displayed == []
    assert json.loads((tmp_path / "export" / "case.json").read_text())["nodules"] == []
    assert (tmp_path / "export" / "nodules.csv").read_text().split() == ["rank"]


@pytest.mark.slow
def test_the_report_is_written_by_a_run_on_the_exported_case(app, scored, runs, tmp_path):
    from LungCancerDxLib.io.result_folder import read_result

    folder = tmp_path / "with report"
    scored.ui.reportCheckBox.checked = True
    export(app, scored, folder)
    wait(app, scored)
    assert app.displayed == []
    asked = runs.asked[-1]
    assert asked[2:5] == ["report", str(folder), "--ct"]
    assert asked[5].endswith("ct.nrrd")
    whole, exported = read_result(runs._folder), read_result(folder)
    assert exported.lung_labels.shape == whole.lung_labels.shape
    np.testing.assert_array_equal(exported.lung_labels, whole.lung_labels)
    np.testing.assert_array_equal(exported.nodule_labels, whole.nodule_labels)
