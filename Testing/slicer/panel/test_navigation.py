"""Going from nodule to nodule, and what is shown of them."""

from dataclasses import replace

import numpy as np
import pytest

from Testing.slicer.panel.conftest import (
    MODULE,
    add_ct,
    cases,
    choose,
    coarse_slab,
    place_point,
    result_of,
    rows,
    run,
    selected_rank,
    slice_centres_ras,
    tick,
    wait,
    with_runs,
)

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")


@pytest.fixture
def scored(app, quick, ct):
    """The widget, a run done."""
    choose(app, quick, ct)
    run(app, quick)
    return quick


def check_is_looked_at(app, rank):
    (case,) = cases(app)
    expected = np.array(result_of(case).nodules[rank - 1].center_lps_mm) * (-1, -1, 1)
    for centre in slice_centres_ras(app):
        np.testing.assert_allclose(centre, expected, atol=0.1)
    camera = app.scene.GetFirstNodeByClass("vtkMRMLCameraNode")
    if camera is not None:
        np.testing.assert_allclose(camera.GetFocalPoint(), expected, atol=0.1)


def visible_segments(case):
    display, segments = case.segmentation.GetDisplayNode(), case.segmentation.GetSegmentation()
    ids = [segments.GetNthSegmentID(n) for n in range(segments.GetNumberOfSegments())]
    return {name for name in ids if display.GetSegmentVisibility(name)}


def click_point(app, index):
    """What a click on a control point in a view does."""
    display = cases(app)[0].markups.GetDisplayNode()
    display.SetActiveControlPoint(index)
    display.InvokeEvent(slicer.vtkMRMLMarkupsDisplayNode.JumpToPointEvent)
    app.process_events()


def test_next_and_previous_go_round(app, scored):
    camera = app.scene.AddNewNodeByClass("vtkMRMLCameraNode")
    way = np.array(camera.GetPosition()) - np.array(camera.GetFocalPoint())
    ranks = rows(scored)
    for rank in (*ranks[1:], *ranks):
        scored.ui.nextButton.click()
        assert selected_rank(scored) == rank
        check_is_looked_at(app, rank)
    scored.ui.nextButton.click()
    scored.ui.previousButton.click()
    scored.ui.previousButton.click()
    assert selected_rank(scored) == ranks[-2]
    np.testing.assert_allclose(np.array(camera.GetPosition()) - np.array(camera.GetFocalPoint()), way, atol=1e-6)


def test_arrow_keys_go_from_row_to_row(app, scored):
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    for key, rank in ((Qt.Key.Key_Down, 2), (Qt.Key.Key_Down, 3), (Qt.Key.Key_Up, 2)):
        QTest.keyClick(scored.ui.noduleTable, key)
        assert selected_rank(scored) == rank
        check_is_looked_at(app, rank)


def test_a_click_on_the_row_that_is_looked_at_goes_there_again(app, scored):
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    slicer.vtkMRMLSliceNode.JumpAllSlices(app.scene, 1, 2, 3, slicer.vtkMRMLSliceNode.CenteredJumpSlice)
    table = scored.ui.noduleTable
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=table.visualItemRect(table.item(0, 2)).center())
    assert selected_rank(scored) == 1
    check_is_looked_at(app, 1)


def test_a_click_on_a_point_selects_the_row(app, scored):
    for index in (3, 0):
        click_point(app, index)
        assert selected_rank(scored) == index + 1
        check_is_looked_at(app, index + 1)
    click_point(app, 99)
    assert selected_rank(scored) == 1


def test_points_and_rows_belong_together_after_the_user_deleted_a_point(app, scored):
    (case,) = cases(app)
    case.markups.RemoveNthControlPoint(0)
    click_point(app, 2)
    assert selected_rank(scored) == 4
    check_is_looked_at(app, 4)
    scored.ui.nextButton.click()
    assert case.markups.GetDisplayNode().GetActiveComponentIndex() == 3
    tick(app, scored, 2, False)
    assert case.markups.GetNumberOfControlPoints() == len(result_of(case).nodules)


def test_the_nodule_that_is_looked_at_stands_out(app, scored):
    display = cases(app)[0].segmentation.GetDisplayNode()
    scored.ui.nextButton.click()
    opacity = [display.GetSegmentOpacity2DOutline(f"Nodule_{rank}") for rank in (1, 2, 3)]
    assert opacity[1] == 1.0
    assert opacity[0] == opacity[2] < 0.5
    assert cases(app)[0].markups.GetDisplayNode().GetActiveComponentIndex() == 1


def test_the_slider_lists_runners_up(app, quick, ct, runs):
    runs.change = lambda result: replace(
        result, nodules=tuple(replace(nodule, confidence=1 / nodule.rank) for nodule in result.nodules)
    )
    choose(app, quick, ct)
    run(app, quick)
    scored = quick
    result = result_of(cases(app)[0])
    for confidence in (0.0, 1.0, 0.1):
        scored.ui.confidenceSlider.value = confidence
        app.process_events()
        assert rows(scored) == [n.rank for n in result.nodules if n.scored or n.confidence >= confidence]
    assert 5 < len(rows(scored)) < len(result.nodules)
    assert selected_rank(scored) == 1


def test_a_runner_up_that_is_listed_no_more_is_not_looked_at_either(app, scored):
    scored.ui.confidenceSlider.value = 0
    app.process_events()
    scored.ui.previousButton.click()
    assert selected_rank(scored) == rows(scored)[-1]
    scored.ui.confidenceSlider.value = 1
    app.process_events()
    assert selected_rank(scored) is None
    scored.ui.nextButton.click()
    assert selected_rank(scored) == 1


def test_boxes_show_and_hide_their_own_and_stay_so(app, scored):
    (case,) = cases(app)
    lungs = {"LeftLung", "RightLung"}
    nodules = visible_segments(case) - lungs
    assert lungs < visible_segments(case)
    points = case.markups.GetDisplayNode()
    scored.ui.showLungsCheckBox.checked = False
    app.process_events()
    assert visible_segments(case) == nodules
    scored.ui.showNodulesCheckBox.checked = False
    app.process_events()
    assert visible_segments(case) == set()
    assert not points.GetVisibility()
    scored.ui.showNodulesCheckBox.checked = True
    scored.ui.showLabelsCheckBox.checked = False
    app.process_events()
    tick(app, scored, 1, False)
    assert visible_segments(case) == nodules
    assert points.GetVisibility()
    assert not points.GetPointLabelsVisibility()
    place_point(app, scored, (-60.0, 10.0, -30.0))
    wait(app, scored)
    run(app, scored)
    (case,) = cases(app)
    assert visible_segments(case) == nodules
    assert not case.markups.GetDisplayNode().GetPointLabelsVisibility()


def test_what_the_user_hid_elsewhere_stays_hidden(app, scored):
    (case,) = cases(app)
    case.segmentation.GetDisplayNode().SetSegmentVisibility("Nodule_2", False)
    scored.ui.confidenceSlider.value = 0.25
    app.process_events()
    tick(app, scored, 1, False)
    assert "Nodule_2" not in visible_segments(case)


def test_a_folded_section_stays_folded(app, scored):
    scored.ui.resultCollapsibleButton.collapsed = True
    tick(app, scored, 1, False)
    assert scored.ui.resultCollapsibleButton.collapsed


def test_the_lung_window_and_fitted_views(app, scored, ct):
    display = ct.GetScalarVolumeDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (1500, -600)
    display.SetWindowLevel(80, 40)
    tick(app, scored, 1, False)
    assert display.GetWindow() == 80
    scored.ui.lungWindowButton.click()
    assert (display.GetWindow(), display.GetLevel()) == (1500, -600)
    red = app.scene.GetNodeByID("vtkMRMLSliceNodeRed")
    red.SetFieldOfView(10, 10, 1)
    scored.ui.fitButton.click()
    assert red.GetFieldOfView()[0] > 100


def test_without_a_main_window_all_of_it_works(start_app, runs, monkeypatch):
    app = start_app(main_window=False)
    widget = with_runs(monkeypatch, app.load_module(MODULE), runs)
    choose(app, widget, add_ct(app, coarse_slab().volume))
    run(app, widget)
    widget.ui.nextButton.click()
    check_is_looked_at(app, 2)
    widget.ui.fitButton.click()
    widget.ui.lungWindowButton.click()
    place_point(app, widget, (-60.0, 10.0, -30.0))
    wait(app, widget)
    assert result_of(cases(app)[0]).nodules[-1].source == "user"
    assert app.displayed == []


def test_a_great_many_removed_nodes_refresh_the_panel_once(app, scored, monkeypatch):
    from LungCancerDxLib.slicer.panel import panel

    looks = []
    latest_case = panel.latest_case

    def record(ct_node):
        looks.append(ct_node)
        return latest_case(ct_node)

    monkeypatch.setattr(panel, "latest_case", record)
    nodes = [app.scene.AddNewNodeByClass("vtkMRMLTextNode") for _ in range(30)]
    for node in nodes:
        app.scene.RemoveNode(node)
    app.process_events()
    assert len(looks) == 1
