"""The result of a case: ticking nodules, and its JSON."""

import json
from dataclasses import asdict, fields, replace

import numpy as np
import pytest

from LungCancerDxLib.case import SCHEMA, Case, CaseResult, Nodule
from LungCancerDxLib.errors import CTReadError, UsageError
from LungCancerDxLib.names import OUTCOMES


def _nodule(rank, malignancy=None, contribution=None, scored=False):
    return Nodule(
        rank=rank,
        source="detected",
        center_lps_mm=(1.0 * rank, -2.5, 1e-3),
        box_diameter_mm=9.5,
        logit=0.25,
        confidence=0.5622,
        malignancy=malignancy,
        contribution=contribution,
        scored=scored,
    )


def _case(join="leaky-noisy-or", leak=0.5, blank_count=0, blank_malignancy=None, malignancy=(0.5, 0.75, 0.25, None)):
    """Nodules 1 and 2 count, 3 is classified and does not count, 4 is not classified."""
    return CaseResult(
        software={"name": "LungCancerDx", "version": "0"},
        model={"name": "test", "sha256": "0" * 64, "preset": "DEFAULT", "outcome": "none", "trained_on": "nothing"},
        run={"device": "cpu", "precision": "fp32"},
        input={"path": None, "series_uid": "1.2.3", "shape_kji": [4, 5, 6], "spacing_mm_kji": [1.0, 0.7, 0.7]},
        case=Case(
            score=0.9375,
            score_name=OUTCOMES["none"],
            join=join,
            leak=leak,
            leak_share=0.25,
            blank_count=blank_count,
            blank_malignancy=blank_malignancy,
            blank_share=None,
            scored_nodules=2,
        ),
        lungs={"left_volume_ml": 2000.5, "right_volume_ml": 2500.0},
        nodules=tuple(_nodule(n, p, 0.1 * n if n < 3 else None, n < 3) for n, p in enumerate(malignancy, start=1)),
        timing_s={"detection": 1.5},
        warnings=("A sentence with °.",),
        lung_labels=np.zeros((4, 5, 6), dtype=np.uint8),
        nodule_labels=np.zeros((4, 5, 6), dtype=np.uint8),
    )


# ---------------------------------------------------------------------- what a score is called


@pytest.mark.parametrize(
    ("outcome", "name"),
    [
        ("clinical", "cancer probability"),
        ("readers", "suspicion of the case"),
        ("synthetic", "model score (simulated outcomes)"),
        ("none", "no trained model, scores mean nothing"),
    ],
)
def test_only_a_clinical_outcome_is_called_a_cancer_probability(outcome, name):
    assert OUTCOMES[outcome] == name
    assert ("cancer" in name) == (outcome == "clinical")


def test_what_radiologists_suspect_is_never_called_a_probability():
    result = _case()
    readers = replace(
        result,
        model={**result.model, "outcome": "readers"},
        case=replace(result.case, score_name=OUTCOMES["readers"]),
    )
    assert readers.nodule_score_name == "suspicion, as radiologists rate it"
    assert readers.short_nodule_score_name == "suspicion"
    assert readers.case.score_name == "suspicion of the case"
    assert result.short_nodule_score_name == "malignancy"
    assert result.nodule_score_name == result.case.score_name


def test_a_score_that_is_not_reliable_says_so_in_its_name():
    assert _case().score_label == OUTCOMES["none"]
    assert replace(_case(), unreliable=("slices are 5.0 mm apart",)).score_label == f"{OUTCOMES['none']}, not reliable"


@pytest.mark.parametrize(
    ("side", "lung"), [("left", "left lung"), ("right", "right lung"), ("unknown", "side unknown"), (None, "")]
)
def test_a_nodule_names_its_lung_where_the_side_is_known(side, lung):
    assert replace(_nodule(1), side=side).lung == lung


# ---------------------------------------------------------------------- ticking


@pytest.mark.parametrize(
    ("ranks", "score", "contributions", "leak_share"),
    [
        ([1, 2], 1 - 0.5 * 0.5 * 0.25, (1 / 4, 2 / 4, None, None), 1 / 4),
        ([2, 1], 1 - 0.5 * 0.5 * 0.25, (1 / 4, 2 / 4, None, None), 1 / 4),
        ([2], 1 - 0.5 * 0.25, (None, 2 / 3, None, None), 1 / 3),
        ([1], 1 - 0.5 * 0.5, (1 / 2, None, None, None), 1 / 2),
        ([], 0.5, (None, None, None, None), 1.0),
    ],
)
def test_the_case_is_scored_over_what_is_ticked_and_nobody_moves_up(ranks, score, contributions, leak_share):
    result = _case().rescored(ranks)
    assert result.case.score == pytest.approx(score)
    assert tuple(nodule.contribution for nodule in result.nodules) == pytest.approx(contributions)
    assert result.case.leak_share == pytest.approx(leak_share)
    assert [nodule.scored for nodule in result.nodules] == [rank in ranks for rank in (1, 2, 3, 4)]
    assert result.case.scored_nodules == len(ranks)


def test_another_classified_nodule_can_be_ticked():
    result = _case().rescored({1, 3})
    assert result.case.score == pytest.approx(1 - 0.5 * 0.5 * 0.75)
    assert [nodule.scored for nodule in result.nodules] == [True, False, True, False]


def test_a_nodule_that_may_be_none_counts_by_its_confidence_and_a_users_point_in_full():
    case = _case()
    detected, other = replace(_nodule(1), malignancy=0.8, confidence=0.25), replace(_nodule(2), malignancy=0.4)
    weighted = replace(case, nodules=(detected, replace(other, source="user", confidence=None)))
    weighted = replace(weighted, case=replace(case.case, weighted_by_confidence=True))
    assert weighted.rescored([1]).case.score == pytest.approx(1 - 0.5 * 0.8)
    assert weighted.rescored([2]).case.score == pytest.approx(1 - 0.5 * 0.6)
    assert weighted.rescored([1, 2]).case.score == pytest.approx(1 - 0.5 * 0.8 * 0.6)


def test_a_case_file_from_before_the_weights_counts_without_them():
    content = json.loads(_case().to_json())
    del content["case"]["weighted_by_confidence"]
    assert CaseResult.from_json(json.dumps(content)) == _case()


def test_blanks_go_on_counting_where_they_are_scored():
    result = _case(blank_count=3, blank_malignancy=0.5).rescored([1])
    assert result.case.score == pytest.approx(1 - 0.5 * 0.5 * 0.5**3)
    assert result.case.blank_share == pytest.approx(3 / 5)
    assert result.case.blank_count == 3


def test_the_greatest_probability_is_that_of_what_is_ticked():
    result = _case("max-p", leak=None).rescored([1, 3])
    assert result.case.score == 0.5
    assert [nodule.contribution for nodule in result.nodules] == [None] * 4
    assert [nodule.scored for nodule in result.nodules] == [True, False, True, False]


@pytest.mark.parametrize("ranks", [[], [1], [1, 2]], ids=str)
def test_feature_combining_cannot_be_overruled_and_says_so(ranks):
    result = _case("feature-combining", leak=None, malignancy=(None, None))
    with pytest.raises(UsageError, match="feature-combining cannot be overruled"):
        result.rescored(ranks)


@pytest.mark.parametrize("rank", [4, 5, 0], ids=["not classified", "not there", "zero"])
def test_a_nodule_without_malignancy_cannot_be_ticked(rank):
    with pytest.raises(ValueError, match=rf"nodules \[{rank}\] have no malignancy"):
        _case().rescored([1, rank])


def test_what_the_user_overruled_stays_known_until_it_is_taken_back():
    result = _case(leak=0.1, malignancy=(0.5, 0.75, 0.25, None)).rescored([1, 2])
    assert (result.overruling, result.by_model) == ("", None)
    once = result.rescored([2, 3])
    again = CaseResult.from_json(once.rescored([3]).to_json())
    own = f"The model's own score: {result.case.score:.2f}"
    assert once.overruling == f"Overruled by the user: without 1 and with 3. {own}"
    assert again.overruling.startswith("Overruled by the user: without 1, 2 and with 3. ")
    assert again.by_model.to_json() == result.to_json()
    assert again.rescored([1, 2]).to_json() == result.to_json()
    nothing = result.rescored([])
    assert nothing.overruling.startswith("Overruled by the user: without 1, 2. ")
    assert nothing.rescored([1]).by_model.scored_ranks == {1, 2}


def test_what_was_counted_without_a_malignancy_is_refused():
    text = _case().rescored([1]).to_json().replace('"scored_by_model": false', '"scored_by_model": true')
    with pytest.raises(CTReadError, match="scored_by_model is true of a nodule without malignancy"):
        CaseResult.from_json(text)


def test_how_the_score_comes_of_the_nodules_is_said():
    assert _case().joining == "Joined from 2 of 4 listed nodules by leaky-noisy-or"
    weighted = replace(_case(), case=replace(_case().case, weighted_by_confidence=True)).rescored([1])
    expected = "Joined from 1 of 4 listed nodules by leaky-noisy-or, weighted by their confidence of detection"
    assert weighted.joining == expected


def test_ticking_leaves_no_assessment_of_nodules_that_counted_before():
    assert replace(_case(), assessment={"lung_rads": []}).rescored([1]).assessment == {}


def test_ticking_changes_nothing_else_and_not_the_result_itself():
    result = _case()
    before = result.to_json()
    ticked = result.rescored([3])
    assert result.to_json() == before
    assert ticked.rescored([1, 2]) == result.rescored([1, 2])
    assert ticked.lung_labels is result.lung_labels
    changing = {"nodules", "case", "assessment"}
    assert all(getattr(ticked, f.name) is getattr(result, f.name) for f in fields(result) if f.name not in changing)


# ---------------------------------------------------------------------- JSON


def test_a_case_comes_back_from_its_json_without_the_label_maps():
    result = _case(blank_count=3, blank_malignancy=0.5)
    back = CaseResult.from_json(result.to_json())
    assert back == result
    assert back.lung_labels is None
    assert back.nodule_labels is None
    assert isinstance(back.nodules[0].center_lps_mm, tuple)
    assert back.rescored([2]) == result.rescored([2])


def test_a_case_without_nodules_comes_back():
    empty = replace(_case(), nodules=(), warnings=())
    assert CaseResult.from_json(empty.to_json()) == empty


def test_a_case_written_before_reliability_was_judged_is_read():
    content = json.loads(_case().to_json())
    del content["unreliable"]
    assert CaseResult.from_json(json.dumps(content)).unreliable == ()


def test_the_json_has_the_tables_of_the_schema():
    content = json.loads(_case().to_json())
    assert content["schema"] == SCHEMA == "lungcancerdx/case/1"
    tables = "software model run input case lungs nodules timing_s warnings unreliable patient assessment"
    assert set(content) == {"schema", *tables.split()}
    assert content["nodules"][3] == {**asdict(_nodule(4)), "center_lps_mm": [4.0, -2.5, 0.001]}
    assert content["nodules"][3]["malignancy"] is None
    assert {"score", "score_name", "join", "leak", "blank_count", "scored_nodules"} < set(content["case"])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_json_does_not_know_are_refused(value):
    result = _case()
    with pytest.raises(ValueError, match="not JSON compliant"):
        replace(result, case=replace(result.case, score=value)).to_json()


def _changed(**changes):
    return json.dumps({**json.loads(_case().to_json()), **changes})


def _without(key):
    return json.dumps({k: v for k, v in json.loads(_case().to_json()).items() if k != key})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "null",
        "7",
        "[]",
        '"text"',
        "{}",
        _without("schema"),
        _changed(schema="lungcancerdx/case/2"),
        _changed(schema=None),
        _without("case"),
        _without("nodules"),
        _without("lungs"),
        _changed(case={"score": 1.0}),
        _changed(case=None),
        _changed(nodules=[{}]),
        _changed(nodules=[1]),
        _changed(nodules=None),
        _changed(warnings=None),
        _changed(extra=1),
    ],
)
def test_what_is_no_case_is_refused(text):
    with pytest.raises(CTReadError, match="no case of schema lungcancerdx/case/1"):
        CaseResult.from_json(text)


def _with(entry, value):
    """The text of a case with one entry changed, such as `nodules.0.rank`."""
    content = json.loads(_case().to_json())
    *path, last = [int(part) if part.isdecimal() else part for part in entry.split(".")]
    table = content
    for part in path:
        table = table[part]
    table[last] = value
    return json.dumps(content)


@pytest.mark.parametrize(
    ("entry", "value", "said"),
    [
        ("case.score", float("nan"), "case.score is nan; expected 0 to 1"),
        ("case.score", None, "case.score is None; expected a number"),
        ("case.score", "0.5", "case.score is '0.5'; expected a number"),
        ("case.score", 5.0, "case.score is 5.0; expected 0 to 1"),
        ("case.join", "sum", "case.join is 'sum'; expected feature-combining or"),
        ("model", {}, "model.name is missing"),
        ("model.outcome", "guessed", "model.outcome is 'guessed'; expected clinical or"),
        ("input", None, "input is None; expected a table"),
        ("input.path", 3, "input.path is 3; expected a text"),
        ("lungs.left_volume_ml", float("inf"), "lungs.left_volume_ml is inf"),
        ("nodules.0.center_lps_mm", [1.0, 2.0], "nodules[0].center_lps_mm is [1.0, 2.0]; expected a list of 3"),
        ("nodules.0.center_lps_mm", [1.0, 2.0, "x"], "nodules[0].center_lps_mm[2] is 'x'; expected a number"),
        ("nodules.1.diameter_mm", -1.0, "nodules[1].diameter_mm is -1.0; expected 0 to"),
        ("nodules.1.malignancy", -3, "nodules[1].malignancy is -3; expected 0 to 1"),
        ("nodules.1.type", "hard", "nodules[1].type is 'hard'; expected solid or"),
        ("nodules.1.rank", 1, "two nodules have one rank"),
        ("nodules.0.scored", 1, "nodules[0].scored is 1; expected true or false"),
    ],
)
def test_an_entry_that_cannot_be_is_refused_by_its_name(entry, value, said):
    with pytest.raises(CTReadError) as refused:
        CaseResult.from_json(_with(entry, value), "result/case.json")
    assert str(refused.value).startswith(f"result/case.json is no case of schema {SCHEMA}: {said}")
