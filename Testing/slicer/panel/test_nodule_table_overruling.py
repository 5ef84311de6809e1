"""The user has the last word on which nodules count."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from Testing.slicer.panel.conftest import (
    cases,
    choose,
    is_ticked,
    node_ids,
    place_point,
    result_of,
    rows,
    run,
    selected_rank,
    tick,
    wait,
)

pytestmark = pytest.mark.slow

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")


def case_scored_by(join, leak=None, blank_malignancy=None, blank_count=0):
    """Change a result into one of another model."""

    def change(result):
        case = replace(result.case, join=join, leak=leak, blank_malignancy=blank_malignancy, blank_count=blank_count)
        counted = {n.rank for n in result.nodules if n.scored}
        return replace(result, case=case).rescored(counted)

    return change


def counted(result):
    return [n.malignancy for n in result.nodules if n.scored]


def segment_names(case):
    segments = case.segmentation.GetSegmentation()
    return [segments.GetNthSegment(n).GetName() for n in range(segments.GetNumberOfSegments())]


def blanks(result):
    case = result.case
    return (1 - case.blank_malignancy) ** case.blank_count if case.blank_malignancy is not None else 1.0


CLOSED_FORMS: dict[str, tuple[dict, Callable]] = {
    "noisy-or": ({"join": "noisy-or"}, lambda r: 1 - np.prod([1 - p for p in counted(r)])),
    "leaky-noisy-or": (
        {"join": "leaky-noisy-or", "leak": 0.07},
        lambda r: 1 - (1 - 0.07) * np.prod([1 - p for p in counted(r)]),
    ),
    "blanks": (
        {"join": "leaky-noisy-or", "leak": 0.07, "blank_malignancy": 0.04, "blank_count": 3},
        lambda r: 1 - (1 - 0.07) * (1 - 0.04) ** 3 * np.prod([1 - p for p in counted(r)]),
    ),
    "max-p": ({"join": "max-p"}, lambda r: max(counted(r), default=0.0)),
}


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_the_score_follows_every_tick_in_closed_form(app, quick, ct, runs, name):
    options, closed_form = CLOSED_FORMS[name]
    runs.change = case_scored_by(**options)
    choose(app, quick, ct)
    run(app, quick)
    before = result_of(cases(app)[0])
    (case,) = cases(app)
    scores = [before.case.score]
    for rank, counts in ((2, False), (1, False), (2, True), (3, False), (4, False), (5, False), (2, False)):
        tick(app, quick, rank, counts)
        after = result_of(case)
        assert abs(after.case.score - closed_form(after)) < 1e-6
        assert quick.ui.scoreLabel.text == f"{after.case.score:.2f}"
        assert after.nodules[rank - 1].scored == is_ticked(quick, rank) == counts
        assert bool(case.markups.GetNthControlPointSelected(rank - 1)) == counts
        assert f"The model's own score: {before.case.score:.2f}" in quick.ui.overruledLabel.text
        scores.append(after.case.score)
    assert counted(after) == []
    assert len({round(score, 6) for score in scores}) > 2
    assert len(runs.asked) == 1


def test_both_values_are_shown_and_the_models_choice_comes_back(app, quick, ct):
    choose(app, quick, ct)
    run(app, quick)
    before = result_of(cases(app)[0])
    assert not quick.ui.restoreButton.enabled
    assert not quick.ui.overruledLabel.visible
    tick(app, quick, 2, False)
    assert quick.ui.overruledLabel.visible
    assert "without 2" in quick.ui.overruledLabel.text
    assert f"{before.case.score:.2f}" in quick.ui.overruledLabel.text
    quick.ui.restoreButton.click()
    app.process_events()
    assert result_of(cases(app)[0]) == before
    assert not quick.ui.overruledLabel.visible
    assert not quick.ui.restoreButton.enabled
    assert is_ticked(quick, 2)


def test_a_case_of_feature_combining_cannot_be_ticked_and_says_so(app, quick, ct, runs):
    import qt

    runs.change = lambda result: replace(result, case=replace(result.case, join="feature-combining", leak=None))
    choose(app, quick, ct)
    run(app, quick)
    item = quick.ui.noduleTable.item(0, 0)
    assert not item.flags() & qt.Qt.ItemIsUserCheckable
    assert "scores the case as a whole" in item.toolTip()
    before = result_of(cases(app)[0])
    place_point(app, quick, (-60.0, 10.0, -30.0))
    wait(app, quick)
    assert app.displayed == []
    after = result_of(cases(app)[0])
    assert after.nodules[: len(before.nodules)] == before.nodules
    assert after.nodules[-1].source == "user"


def test_what_counts_is_listed_even_if_its_join_gives_it_no_score_and_its_confidence_is_low(app, quick, ct, runs):
    def change(result):
        nodules = [replace(n, malignancy=None, contribution=None, confidence=0.3) for n in result.nodules]
        return replace(result, case=replace(result.case, join="feature-combining", leak=None), nodules=tuple(nodules))

    runs.change = change
    choose(app, quick, ct)
    run(app, quick)
    assert rows(quick) == [1, 2, 3, 4, 5]


def test_a_runner_up_whose_run_is_cancelled_leaves_all_as_before(app, quick, ct, runs):
    choose(app, quick, ct)
    run(app, quick)
    quick.ui.confidenceSlider.value = 0
    app.process_events()
    tick(app, quick, 2, False)
    before, ids = result_of(cases(app)[0]), node_ids(app)
    runs.holding = True
    tick(app, quick, 7, True)
    assert quick.ui.cancelButton.enabled
    quick.ui.cancelButton.click()
    wait(app, quick)
    assert not is_ticked(quick, 7)
    assert result_of(cases(app)[0]) == before
    assert node_ids(app) == ids
    assert app.displayed == []


def test_what_is_ticked_while_a_runner_up_is_classified_stays(app, quick, ct, runs):
    choose(app, quick, ct)
    run(app, quick)
    quick.ui.confidenceSlider.value = 0
    app.process_events()
    runs.holding = True
    tick(app, quick, 7, True)
    tick(app, quick, 2, False)
    tick(app, quick, 8, True)  # not classified either: nothing can be asked now
    assert not is_ticked(quick, 8)
    runs.runs[-1].deliver()
    wait(app, quick)
    assert {n.rank for n in result_of(cases(app)[0]).nodules if n.scored} == {1, 3, 4, 5, 7}
    assert len(runs.asked) == 2


def test_a_runner_up_changes_the_nodes_of_the_case_and_makes_no_new_ones(app, quick, ct):
    choose(app, quick, ct)
    run(app, quick)
    quick.ui.confidenceSlider.value = 0
    app.process_events()
    ids = node_ids(app)
    tick(app, quick, 7, True)
    wait(app, quick)
    assert is_ticked(quick, 7)
    assert node_ids(app) == ids


def test_a_runner_up_that_is_outlined_once_it_is_classified_gets_its_segment(app, quick, ct, runs):
    """The first run outlines nothing that neither counts nor stands above logit 0."""

    def change(result):
        outlined = [replace(n, volume_mm3=None if n.malignancy is None else 100.0) for n in result.nodules]
        return replace(result, nodules=tuple(outlined))

    runs.change, runs.masks_of_classified = change, True
    choose(app, quick, ct)
    run(app, quick)
    quick.ui.confidenceSlider.value = 0
    app.process_events()
    assert segment_names(cases(app)[0])[-1].startswith("Nodule 5")
    names = {part: node.GetName() for part, node in cases(app)[0].results()}
    tick(app, quick, 6, True)
    wait(app, quick)
    (case,) = cases(app)
    assert segment_names(case)[-1].startswith("Nodule 6")
    assert is_ticked(quick, 6)
    assert {part: node.GetName() for part, node in case.results()} == names
    assert "with 6" in quick.ui.overruledLabel.text


def test_a_placed_point_is_gone_to_and_ticking_it_makes_it_count(app, quick, ct, runs):
    choose(app, quick, ct)
    run(app, quick)
    tick(app, quick, 2, False)
    names = {part: node.GetName() for part, node in cases(app)[0].results()}
    place_point(app, quick, (-60.0, 10.0, -30.0))
    wait(app, quick)
    (case,) = cases(app)
    rank = result_of(case).nodules[-1].rank
    assert selected_rank(quick) == rank == rows(quick)[-1]
    assert {n.rank for n in result_of(case).nodules if n.scored} == {1, 3, 4, 5}
    assert {part: node.GetName() for part, node in case.results()} == names
    tick(app, quick, rank, True)
    result = result_of(case)
    assert runs.points_malignancy in counted(result)
    assert abs(result.case.score - (1 - (1 - result.case.leak) * np.prod([1 - p for p in counted(result)]))) < 1e-6
    assert f"without 2 and with {rank}" in quick.ui.overruledLabel.text

    place_point(app, quick, (60.0, 10.0, -30.0))
    wait(app, quick)
    again = result_of(cases(app)[0])
    assert {n.rank for n in again.nodules if n.scored} == {1, 3, 4, 5, rank}
    assert [n.source for n in again.nodules[-2:]] == ["user", "user"]
    assert app.displayed == []


def test_a_second_question_is_put_to_the_model_of_the_case(app, quick, ct, runs):
    choose(app, quick, ct)
    run(app, quick)
    quick.ui.confidenceSlider.value = 0
    quick._parameterNode.model = "untrained-grt123"
    app.process_events()
    tick(app, quick, 7, True)
    wait(app, quick)
    assert "--model" not in runs.asked[-1]
    assert is_ticked(quick, 7)


@pytest.mark.parametrize(
    ("subprogress", "now", "asked"), [("fp32", "auto", "fp32"), ("fp32", "bf16", "fp32"), ("bf16", "auto", "auto")]
)
def test_a_case_in_float32_is_asked_about_in_float32(app, quick, ct, runs, subprogress, now, asked):
    """Half a precision might put its nodules elsewhere; and may take for ever on another machine than the case's."""
    runs.change = lambda result: replace(result, run={**result.run, "precision": subprogress})
    choose(app, quick, ct)
    run(app, quick)
    quick._parameterNode.precision = now
    place_point(app, quick, (-60.0, 10.0, -30.0))
    wait(app, quick)
    first, second = (words[words.index("--precision") + 1] for words in runs.asked)
    assert (first, second) == ("auto", asked)


def test_an_answer_of_another_model_does_not_touch_the_case(app, quick, ct, runs):
    choose(app, quick, ct)
    run(app, quick)
    before, ids = result_of(cases(app)[0]), node_ids(app)
    runs.change = lambda result: replace(result, model={**result.model, "sha256": "another"})
    place_point(app, quick, (-60.0, 10.0, -30.0))
    wait(app, quick)
    assert result_of(cases(app)[0]) == before
    assert node_ids(app) == ids
    assert [message.kind for message in app.displayed] == ["error"]
    assert "nothing was changed" in app.displayed[0].text


def test_leaving_the_placing_of_a_point_leaves_no_trace(app, quick, ct):
    choose(app, quick, ct)
    run(app, quick)
    ids, words = node_ids(app), quick.ui.placePointButton.text
    for leave in (
        quick.ui.placePointButton.click,
        slicer.app.applicationLogic().GetInteractionNode().SwitchToViewTransformMode,
        quick.ui.detectButton.click,
        lambda: app.scene.RemoveNode(cases(app)[0].case),
    ):
        ids = ids & node_ids(app)
        quick.ui.placePointButton.click()
        assert quick.ui.placePointButton.text != words
        leave()
        wait(app, quick)
        assert quick.ui.placePointButton.text == words
        assert not app.scene.GetNodesByClassByName("vtkMRMLMarkupsFiducialNode", "Point to classify").GetNumberOfItems()
