"""More than one run, and a user who does other things meanwhile."""

import pytest

from Testing.slicer.panel.conftest import (
    add_ct,
    cases,
    choose,
    coarse_slab,
    node_ids,
    place_point,
    result_of,
    rows,
    run,
    selected_rank,
    slice_centres_ras,
    start_held,
    tick,
    wait,
)

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")


def kinds(app):
    """Classes of the scene's nodes, with how many there are of each."""
    nodes = [app.scene.GetNthNode(n) for n in range(app.scene.GetNumberOfNodes())]
    return sorted(node.GetClassName() for node in nodes)


def test_a_second_run_replaces_the_first_and_leaves_no_orphans(app, quick, ct):
    choose(app, quick, ct)
    run(app, quick)
    before, names = kinds(app), [node.GetName() for _, node in cases(app)[0].results()]
    tick(app, quick, 1, False)
    run(app, quick)
    (case,) = cases(app)
    assert kinds(app) == before
    assert [node.GetName() for _, node in case.results()] == names
    assert not quick.ui.overruledLabel.visible
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(app.scene)
    assert hierarchy.GetNumberOfItemChildren(hierarchy.GetItemParent(hierarchy.GetItemByDataNode(case.case))) == 5


def test_a_second_run_keeps_the_first_where_the_user_chose_so(app, quick, ct):
    quick.ui.replaceCheckBox.checked = False
    choose(app, quick, ct)
    run(app, quick)
    first, ids = cases(app)[0], node_ids(app)
    run(app, quick)
    assert len(cases(app)) == 2
    assert ids < node_ids(app)
    place_point(app, quick, (-60.0, 10.0, -30.0))
    wait(app, quick)
    kept, asked = cases(app)
    assert kept.case is first.case
    assert {nodule.source for nodule in result_of(kept).nodules} == {"detected"}
    assert result_of(asked).nodules[-1].source == "user"


def test_a_second_request_does_not_write_the_ct_again(app, quick, ct, monkeypatch):
    from LungCancerDxLib.slicer.panel import workspace

    written = []
    write = workspace.write_ct

    def record(ct_node, path):
        written.append(path)
        return write(ct_node, path)

    monkeypatch.setattr(workspace, "write_ct", record)
    choose(app, quick, ct)
    run(app, quick)
    place_point(app, quick, (-60.0, 10.0, -30.0))
    wait(app, quick)
    assert len(written) == 1
    slicer.util.arrayFromVolume(ct)[:] = -1000
    slicer.util.arrayFromVolumeModified(ct)
    run(app, quick)
    assert len(written) == 2


def test_a_result_comes_in_while_the_user_is_in_another_module(app, quick, ct, runs):
    choose(app, quick, ct)
    start_held(app, quick, runs)
    app.select_module(None)
    runs.runs[-1].deliver()
    wait(app, quick)
    assert len(cases(app)) == 1
    app.select_module("LungCancerDx")
    assert quick.ui.scoreLabel.text == f"{result_of(cases(app)[0]).case.score:.2f}"
    assert rows(quick)[:2] == [1, 2]
    assert quick.ui.detectButton.enabled


def test_leaving_and_entering_the_module_leaves_a_run_alone(app, quick, ct, runs):
    choose(app, quick, ct)
    start_held(app, quick, runs)
    app.select_module(None)
    app.select_module("LungCancerDx")
    assert quick.ui.cancelButton.enabled
    assert not quick.ui.detectButton.enabled
    runs.runs[-1].deliver()
    wait(app, quick)
    assert len(cases(app)) == 1


def test_a_double_click_starts_one_run(app, quick, ct, runs):
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    choose(app, quick, ct)
    runs.holding = True
    QTest.mouseDClick(quick.ui.detectButton, Qt.MouseButton.LeftButton)
    quick.ui.detectButton.click()
    quick.panel.detect()
    app.wait_until(lambda: runs.asked)
    app.process_events()
    assert len(runs.asked) == 1
    runs.runs[-1].deliver()
    wait(app, quick)


@pytest.mark.slow
def test_the_answer_belongs_to_the_ct_that_was_asked_about(app, quick, ct, runs):
    other = add_ct(app, coarse_slab().volume, "Other CT")
    choose(app, quick, other)
    run(app, quick)
    quick.ui.nextButton.click()
    choose(app, quick, ct)
    start_held(app, quick, runs)
    choose(app, quick, other)
    quick.ui.nextButton.click()
    quick.ui.nextButton.click()
    selected, places = selected_rank(quick), slice_centres_ras(app)
    runs.runs[-1].deliver()
    wait(app, quick)
    assert [case.ct.GetName() for case in cases(app)] == ["Other CT", "Chest CT"]
    assert selected_rank(quick) == selected
    assert all((one == two).all() for one, two in zip(slice_centres_ras(app), places, strict=True))
    choose(app, quick, ct)
    assert selected_rank(quick) is None
    assert quick.ui.noduleTable.rowCount


@pytest.mark.slow
def test_a_point_placed_after_another_ct_was_chosen_is_dropped(app, quick, ct, runs):
    other = add_ct(app, coarse_slab().volume, "Other CT")
    for node in (other, ct):
        choose(app, quick, node)
        run(app, quick)
    quick.ui.placePointButton.click()
    choose(app, quick, other)
    assert quick.ui.placePointButton.text == "Classify a point"
    assert len(runs.asked) == 2
    assert app.displayed == []


def test_detect_ends_the_placing_of_a_point_and_scores_from_the_start(app, quick, ct, runs):
    choose(app, quick, ct)
    run(app, quick)
    tick(app, quick, 1, False)
    quick.ui.placePointButton.click()
    run(app, quick)
    assert {n.rank for n in result_of(cases(app)[0]).nodules if n.scored} == {1, 2, 3, 4, 5}
