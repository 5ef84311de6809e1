"""What the user does to CT and results after a run: nothing of it is lost, and nothing wrong is shown as right."""

from dataclasses import replace

import numpy as np
import pytest
import vtk

from Testing.slicer.panel.conftest import (
    cases,
    choose,
    place_point,
    result_of,
    run,
    slice_centres_ras,
    start_held,
    tick,
    wait,
)

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

OWN = "Mine"


@pytest.fixture
def scored(app, quick, ct, runs):
    """The widget, a run done whose classified nodules have outlines."""
    runs.masks_of_classified = True
    runs.change = outlined
    choose(app, quick, ct)
    run(app, quick)
    return quick


def outlined(result):
    return replace(
        result,
        nodules=tuple(replace(n, volume_mm3=None if n.malignancy is None else 90.0) for n in result.nodules),
    )


def segment_ids(app):
    segments = cases(app)[0].segmentation.GetSegmentation()
    return {segments.GetNthSegmentID(n) for n in range(segments.GetNumberOfSegments())}


def report_of(app, widget, folder):
    """Export with a report; returns what was said of it."""
    widget.ui.exportPathLineEdit.currentPath = str(folder)
    widget.ui.reportCheckBox.checked = True
    widget.ui.exportButton.click()
    wait(app, widget)
    return [message.text for message in app.displayed]


def shift_of(app, x, y, z):
    """A transform in the scene."""
    transform = app.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    for axis, shift in enumerate((x, y, z)):
        matrix.SetElement(axis, 3, shift)
    transform.SetMatrixTransformToParent(matrix)
    return transform


def put_under(transform, node):
    node.SetAndObserveTransformNodeID(None if transform is None else transform.GetID())


def take_a_voxel_from(case, segment_id):
    """As with the eraser of the Segment Editor."""
    label = case.segmentation.GetSegmentation().GetSegment(segment_id).GetLabelValue()
    voxels = slicer.util.arrayFromSegmentInternalBinaryLabelmap(case.segmentation, segment_id)
    voxels[tuple(np.argwhere(voxels == label)[0])] = 0
    case.segmentation.GetSegmentation().GetSegment(segment_id).GetRepresentation("Binary labelmap").Modified()


def overwrite_voxels(ct):
    """As a filter or another frame of a sequence does."""
    slicer.util.arrayFromVolume(ct)[:] = -1000
    slicer.util.arrayFromVolumeModified(ct)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["origin", "transform", "hardened"])
def test_a_ct_that_was_moved_after_its_run_is_told_and_gets_no_report(app, scored, ct, how, tmp_path):
    assert "moved" not in scored.ui.warningsLabel.text
    if how == "origin":
        ct.SetOrigin(*np.add(ct.GetOrigin(), (0, 0, 30)))
    elif how == "transform":
        put_under(shift_of(app, 0, 0, 30), ct)
    else:
        transform = shift_of(app, 0, 0, 30)
        for node in (ct, cases(app)[0].markups, cases(app)[0].segmentation):
            put_under(transform, node)
        app.process_events()
        assert "moved" not in scored.ui.warningsLabel.text
        ct.HardenTransform()
    app.process_events()
    assert "The CT or its results were moved" in scored.ui.warningsLabel.text
    (said,) = report_of(app, scored, tmp_path / "export")
    assert "The report was left out: the CT or its results were moved" in said
    assert not (tmp_path / "export" / "lungs.nrrd").exists()


def test_a_ct_whose_voxels_were_changed_after_its_run_is_told_and_gets_no_report(app, scored, ct, runs, tmp_path):
    overwrite_voxels(ct)
    app.process_events()
    assert "The CT's voxels were changed since" in scored.ui.warningsLabel.text
    (said,) = report_of(app, scored, tmp_path / "export")
    assert "The report was left out: the CT's voxels were changed" in said
    asked = len(runs.asked)
    place_point(app, scored, (-60.0, 10.0, -30.0))
    wait(app, scored)
    assert app.displayed[-1].text.startswith("The CT's voxels were changed")
    assert len(runs.asked) == asked


def test_a_result_of_voxels_that_were_changed_meanwhile_is_dropped(app, quick, ct, runs):
    choose(app, quick, ct)
    start_held(app, quick, runs)
    overwrite_voxels(ct)
    runs.runs[-1].deliver()
    wait(app, quick)
    (message,) = app.displayed
    assert message.text == "The CT was changed during the run; the result was dropped. Run again."
    assert cases(app) == []


def test_nothing_more_is_asked_about_a_ct_that_was_moved(app, scored, ct, runs):
    asked = len(runs.asked)
    put_under(shift_of(app, 0, 0, 30), ct)
    app.process_events()
    place_point(app, scored, (-60.0, 10.0, -30.0))
    wait(app, scored)
    (message,) = app.displayed
    assert message.text.startswith("The CT or its results were moved since")
    assert len(runs.asked) == asked


def test_a_ct_that_is_put_back_is_where_it_was(app, scored, ct):
    put_under(shift_of(app, 0, 0, 30), ct)
    app.process_events()
    put_under(None, ct)
    app.process_events()
    assert "moved" not in scored.ui.warningsLabel.text


def test_the_views_go_to_the_nodules_point_wherever_the_ct_is(app, scored, ct):
    put_under(shift_of(app, 0, 0, 30), ct)
    app.process_events()
    scored.ui.nextButton.click()
    app.process_events()
    expected = np.array(result_of(cases(app)[0]).nodules[1].center_lps_mm) * (-1, -1, 1)
    for centre in slice_centres_ras(app):
        np.testing.assert_allclose(centre, expected, atol=0.1)


@pytest.mark.slow
def test_a_point_keeps_what_the_user_did_to_the_segmentation(app, scored, runs):
    (before,) = cases(app)
    segments = before.segmentation.GetSegmentation()
    segments.AddEmptySegment(OWN, OWN)
    segments.RemoveSegment("Nodule_2")
    before.segmentation.GetDisplayNode().SetSegmentOpacity3D("Nodule_1", 0.25)
    for hidden in (OWN, "Nodule_3"):
        before.segmentation.GetDisplayNode().SetSegmentVisibility(hidden, False)
    runs.change = lambda result: replace(
        outlined(result), nodules=(*outlined(result).nodules[:-1], replace(result.nodules[-1], volume_mm3=90.0))
    )
    place_point(app, scored, (-60.0, 10.0, -30.0))
    wait(app, scored)
    (after,) = cases(app)
    assert after.segmentation is before.segmentation
    assert {OWN, "Nodule_1", "LeftLung", "RightLung"} <= segment_ids(app)
    assert "Nodule_2" not in segment_ids(app)
    assert after.segmentation.GetDisplayNode().GetSegmentOpacity3D("Nodule_1") == 0.25
    assert not any(after.segmentation.GetDisplayNode().GetSegmentVisibility(hidden) for hidden in (OWN, "Nodule_3"))
    assert after.markups.GetNumberOfControlPoints() == len(result_of(after).nodules)


def test_a_runner_up_that_is_ticked_gets_its_outline_in_the_same_segmentation(app, scored):
    (before,) = cases(app)
    rank = next(n.rank for n in result_of(before).nodules if n.malignancy is None)
    scored.ui.confidenceSlider.value = 0
    app.process_events()
    assert f"Nodule_{rank}" not in segment_ids(app)
    tick(app, scored, rank, True)
    wait(app, scored)
    (after,) = cases(app)
    assert after.segmentation is before.segmentation
    assert f"Nodule_{rank}" in segment_ids(app)


@pytest.mark.slow
@pytest.mark.parametrize(("segment_id", "name"), [("Nodule_1", "Nodule 1"), ("LeftLung", "Left lung")])
def test_an_outline_that_was_changed_gets_no_report_with_the_figures_of_the_one_before(
    app, scored, tmp_path, segment_id, name
):
    (case,) = cases(app)
    assert report_of(app, scored, tmp_path / "as it was") == []
    take_a_voxel_from(case, segment_id)
    (said,) = report_of(app, scored, tmp_path / "changed")
    assert f"The report was left out: the outline of {name} was changed since it was measured" in said


@pytest.mark.slow
def test_figures_of_an_outline_that_was_changed_are_nowhere_given_without_a_word(app, scored, tmp_path):
    import qt

    said = "Changed outlines: Left lung, Nodule 1; all figures are those of the outlines before."
    app.select_module(None)
    for segment_id in ("Nodule_1", "LeftLung"):
        take_a_voxel_from(cases(app)[0], segment_id)
    app.select_module("LungCancerDx")
    assert said[:50] in scored.ui.warningsLabel.text
    scored.ui.copyButton.click()
    assert qt.QApplication.clipboard().text().startswith(said)
    scored.ui.exportPathLineEdit.currentPath = str(tmp_path / "export")
    scored.ui.exportButton.click()
    for name in ("case.json", "summary.txt"):
        assert said in (tmp_path / "export" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("is_of_the_version_before", [False, True])
def test_points_that_the_user_adds_stay_where_they_are(app, scored, is_of_the_version_before):
    (case,) = cases(app)
    if is_of_the_version_before:
        case.markups.RemoveAttribute("LungCancerDx.Points")
    index = case.markups.AddControlPoint(1.0, 2.0, 3.0, "Mine")
    own, count = case.markups.GetNthControlPointID(index), len(result_of(case).nodules)
    tick(app, scored, 1, False)
    place_point(app, scored, (-60.0, 10.0, -30.0))
    wait(app, scored)
    where = [n for n in range(case.markups.GetNumberOfControlPoints()) if case.markups.GetNthControlPointID(n) == own]
    assert len(where) == 1
    assert case.markups.GetNthControlPointLabel(where[0]) == "Mine"
    assert tuple(case.markups.GetNthControlPointPosition(where[0])) == (1.0, 2.0, 3.0)
    assert case.markups.GetNumberOfControlPoints() == count + 2
    malignancy = case.markups.GetMeasurement("malignancy").GetControlPointValues()
    assert np.isnan(malignancy.GetValue(where[0]))
    assert malignancy.GetValue(count + 1) == pytest.approx(0.625)  # of the point that was placed last


@pytest.mark.slow
def test_a_case_is_put_into_the_scene_to_its_end(app, quick, ct, runs):
    choose(app, quick, ct)
    start_held(app, quick, runs)
    runs.runs[-1].deliver()
    app.wait_until(lambda: bool(cases(app)))
    assert not quick.ui.exportButton.enabled
    quick.ui.cancelButton.click()
    assert quick.ui.statusLabel.text == "The result is being shown"
    wait(app, quick)
    assert {"LeftLung", "RightLung", "Nodule_1"} <= segment_ids(app)
    assert quick.ui.exportButton.enabled


@pytest.mark.slow
@pytest.mark.parametrize("works", [True, False])
def test_an_export_leaves_the_scene_with_its_own_file(app, scored, tmp_path, monkeypatch, works):
    app.scene.SetURL(str(tmp_path / "case.mrb"))
    app.scene.SetRootDirectory(str(tmp_path))
    save = slicer.util.saveScene

    def taking_over(path):
        slicer.mrmlScene.SetURL(path)
        return save(path) if works else False

    monkeypatch.setattr(slicer.util, "saveScene", taking_over)
    scored.ui.exportPathLineEdit.currentPath = str(tmp_path / "export")
    scored.ui.exportButton.click()
    assert (app.scene.GetURL(), app.scene.GetRootDirectory()) == (str(tmp_path / "case.mrb"), str(tmp_path))
    assert cases(app)[0].case.GetModifiedSinceRead()  # so that Slicer offers to save it


def test_a_cache_that_cannot_be_written_costs_the_cache_alone(app, quick, ct, runs, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_names, **_options: tmp_path / "file")
    choose(app, quick, ct)
    run(app, quick)
    assert "--cache" not in runs.asked[-1]
    assert len(cases(app)) == 1


def test_a_report_asks_for_the_packages_that_any_run_needs(app, scored, tmp_path):
    app.packaging.missing = {"tqdm"}
    app.packaging.requests.clear()
    report_of(app, scored, tmp_path / "export")
    assert any("tqdm" in line for _, asked in app.packaging.requests for line in asked)
