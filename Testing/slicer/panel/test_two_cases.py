"""Several CTs and cases in one scene, and a user who is elsewhere: nothing is shown on the images of another."""

import numpy as np
import pytest

from LungCancerDxLib.volume import CTVolume
from Testing.slicer.panel.conftest import (
    add_ct,
    cases,
    choose,
    coarse_slab,
    place_point,
    result_of,
    rows,
    run,
    selected_rank,
    start_held,
    tick,
    wait,
)

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")


@pytest.fixture
def two(app, quick, ct):
    """The widget, a CT and another one, both with a case; the second is chosen and shown."""
    choose(app, quick, ct)
    run(app, quick)
    other = add_ct(app, coarse_slab().volume, "Another patient")
    choose(app, quick, other)
    run(app, quick)
    return quick, ct, other


def backgrounds(app):
    return {composite.GetBackgroundVolumeID() for composite in composites(app)}


def composites(app):
    name = "vtkMRMLSliceCompositeNode"
    return [app.scene.GetNthNodeByClass(n, name) for n in range(app.scene.GetNumberOfNodesByClass(name))]


def visible_cases(app):
    """The CTs of the cases whose points and outlines are shown."""
    shown = [
        case.ct
        for case in cases(app)
        if case.markups.GetDisplayNode().GetVisibility() or case.segmentation.GetDisplayNode().GetVisibility()
    ]
    both = [case.ct for case in cases(app) if case.segmentation.GetDisplayNode().GetVisibility()]
    assert shown == both
    return shown


@pytest.mark.slow
def test_a_case_is_gone_to_in_its_own_ct_and_shown_alone(app, two):
    widget, ct, other = two
    assert visible_cases(app) == [other]
    assert backgrounds(app) == {other.GetID()}
    choose(app, widget, ct)
    assert visible_cases(app) == [ct]
    widget.ui.nextButton.click()
    app.process_events()
    assert backgrounds(app) == {ct.GetID()}
    cases(app)[0].segmentation.GetDisplayNode().SetVisibility(False)
    widget.ui.nextButton.click()
    app.process_events()
    assert not cases(app)[0].segmentation.GetDisplayNode().GetVisibility()  # the user's own choice


def test_views_that_show_two_cts_are_left_as_they_are(app, two):
    widget, ct, other = two
    composites(app)[0].SetBackgroundVolumeID(ct.GetID())
    widget.ui.nextButton.click()
    app.process_events()
    assert composites(app)[0].GetBackgroundVolumeID() == ct.GetID()
    assert backgrounds(app) == {ct.GetID(), other.GetID()}


@pytest.mark.parametrize("is_elsewhere", [True, False])
def test_a_result_does_not_take_the_views_of_a_user_who_reads_another_ct(app, quick, ct, runs, is_elsewhere):
    other = add_ct(app, coarse_slab().volume, "Another patient")
    choose(app, quick, ct)
    start_held(app, quick, runs)
    for composite in composites(app):
        composite.SetBackgroundVolumeID(other.GetID())
    if is_elsewhere:
        app.select_module(None)
    runs.runs[-1].deliver()
    app.wait_until(lambda: bool(cases(app)))
    wait(app, quick)
    assert backgrounds(app) == {(other if is_elsewhere else ct).GetID()}
    assert visible_cases(app) == ([] if is_elsewhere else [ct])
    if is_elsewhere:
        app.select_module("LungCancerDx")
        assert visible_cases(app) == [ct]


@pytest.mark.parametrize("has_case", [True, False])
def test_a_result_of_a_ct_that_is_not_chosen_any_more_is_shown_when_it_is(app, quick, ct, runs, has_case):
    other = add_ct(app, coarse_slab().volume, "Another patient")
    for each in (ct, other) if has_case else (ct,):
        choose(app, quick, each)
        run(app, quick)
    choose(app, quick, ct)
    runs.holding = True
    place_point(app, quick, (-60.0, 10.0, -30.0))
    app.wait_until(lambda: "--points" in runs.asked[-1])
    choose(app, quick, other)
    shown = visible_cases(app)
    runs.runs[-1].deliver()
    wait(app, quick)
    assert visible_cases(app) == [each for each in shown if each is other]
    choose(app, quick, ct)
    assert visible_cases(app) == [ct]


def test_what_lies_over_a_ct_stays(app, quick, ct):
    pet = add_ct(app, coarse_slab().volume, "PET")
    for composite in composites(app):
        composite.SetForegroundVolumeID(pet.GetID())
    choose(app, quick, ct)
    run(app, quick)
    assert {composite.GetForegroundVolumeID() for composite in composites(app)} == {pet.GetID()}


def test_what_was_said_of_a_ct_is_not_said_of_another(app, quick, ct, runs):
    from Testing.slicer.panel.stand_in_runs import Outcome

    runs.outcome = Outcome("failed", "No lungs were found in it.")
    choose(app, quick, ct)
    run(app, quick)
    assert "No lungs" in quick.ui.statusLabel.text
    choose(app, quick, add_ct(app, coarse_slab().volume, "Another patient"))
    assert quick.ui.statusLabel.text == ""
    start_held(app, quick, runs)
    choose(app, quick, ct)
    runs.runs[-1].deliver()
    wait(app, quick)
    assert len(app.displayed) == 2
    assert quick.ui.statusLabel.text == ""


def test_why_nothing_can_be_run_is_said_over_what_was_said_before(app, quick, ct, runs):
    from Testing.slicer.panel.stand_in_runs import Outcome

    runs.outcome = Outcome("failed", "No lungs were found in it.")
    choose(app, quick, ct)
    run(app, quick)
    squeezed = app.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Squeezed")
    matrix = slicer.util.vtkMatrixFromArray(np.diag([2.0, 1.0, 1.0, 1.0]))
    squeezed.SetMatrixTransformToParent(matrix)
    ct.SetAndObserveTransformNodeID(squeezed.GetID())
    app.process_events()
    assert "Squeezed" in quick.ui.statusLabel.text


def test_a_click_on_a_point_that_is_not_listed_lists_it(app, quick, ct):
    choose(app, quick, ct)
    run(app, quick)
    quick.ui.confidenceSlider.value = 1.0
    app.process_events()
    rank = next(nodule.rank for nodule in result_of(cases(app)[0]).nodules if nodule.rank not in rows(quick))
    display = cases(app)[0].markups.GetDisplayNode()
    display.SetActiveControlPoint(rank - 1)
    display.InvokeEvent(slicer.vtkMRMLMarkupsDisplayNode.JumpToPointEvent)
    app.process_events()
    assert selected_rank(quick) == rank
    quick.ui.showLabelsCheckBox.click()
    app.process_events()
    assert selected_rank(quick) == rank
    run(app, quick)
    assert rank not in rows(quick)


@pytest.mark.slow
def test_another_run_keeps_what_was_told_of_the_patient_and_the_users_points(app, quick, ct, runs):
    choose(app, quick, ct)
    run(app, quick)
    quick.ui.ageSpinBox.value = 66
    quick.panel._nodules.select(1)
    quick.ui.upperLobeComboBox.setCurrentIndex(1)
    quick.ui.upperLobeComboBox.activated.emit(1)
    for x in (-60.0, -50.0, -40.0):
        place_point(app, quick, (x, 10.0, -30.0))
        wait(app, quick)
    before = result_of(cases(app)[0])
    tick(app, quick, before.nodules[-1].rank, True)
    cases(app)[0].markups.RemoveNthControlPoint(len(before.nodules) - 3)
    run(app, quick)
    (case,) = cases(app)
    result = result_of(case)
    assert result.patient == {"age_years": 66}  # the new ranks may be other nodules
    users = [nodule for nodule in result.nodules if nodule.source == "user"]
    assert [nodule.center_lps_mm for nodule in users] == [(50.0, -10.0, -30.0), (40.0, -10.0, -30.0)]
    assert [nodule.scored for nodule in users] == [False, True]
    assert "Overruled by the user" in result.overruling


def test_points_of_a_ct_that_has_changed_since_are_not_asked_about(app, quick, ct, runs):
    choose(app, quick, ct)
    run(app, quick)
    place_point(app, quick, (-60.0, 10.0, -30.0))
    wait(app, quick)
    ct.SetOrigin(0, 0, 0)
    app.process_events()
    run(app, quick)
    assert "--points" not in runs.asked[-1]


@pytest.mark.parametrize("what", ["segment", "Nodule_1", "LeftLung", "point"])
def test_another_run_leaves_a_case_in_which_the_user_has_drawn(app, quick, ct, what):
    choose(app, quick, ct)
    run(app, quick)
    (first,) = cases(app)
    if what == "segment":
        first.segmentation.GetSegmentation().AddEmptySegment("Mine", "Mine")
    elif what == "point":
        first.markups.AddControlPoint(1.0, 2.0, 3.0)
    else:
        slicer.util.arrayFromSegmentInternalBinaryLabelmap(first.segmentation, what)[:] = 0
        first.segmentation.GetSegmentation().GetSegment(what).GetRepresentation("Binary labelmap").Modified()
    run(app, quick)
    assert len(cases(app)) == 2
    assert cases(app)[0].segmentation is first.segmentation
    run(app, quick)
    assert len(cases(app)) == 2  # the one without goes


def test_a_left_handed_grid_of_a_script_is_a_case_like_others(app, quick):
    volume = coarse_slab().volume
    mirrored = CTVolume(volume.voxels[::-1].copy(), volume.kji_to_lps @ _turned(volume.shape_kji[0]))
    choose(app, quick, add_ct(app, mirrored))
    run(app, quick)
    assert "moved" not in quick.ui.warningsLabel.text


def _turned(slices):
    turn = np.diag([-1.0, 1.0, 1.0, 1.0])
    turn[0, 3] = slices - 1
    return turn
