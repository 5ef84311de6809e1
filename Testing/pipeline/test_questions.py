"""Points and chosen nodules that a user asks about."""

import pytest

from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.pipeline import detect_and_score
from Testing.helpers import slab, tiny_model
from Testing.pipeline.cases import IN_THE_LEFT_LUNG


@pytest.mark.usefixtures("no_outlines")
def test_chosen_nodules_are_given_their_malignancy_and_leave_the_score_alone(result, with_points):
    chosen = detect_and_score(slab().volume, tiny_model(), points_lps_mm=[IN_THE_LEFT_LUNG], classify=[12, 3, 7, 21])
    classified = [nodule.rank for nodule in chosen.nodules if nodule.malignancy is not None]
    assert classified == [1, 2, 3, 4, 5, 7, 12, 21]
    of_all = {nodule.rank: nodule.malignancy for nodule in with_points.nodules}
    for nodule in chosen.nodules:
        if nodule.malignancy is not None:
            assert nodule.malignancy == pytest.approx(of_all[nodule.rank], abs=1e-6)
    assert [nodule.scored for nodule in chosen.nodules[:20]] == [nodule.scored for nodule in result.nodules]
    assert chosen.case.score == pytest.approx(result.case.score, abs=1e-6)


def test_ranks_that_the_case_does_not_have_are_refused(detected):
    detected(1.0, 0.5, 0.0)
    with pytest.raises(UsageError, match=r"no nodule of rank -1, 0, 4: its nodules have the ranks 1 to 3\."):
        detect_and_score(slab().volume, tiny_model(), classify=[4, 2, 0, -1])
    detected()
    with pytest.raises(UsageError, match="no nodule of rank 1: no nodules were found in it"):
        detect_and_score(slab().volume, tiny_model(), classify=[1], classify_all=True)


def test_a_users_point_is_classified_at_its_place_and_does_not_count(with_points):
    point = with_points.nodules[20]
    assert (point.rank, point.source, point.scored) == (21, "user", False)
    assert point.center_lps_mm == IN_THE_LEFT_LUNG
    assert 0 < point.malignancy < 1
    assert (point.logit, point.confidence, point.box_diameter_mm, point.contribution) == (None, None, None, None)


@pytest.mark.usefixtures("no_outlines")
def test_a_point_where_a_nodule_was_found_gets_its_malignancy(result):
    nodule = result.nodules[0]
    point = detect_and_score(slab().volume, tiny_model(), points_lps_mm=[nodule.center_lps_mm]).nodules[-1]
    assert point.malignancy == pytest.approx(nodule.malignancy, abs=1e-6)


def test_only_the_point_outside_the_lungs_is_warned_of(with_points):
    words = [warning for warning in with_points.warnings if warning.startswith("Point")]
    assert len(words) == 1
    assert words[0].startswith("Point 2 lies outside the lungs")


@pytest.mark.parametrize("point", [(-400.0, 0, -30), (0, 200.0, -30), (0, 0, 2.5), (float("nan"), 0, -30)])
def test_a_point_outside_the_scan_is_refused_with_a_word_on_lps_and_ras(point):
    with pytest.raises(UsageError, match=r"Point 2 at x = .* lies outside the scan. Points are in LPS .* RAS"):
        detect_and_score(slab().volume, tiny_model(), points_lps_mm=[IN_THE_LEFT_LUNG, point])
