"""What counts in the score of a case, by every join and preset."""

from dataclasses import replace

import pytest

from LungCancerDxLib.preset import DEFAULT, GRT123, PAPER
from Testing.helpers import tiny_model
from Testing.pipeline.cases import noisy_or, scored, shares

pytestmark = pytest.mark.usefixtures("no_outlines")


@pytest.mark.parametrize("preset", [PAPER, GRT123], ids=lambda preset: preset.name)
def test_blanks_fill_up_to_five_and_count_where_the_preset_says_so(detected, preset):
    detected(1.0, 0.5)
    result = scored(tiny_model(preset))
    case, malignancy = result.case, [nodule.malignancy for nodule in result.nodules]
    assert (case.scored_nodules, case.blank_count) == (2, 3)
    assert case.score == pytest.approx(noisy_or(case.leak, *malignancy, *[case.blank_malignancy] * 3), abs=1e-6)
    assert len(shares(result)) == 4
    assert sum(shares(result)) == pytest.approx(1)


@pytest.mark.parametrize("preset", [DEFAULT, PAPER], ids=lambda preset: preset.name)
def test_a_case_without_proposals_is_scored_by_leak_and_blanks_alone(detected, preset):
    detected()
    result = scored(tiny_model(preset))
    case = result.case
    assert result.nodules == ()
    assert case.scored_nodules == 0
    assert case.blank_count == (5 if preset.blanks_scored else 0)
    blanks = [case.blank_malignancy] * case.blank_count
    assert case.score == pytest.approx(noisy_or(case.leak, *blanks), abs=1e-6)
    assert sum(shares(result)) == pytest.approx(1)


def test_only_nodules_above_the_threshold_count(detected):
    detected(2.0, 0.0, -0.5, -1.0, -1.5)
    model = tiny_model()
    result = scored(replace(model, preset=replace(model.preset, score_above_logit=-1.0)))
    assert [nodule.scored for nodule in result.nodules] == [True, True, True, False, False]
    assert result.case.scored_nodules == 3


def test_a_diameter_is_working_voxels_times_their_size(detected):
    detected(1.0)
    assert scored(tiny_model()).nodules[0].box_diameter_mm == pytest.approx(2.0 * 4.0)


def test_max_p_is_the_worst_nodule_and_has_no_shares(detected):
    detected(1.0, 0.5)
    result = scored(tiny_model(join="max-p"))
    assert result.case.score == max(nodule.malignancy for nodule in result.nodules)
    assert (shares(result), result.case.leak) == ([], None)


def test_feature_combining_scores_the_case_alone(detected):
    detected(1.0, 0.5)
    result = scored(tiny_model(join="feature-combining"))
    assert 0 < result.case.score < 1
    assert [nodule.malignancy for nodule in result.nodules] == [None, None]
    assert shares(result) == []


def test_unticking_nodules_is_the_score_of_the_others(with_points):
    again = with_points.rescored({2, 21})
    malignancy = {nodule.rank: nodule.malignancy for nodule in with_points.nodules}
    assert again.case.score == pytest.approx(noisy_or(again.case.leak, malignancy[2], malignancy[21]))
    assert [nodule.rank for nodule in again.nodules if nodule.scored] == [2, 21]
    assert sum(shares(again)) == pytest.approx(1)
