"""The case in the scene: saved and opened again, under transforms, with parts of it deleted by the user."""

from pathlib import Path

import numpy as np
import pytest

from LungCancerDxLib.io import read_ct
from Testing.slicer.panel.conftest import (
    add_ct,
    cases,
    choose,
    coarse_slab,
    is_ticked,
    place_point,
    result_of,
    rows,
    run,
    selected_rank,
    slice_centres_ras,
    table_texts,
    tick,
    wait,
)

pytestmark = pytest.mark.slow

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
vtk = pytest.importorskip("vtk")

PANEL_TEXTS = ("scoreLabel", "scoreNameLabel", "overruledLabel", "warningsLabel")


def under_transform(app, ct, transform):
    """Put a CT under a linear transform; returns its matrix, RAS."""
    node = app.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Registration")
    node.SetMatrixTransformToParent(transform.GetMatrix())
    ct.SetAndObserveTransformNodeID(node.GetID())
    return slicer.util.arrayFromVTKMatrix(transform.GetMatrix())


def ijk_to_ras(ct):
    matrix = vtk.vtkMatrix4x4()
    ct.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def turn_and_shift():
    transform = vtk.vtkTransform()
    transform.RotateWXYZ(37, 1, 2, 3)
    transform.Translate(12, -30, 7.5)
    return transform


def texts(widget):
    return [getattr(widget.ui, name).text for name in PANEL_TEXTS], table_texts(widget), rows(widget)


def test_a_saved_scene_brings_everything_back(app, quick, ct, tmp_path):
    add_ct(app, coarse_slab().volume, "Another CT")
    choose(app, quick, ct)
    run(app, quick)
    quick.ui.confidenceSlider.value = 0.25
    quick.ui.showLabelsCheckBox.checked = False
    quick.ui.replaceCheckBox.checked = False
    quick._parameterNode.maxMemoryGb = 3.5
    quick._parameterNode.device = "cpu"
    place_point(app, quick, (-60.0, 10.0, -30.0))
    wait(app, quick)
    tick(app, quick, result_of(cases(app)[0]).nodules[-1].rank, True)
    tick(app, quick, 2, False)
    (case,) = cases(app)
    before, said, summary = result_of(case), texts(quick), case.summary.GetText()

    app.save_scene(tmp_path / "case.mrb")
    app.close_scene()
    assert quick.ui.noduleTable.rowCount == 0
    app.open_scene(tmp_path / "case.mrb")
    app.process_events()
    (case,) = cases(app)
    assert result_of(case) == before
    assert texts(quick) == said
    assert case.summary.GetText() == summary
    assert quick.ui.inputVolumeSelector.currentNode() is case.ct
    assert case.ct.GetName() == "Chest CT"
    assert case.segmentation.GetSegmentation().GetNumberOfSegments() > 2
    assert not case.markups.GetDisplayNode().GetPointLabelsVisibility()
    parameters = quick._parameterNode
    assert (parameters.confidence, parameters.showLabels, parameters.replaceEarlier) == (0.25, False, False)
    assert (parameters.maxMemoryGb, parameters.device) == (3.5, "cpu")
    assert quick.ui.confidenceSlider.value == 0.25

    quick.ui.restoreButton.click()
    app.process_events()
    assert is_ticked(quick, 2)
    place_point(app, quick, (60.0, 10.0, -30.0))
    wait(app, quick)
    assert [nodule.source for nodule in result_of(cases(app)[0]).nodules[-2:]] == ["user", "user"]
    assert app.displayed == []


def test_under_a_transform_points_and_views_are_where_the_nodules_are(app, quick, ct):
    matrix = under_transform(app, ct, turn_and_shift())
    choose(app, quick, ct)
    run(app, quick)
    (case,) = cases(app)
    for nodule in result_of(case).nodules[:4]:
        expected = (matrix @ [*(np.array(nodule.center_lps_mm) * (-1, -1, 1)), 1])[:3]
        world = np.zeros(3)
        case.markups.GetNthControlPointPositionWorld(nodule.rank - 1, world)
        np.testing.assert_allclose(world, expected, atol=1e-6)
        assert selected_rank(quick) == nodule.rank
        for centre in slice_centres_ras(app):
            np.testing.assert_allclose(centre, expected, atol=0.1)
        bounds = np.zeros(6)
        segment = case.segmentation.GetSegmentation().GetSegment(f"Nodule_{nodule.rank}")
        segment.GetRepresentation("Closed surface").GetBounds(bounds)
        np.testing.assert_allclose(bounds.reshape(3, 2).mean(axis=1) * (-1, -1, 1), nodule.center_lps_mm, atol=4)
        assert case.segmentation.GetTransformNodeID() == ct.GetTransformNodeID()
        quick.ui.nextButton.click()


def test_a_run_sees_the_ct_as_it_lies_in_the_views_and_so_do_the_users_points(app, quick, ct, runs):
    """Else a CT that was turned by half a turn would have its left nodules in what the views call the right lung."""
    before = np.diag([-1.0, -1.0, 1.0, 1.0]) @ ijk_to_ras(ct)
    transform = vtk.vtkTransform()
    transform.RotateZ(180)
    matrix = under_transform(app, ct, transform)
    choose(app, quick, ct)
    run(app, quick)
    arguments = runs.asked[0]
    handed_over = read_ct(Path(arguments[arguments.index("score") + 1])).kji_to_lps
    np.testing.assert_allclose(handed_over[:, [2, 1, 0, 3]], matrix @ before, atol=1e-6)
    place_point(app, quick, (-60.0, 10.0, -30.0))
    wait(app, quick)
    (case,) = cases(app)
    world = np.zeros(3)
    case.markups.GetNthControlPointPositionWorld(case.markups.GetNumberOfControlPoints() - 1, world)
    np.testing.assert_allclose(world, (-60.0, 10.0, -30.0), atol=1e-3)
    assert app.displayed == []


@pytest.mark.parametrize(
    ("what", "scale"), [("scaling", (1.1, 1.1, 1.1)), ("scaling", (1, 1, 0.98)), ("mirroring", (-1, 1, 1))]
)
def test_a_transform_that_scales_or_mirrors_is_refused_with_the_cure(app, quick, ct, what, scale):
    transform = turn_and_shift()
    transform.Scale(*scale)
    under_transform(app, ct, transform)
    choose(app, quick, ct)
    assert not quick.ui.detectButton.enabled
    assert f"under the {what}" in quick.ui.statusLabel.text
    assert "harden the transform on a copy" in quick.ui.statusLabel.text
    ct.HardenTransform()
    app.process_events()
    assert quick.ui.detectButton.enabled


def test_a_transform_that_bends_turns_the_button_off_and_on_again(app, quick, ct):
    choose(app, quick, ct)
    assert quick.ui.detectButton.enabled
    bending = app.scene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    ct.SetAndObserveTransformNodeID(bending.GetID())
    assert not quick.ui.detectButton.enabled
    assert "non-linear transform" in quick.ui.detectButton.toolTip
    ct.SetAndObserveTransformNodeID(None)
    assert quick.ui.detectButton.enabled


def test_a_volume_without_an_image_turns_the_button_off_until_it_has_one(app, quick):
    node = app.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Nothing yet")
    choose(app, quick, node)
    assert quick.ui.detectButton.toolTip == "'Nothing yet' holds no image."
    slicer.util.updateVolumeFromArray(node, coarse_slab().volume.voxels)
    assert quick.ui.detectButton.enabled


def test_a_volume_that_scripts_made_without_a_display_is_shown_all_the_same(app, quick):
    node = app.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Script's")
    slicer.util.updateVolumeFromArray(node, coarse_slab().volume.voxels)
    assert node.GetDisplayNode() is None
    choose(app, quick, node)
    run(app, quick)
    assert len(cases(app)) == 1
    assert node.GetDisplayNode().GetWindow() == 1500
    assert app.displayed == []


def test_only_scalar_volumes_are_offered_and_chosen(app, quick):
    app.select_module(None)
    app.scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    app.scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Colours")
    app.select_module("LungCancerDx")
    assert quick.ui.inputVolumeSelector.nodeCount() == 0
    assert quick.ui.detectButton.toolTip == "Choose a CT first."
    ct = add_ct(app, coarse_slab().volume)
    app.select_module("LungCancerDx")
    assert quick.ui.inputVolumeSelector.currentNode() is ct


def test_two_cts_have_a_case_each(app, quick, ct):
    other = add_ct(app, coarse_slab().volume, "Other CT")
    for node in (ct, other):
        choose(app, quick, node)
        run(app, quick)
    tick(app, quick, 1, False)
    assert not is_ticked(quick, 1)
    choose(app, quick, ct)
    assert is_ticked(quick, 1)
    assert not quick.ui.overruledLabel.visible
    choose(app, quick, None)
    assert quick.ui.noduleTable.rowCount == 0
    assert quick.ui.scoreLabel.text == ""
    choose(app, quick, other)
    assert not is_ticked(quick, 1)


@pytest.mark.parametrize("part", ["markups", "segmentation", "table", "summary", "case"])
def test_the_panel_survives_a_deleted_part(app, quick, ct, part, tmp_path):
    choose(app, quick, ct)
    run(app, quick)
    app.scene.RemoveNode(getattr(cases(app)[0], part))
    app.process_events()
    if part == "case":
        assert cases(app) == []
        assert quick.ui.noduleTable.rowCount == 0
        assert not quick.ui.exportButton.enabled
    else:
        tick(app, quick, 1, False)
        quick.ui.nextButton.click()
        quick.ui.showNodulesCheckBox.checked = False
        place_point(app, quick, (-60.0, 10.0, -30.0))
        wait(app, quick)
        assert not result_of(cases(app)[0]).nodules[0].scored
        assert result_of(cases(app)[0]).nodules[-1].source == "user"
    run(app, quick)
    assert len(list(cases(app)[0].results())) == 5
    assert app.displayed == []


def test_the_panel_survives_a_deleted_display_of_the_points(app, quick, ct):
    choose(app, quick, ct)
    run(app, quick)
    app.scene.RemoveNode(cases(app)[0].markups.GetDisplayNode())
    app.process_events()
    quick.ui.nextButton.click()
    tick(app, quick, 1, False)
    assert app.displayed == []


@pytest.mark.parametrize("text", ["no json", '{"schema": "lungcancerdx/case/1"}'])
def test_a_damaged_case_is_said_to_be_damaged_and_can_be_replaced(app, quick, ct, text):
    choose(app, quick, ct)
    run(app, quick)
    cases(app)[0].case.SetText(text)
    choose(app, quick, None)
    choose(app, quick, ct)
    assert "damaged" in quick.ui.statusLabel.text
    assert quick.ui.noduleTable.rowCount == 0
    run(app, quick)
    assert len(cases(app)) == 1
    assert quick.ui.statusLabel.text == ""
    assert rows(quick)


def test_a_case_that_cannot_have_been_counted_so_is_said_to_be_damaged(app, quick, ct):
    choose(app, quick, ct)
    run(app, quick)
    text = cases(app)[0].case
    text.SetText(text.GetText().replace('"scored_by_model": null', '"scored_by_model": true'))
    choose(app, quick, None)
    choose(app, quick, ct)
    assert "damaged" in quick.ui.statusLabel.text
