"""As a user does it, with real runs in the background: from an empty scene to browsed and overruled nodules."""

import numpy as np
import pytest

from Testing.helpers import slab, tiny_model
from Testing.slicer.panel.conftest import (
    NO_OUTLINES,
    TINY,
    add_ct,
    cases,
    choose,
    instead_of_the_command,
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


def test_from_an_empty_scene_to_browsed_nodules(app, widget, tiny_runs_with_outlines):
    ui = widget.ui
    assert not ui.detectButton.enabled
    assert ui.detectButton.toolTip == "Choose a CT first."

    choose(app, widget, add_ct(app, slab().volume))
    assert ui.detectButton.enabled
    ui.detectButton.click()
    assert not ui.detectButton.enabled
    assert ui.cancelButton.enabled
    stages = set()

    def ended():
        stages.add(ui.statusLabel.text.partition(",")[0])  # a short one may pass unseen
        return not ui.cancelButton.enabled

    app.wait_until(ended, 120)
    assert len(stages & {"Reading the CT", "Finding the lungs", "Detecting nodules", "Outlining nodules"}) >= 2

    (case,) = cases(app)
    result = result_of(case)
    assert result.model["name"] == tiny_model().name
    assert ui.scoreLabel.text == f"{result.case.score:.2f}"
    assert ui.scoreNameLabel.text.startswith("No trained model, scores mean nothing, not reliable. ")
    assert ui.researchLabel.text == "Research use only. Not for diagnosis."
    assert ui.statusLabel.text == ""
    assert rows(widget) == [n.rank for n in result.nodules if n.scored or n.confidence >= 0.5]
    assert [row[1] for row in table_texts(widget)[:5]] == [f"{n.malignancy:.3f}" for n in result.nodules[:5]]

    for rank in (1, 2, 3):
        assert selected_rank(widget) == rank
        for centre in slice_centres_ras(app):
            np.testing.assert_allclose(centre * (-1, -1, 1), result.nodules[rank - 1].center_lps_mm, atol=0.1)
        ui.nextButton.click()
    ui.previousButton.click()
    assert selected_rank(widget) == 3
    assert app.displayed == []


def test_a_runner_up_and_a_point_are_classified_in_the_background(app, quick, ct, monkeypatch):
    """Both under a transform, of a case that was scored before."""
    widget = quick
    transform = app.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = vtk.vtkMatrix4x4()
    for axis, shift in enumerate((12.0, -30.0, 7.5)):
        matrix.SetElement(axis, 3, shift)
    transform.SetMatrixTransformToParent(matrix)
    ct.SetAndObserveTransformNodeID(transform.GetID())
    choose(app, widget, ct)
    run(app, widget)
    monkeypatch.undo()
    instead_of_the_command(monkeypatch, TINY + NO_OUTLINES + "sys.exit(main())")
    before = result_of(cases(app)[0])
    assert before.nodules[6].malignancy is None
    widget.ui.confidenceSlider.value = 0
    app.process_events()
    tick(app, widget, 7, True)
    wait(app, widget)
    after = result_of(cases(app)[0])
    assert after.nodules[6].scored
    counted = [n.malignancy for n in after.nodules if n.scored]
    assert len(counted) == before.case.scored_nodules + 1
    assert abs(after.case.score - (1 - (1 - after.case.leak) * np.prod([1 - p for p in counted]))) < 1e-6
    assert "with 7" in widget.ui.overruledLabel.text

    point_lps = np.array([80.25, 10.125, -30.0625])
    placed = place_point(app, widget, point_lps * (-1, -1, 1) + (12.0, -30.0, 7.5))
    wait(app, widget)
    result = result_of(cases(app)[0])
    nodule = result.nodules[-1]
    assert nodule.source == "user"
    np.testing.assert_allclose(nodule.center_lps_mm, point_lps, atol=1e-3)
    assert nodule.malignancy is not None
    assert not nodule.scored
    assert result.nodules[6].scored
    assert app.scene.GetNodeByID(placed) is None
    assert len(cases(app)) == 1
    assert app.displayed == []
