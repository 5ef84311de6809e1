"""From a CT to a scored case, with networks small enough to run in a moment (scores mean nothing, their sums do)."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from LungCancerDxLib import pipeline
from LungCancerDxLib.case import SCHEMA, CaseResult
from LungCancerDxLib.classification.late_fusion import LateFusion, rated_by_outline
from LungCancerDxLib.detection.detector import Detected
from LungCancerDxLib.detection.proposals import Proposals
from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.phantom.nodules.nodule import SyntheticNodule
from LungCancerDxLib.pipeline import detect_and_score
from LungCancerDxLib.preset import DEFAULT, GRT123, PAPER
from LungCancerDxLib.runtime.device import Compute
from LungCancerDxLib.segmentation.nodules import SegmentedNodules
from LungCancerDxLib.volume import index_to_world
from Testing.helpers import SLAB, chest, slab, tiny_model

pytestmark = pytest.mark.slow

IN_THE_LEFT_LUNG = (80.25, 10.125, -30.0625)  # LPS mm
OUTSIDE_THE_LUNGS = (0.0, 90.0, -30.0)
CENTERS_KJI = [(9.0, 22.0, 19.0), (8.0, 21.0, 52.0), (7.0, 25.0, 15.0), (8.0, 19.0, 45.0), (6.0, 22.0, 22.0)]


def unmeasured(volume, lungs, nodules, *_):
    return SegmentedNodules(np.zeros(volume.shape_kji, np.uint8), tuple(nodules), lungs)


@pytest.fixture(scope="module")
def result():
    return detect_and_score(slab().volume, tiny_model())


@pytest.fixture(scope="module")
def with_points():
    """Every nodule and two points classified, none outlined."""
    points = [IN_THE_LEFT_LUNG, OUTSIDE_THE_LUNGS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "segment_nodules", unmeasured)
        return detect_and_score(slab().volume, tiny_model(), points_lps_mm=points, classify_all=True)


@pytest.fixture
def detected(monkeypatch):
    """A function that makes the detector find nodules of the given logits."""

    def find(*logits):
        found = Proposals.from_rows([(logit, *center, 2.0) for logit, center in zip(logits, CENTERS_KJI, strict=False)])
        monkeypatch.setattr(pipeline, "detect", lambda *rest: Detected(found, (), Compute()))

    return find


def scored(model):
    return detect_and_score(slab().volume, model)


def shares(result):
    parts = [*(nodule.contribution for nodule in result.nodules), result.case.leak_share, result.case.blank_share]
    return [share for share in parts if share is not None]


def noisy_or(*probabilities):
    return 1 - np.prod([1 - p for p in probabilities])


# ---------------------------------------------------------------------- the result


def test_lung_labels_lie_on_the_scans_own_grid_and_on_the_lungs(result):
    truth, labels = slab().lungs, result.lung_labels
    assert labels.dtype == np.uint8
    drawn = result.nodule_labels > 0  # untrained boxes lie anywhere, and nodules are drawn into the lungs
    for label in (1, 2):
        found, true = (labels == label) & ~drawn, truth == label
        assert 2 * np.sum(found & true) / (found.sum() + true.sum()) > 0.92


def test_a_nodule_that_the_images_end_cuts_is_told():
    labels = np.zeros((6, 7, 8), np.uint8)
    labels[2:4, 2:4, 2:4], labels[0, 5, 5], labels[3, 3, 7] = 1, 2, 12
    assert [words.split(" is ")[0] for words in pipeline._cut_off(labels)] == ["Nodule 2", "Nodule 12"]


def test_lung_figures_are_those_of_the_labels(result):
    voxel_ml = 2.5 * 2 * 2 / 1000
    lungs = slab().volume.voxels[result.lung_labels > 0]
    smoothed = gaussian_filter(slab().volume.voxels.astype(float), (0, 0.5, 0.5))[result.lung_labels > 0]
    assert result.lungs == pytest.approx(
        {
            "left_volume_ml": np.sum(result.lung_labels == 1) * voxel_ml,
            "right_volume_ml": np.sum(result.lung_labels == 2) * voxel_ml,
            "share_below_950_hu": np.sum(lungs < -950) / lungs.size,
            "smoothed_share_below_950_hu": np.sum(smoothed < -950) / lungs.size,
        }
    )


def test_the_five_highest_logits_count_and_the_others_follow_by_logit(result):
    assert [nodule.rank for nodule in result.nodules] == list(range(1, len(result.nodules) + 1))
    counted, others = ([nodule.logit for nodule in result.nodules if nodule.scored == which] for which in (True, False))
    assert [nodule.scored for nodule in result.nodules] == [True] * len(counted) + [False] * len(others)
    assert (len(counted), others) == (5, sorted(others, reverse=True))
    assert min(counted) >= max(others) > min(others)


@pytest.mark.usefixtures("no_outlines")
def test_those_that_count_are_ranked_by_confidence_times_malignancy(detected, monkeypatch):
    detected(6.0, 5.0, -0.5, -2.0)
    score_case, known = pipeline.score_case, (0.1, 0.8, 0.11, 0.5)
    monkeypatch.setattr(
        pipeline, "score_case", lambda *given, **how: replace(score_case(*given, **how), malignancy=known)
    )
    nodules = scored(tiny_model()).nodules
    assert [nodule.logit for nodule in nodules] == [5.0, 6.0, -2.0, -0.5]
    assert [nodule.malignancy for nodule in nodules] == [0.8, 0.1, 0.5, 0.11]


def test_at_most_20_nodules_are_listed_and_the_first_five_count(result):
    assert len(result.nodules) == 20
    assert [nodule.scored for nodule in result.nodules] == [True] * 5 + [False] * 15
    assert result.case.scored_nodules == 5


def test_confidence_is_the_logistic_of_the_logit(result):
    for nodule in result.nodules:
        assert nodule.confidence == pytest.approx(1 / (1 + np.exp(-nodule.logit)))
        assert nodule.source == "detected"


def test_nodules_lie_in_the_field_of_view_and_have_a_box(result):
    low, high = slab().volume.kji_to_lps[:3, 3], -slab().volume.kji_to_lps[:3, 3]
    for nodule in result.nodules:
        x, y, z = nodule.center_lps_mm
        assert low[0] < x < high[0]
        assert low[1] < y < high[1]
        assert -70 < z < 10
        assert nodule.box_diameter_mm > 0


def test_what_does_not_count_has_no_malignancy_and_no_share(result):
    for nodule in result.nodules:
        assert (nodule.malignancy is None) is not nodule.scored
        assert (nodule.contribution is None) is not nodule.scored


def test_a_nodule_is_measured_as_a_whole_or_not_at_all(detected):
    detected(1.0, 0.5, 0.0)
    truth = SyntheticNodule(IN_THE_LEFT_LUNG, diameter_mm=18.0)
    patient = chest(4, **SLAB, nodules=(truth,))
    center = np.array(truth.center_lps_mm)
    result = detect_and_score(patient.volume, tiny_model(), points_lps_mm=[center.tolist()])
    assert (result.model["segmenter"], result.model["segmenter_sha256"]) == ("stand-in", "abc")
    assert not any("segmenter" in warning for warning in result.warnings)
    for nodule in result.nodules:
        figures = [nodule.longest_axial_diameter_mm, nodule.volume_mm3, nodule.mean_hu, nodule.type]
        drawn = nodule.rank in np.unique(result.nodule_labels)
        assert [figure is not None for figure in figures] == [drawn] * 4
        assert (nodule.side, nodule.third) != (None, None)
    found = result.nodules[-1]
    assert found.diameter_mm == pytest.approx(truth.diameter_mm, rel=0.2)
    place = index_to_world(patient.volume.kji_to_lps, np.argwhere(result.nodule_labels == found.rank)).mean(axis=0)
    assert np.linalg.norm(place - center) < 2


def test_a_models_late_fusion_rates_ranks_and_labels_by_the_outlines(detected):
    detected(1.0, 0.5, 0.0)
    truth = SyntheticNodule(IN_THE_LEFT_LUNG, diameter_mm=18.0)
    patient = chest(4, **SLAB, nodules=(truth,))
    bare = tiny_model()
    fused = replace(bare, fusion=LateFusion(1.0, -3.0, 0.0, -1.0))
    before, after = (
        detect_and_score(patient.volume, model, points_lps_mm=[truth.center_lps_mm]) for model in (bare, fused)
    )
    there = {nodule.center_lps_mm: nodule for nodule in before.nodules}
    assert sum(nodule.network_malignancy is not None for nodule in after.nodules) > 1
    for nodule in after.nodules:
        was = there[nodule.center_lps_mm]
        assert nodule.malignancy == rated_by_outline(was, fused.fusion).malignancy
        assert np.array_equal(after.nodule_labels == nodule.rank, before.nodule_labels == was.rank)
    counted = [nodule.malignancy for nodule in after.nodules if nodule.scored]
    assert after.case.score == pytest.approx(noisy_or(after.case.leak, *counted), abs=1e-6)


def test_the_score_is_the_leaky_noisy_or_of_what_counts_and_the_shares_sum_to_one(result):
    malignancy = [nodule.malignancy for nodule in result.nodules[:5]]
    assert result.case.join == "leaky-noisy-or"
    assert result.case.score == pytest.approx(noisy_or(result.case.leak, *malignancy), abs=1e-6)
    assert len(shares(result)) == 6
    assert sum(shares(result)) == pytest.approx(1)
    for nodule in result.nodules[:5]:
        expected = np.log1p(-nodule.malignancy) / np.log1p(-result.case.score)
        assert nodule.contribution == pytest.approx(expected, rel=1e-4)


def test_blanks_are_not_scored_with_the_default_preset(result):
    case = result.case
    assert (case.blank_count, case.blank_malignancy, case.blank_share) == (0, None, None)


def test_the_score_of_an_untrained_model_is_called_what_it_is(result):
    assert result.case.score_name == "no trained model, scores mean nothing"
    assert result.model["outcome"] == "none"
    assert result.model["sha256"] == tiny_model().sha256


def test_every_stage_is_timed(result):
    assert list(result.timing_s) == ["preprocessing", "detection", "classification", "segmentation"]
    assert all(seconds > 0 for seconds in result.timing_s.values())


def test_the_run_and_the_input_are_named(result):
    assert (result.run["device"], result.run["precision"]) == ("cpu", "fp32")
    assert result.input == {
        "path": "synthetic",
        "series_uid": None,
        "shape_kji": list(slab().volume.shape_kji),
        "spacing_mm_kji": pytest.approx([2.5, 2.0, 2.0]),
    }


def test_a_scan_cut_off_at_top_and_bottom_is_warned_of(result):
    for where in ("top", "bottom"):
        assert any(f"cut off at the {where}" in warning for warning in result.warnings)


def test_the_json_comes_back_as_the_same_result(result):
    again = CaseResult.from_json(result.to_json())
    assert again == result
    assert f'"schema": "{SCHEMA}"' in result.to_json()


def test_classify_all_gives_every_nodule_its_malignancy_and_leaves_the_score_alone(result, with_points):
    assert all(nodule.malignancy is not None for nodule in with_points.nodules)
    assert with_points.case.score == pytest.approx(result.case.score, abs=1e-6)
    before, after = ([nodule.malignancy for nodule in r.nodules[:5]] for r in (result, with_points))
    assert after == pytest.approx(before, abs=1e-6)
    assert [n.scored for n in with_points.nodules[:20]] == [n.scored for n in result.nodules]


# ---------------------------------------------------------------------- points and nodules that a user asks about


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


def test_more_points_than_a_label_map_has_labels_are_refused_before_any_work(detected):
    detected(1.0)
    with pytest.raises(UsageError, match="236 points are too many to classify in one run; give 235 at most"):
        detect_and_score(slab().volume, tiny_model(), points_lps_mm=[IN_THE_LEFT_LUNG] * 236)


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
    (warning,) = (warning for warning in with_points.warnings if warning.startswith("Point"))
    assert warning.startswith("Point 2 lies outside the lungs")


@pytest.mark.parametrize("point", [(-400.0, 0, -30), (0, 200.0, -30), (0, 0, 2.5), (float("nan"), 0, -30)])
def test_a_point_outside_the_scan_is_refused_and_lps_and_ras_are_named(point):
    with pytest.raises(UsageError, match=r"Point 2 at x = .* lies outside the scan. Points are in LPS .* RAS"):
        detect_and_score(slab().volume, tiny_model(), points_lps_mm=[IN_THE_LEFT_LUNG, point])


# ---------------------------------------------------------------------- what counts, by every join and preset


@pytest.mark.usefixtures("no_outlines")
@pytest.mark.parametrize("preset", [PAPER, GRT123], ids=lambda preset: preset.name)
def test_blanks_fill_up_to_five_and_count_where_the_preset_says_so(detected, preset):
    detected(1.0, 0.5)
    result = scored(tiny_model(preset))
    case, malignancy = result.case, [nodule.malignancy for nodule in result.nodules]
    assert (case.scored_nodules, case.blank_count) == (2, 3)
    assert case.score == pytest.approx(noisy_or(case.leak, *malignancy, *[case.blank_malignancy] * 3), abs=1e-6)
    assert len(shares(result)) == 4
    assert sum(shares(result)) == pytest.approx(1)


@pytest.mark.usefixtures("no_outlines")
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


@pytest.mark.usefixtures("no_outlines")
def test_only_nodules_above_the_threshold_count(detected):
    detected(2.0, 0.0, -0.5, -1.0, -1.5)
    model = tiny_model()
    result = scored(replace(model, preset=replace(model.preset, score_above_logit=-1.0)))
    assert [nodule.scored for nodule in result.nodules] == [True, True, True, False, False]
    assert result.case.scored_nodules == 3


@pytest.mark.usefixtures("no_outlines")
def test_a_diameter_is_working_voxels_times_their_size(detected):
    detected(1.0)
    assert scored(tiny_model()).nodules[0].box_diameter_mm == pytest.approx(2.0 * 4.0)


@pytest.mark.usefixtures("no_outlines")
def test_max_p_is_the_worst_nodule_and_has_no_shares(detected):
    detected(1.0, 0.5)
    result = scored(tiny_model(join="max-p"))
    assert result.case.score == max(nodule.malignancy for nodule in result.nodules)
    assert (shares(result), result.case.leak) == ([], None)


@pytest.mark.usefixtures("no_outlines")
def test_feature_combining_scores_the_case_alone(detected):
    detected(1.0, 0.5)
    model = replace(tiny_model(join="feature-combining"), learned_from="nodules")
    asked = detect_and_score(slab().volume, model, classify_all=True, points_lps_mm=[IN_THE_LEFT_LUNG])
    assert any("scores the case as a whole" in warning for warning in asked.warnings)
    assert [nodule.malignancy for nodule in asked.nodules] == [None] * 3
    result = scored(model)
    assert asked.case == result.case
    assert not any("scores the case as a whole" in warning for warning in result.warnings)
    assert not result.case.weighted_by_confidence
    assert 0 < result.case.score < 1
    assert [nodule.malignancy for nodule in result.nodules] == [None, None]
    assert shares(result) == []


@pytest.mark.usefixtures("no_outlines")
@pytest.mark.parametrize("learned_from", ["nodules", "cases"])
def test_where_nodules_were_learned_one_by_one_they_count_by_their_confidence_too(detected, learned_from):
    detected(6.0, 0.5, -0.9)
    result = scored(replace(tiny_model(), outcome="readers", learned_from=learned_from))
    weight = [nodule.confidence if learned_from == "nodules" else 1.0 for nodule in result.nodules]
    expected = [each * nodule.malignancy for each, nodule in zip(weight, result.nodules, strict=True)]
    assert result.case.score == pytest.approx(noisy_or(result.case.leak, *expected), abs=1e-7)
    assert result.rescored({1, 2, 3}).case == result.case
    if learned_from == "nodules":
        assert [nodule.contribution for nodule in result.nodules] == sorted(shares(result)[:3], reverse=True)


@pytest.mark.usefixtures("no_outlines")
def test_unticking_nodules_is_the_score_of_the_others(with_points):
    again = with_points.rescored({2, 21})
    malignancy = {nodule.rank: nodule.malignancy for nodule in with_points.nodules}
    assert again.case.score == pytest.approx(noisy_or(again.case.leak, malignancy[2], malignancy[21]))
    assert [nodule.rank for nodule in again.nodules if nodule.scored] == [2, 21]
    assert sum(shares(again)) == pytest.approx(1)
