"""From a CT to a scored case, with networks small enough to run in a moment (scores mean nothing, their sums do)."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.case import SCHEMA, CaseResult
from LungCancerDxLib.errors import Cancelled
from LungCancerDxLib.phantom.nodules.nodule import SyntheticNodule
from LungCancerDxLib.pipeline import detect_and_score
from LungCancerDxLib.runtime.device import Compute
from LungCancerDxLib.runtime.memory import resident_gb
from LungCancerDxLib.volume import CTVolume, index_to_world
from Testing.helpers import SLAB, chest, reoriented, slab, tiny_model
from Testing.pipeline.cases import IN_THE_LEFT_LUNG, noisy_or, shares


def test_lung_labels_lie_on_the_scans_own_grid_and_on_the_lungs(result):
    truth, labels = slab().lungs, result.lung_labels
    assert labels.dtype == np.uint8
    for label in (1, 2):
        found, true = labels == label, truth == label
        assert 2 * np.sum(found & true) / (found.sum() + true.sum()) > 0.92


def test_lung_volumes_are_those_of_the_labels_in_millilitres(result):
    voxel_ml = 2.5 * 2 * 2 / 1000
    assert result.lungs == pytest.approx(
        {
            "left_volume_ml": np.sum(result.lung_labels == 1) * voxel_ml,
            "right_volume_ml": np.sum(result.lung_labels == 2) * voxel_ml,
        }
    )


def test_nodules_are_ranked_from_one_by_falling_logit(result):
    logits = [nodule.logit for nodule in result.nodules]
    assert [nodule.rank for nodule in result.nodules] == list(range(1, len(logits) + 1))
    assert logits == sorted(logits, reverse=True)
    assert len(set(logits)) > 1


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
    result = detect_and_score(patient.volume, tiny_model(), points_lps_mm=[center])
    for nodule in result.nodules:
        figures = [nodule.longest_axial_diameter_mm, nodule.volume_mm3, nodule.mean_hu, nodule.type]
        drawn = nodule.rank in np.unique(result.nodule_labels)
        assert [figure is not None for figure in figures] == [drawn] * 4
        assert (nodule.side, nodule.third) != (None, None)
    found = result.nodules[-1]
    assert found.diameter_mm == pytest.approx(truth.diameter_mm, rel=0.2)
    place = index_to_world(patient.volume.kji_to_lps, np.argwhere(result.nodule_labels == found.rank)).mean(axis=0)
    assert np.linalg.norm(place - center) < 2


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


def test_the_run_and_the_input_are_told(result):
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


@pytest.mark.usefixtures("no_outlines")
@pytest.mark.parametrize(
    ("axes", "flipped"),
    [
        ((0, 1, 2), (True, False, False)),
        ((0, 1, 2), (False, True, True)),
        ((2, 1, 0), (False, False, False)),
        ((1, 2, 0), (True, False, True)),
    ],
)
def test_the_same_patient_stored_another_way_gets_the_same_nodules_and_score(result, axes, flipped):
    stored = reoriented(slab().volume, axes, flipped)
    again = detect_and_score(stored, tiny_model())
    places = [np.array([nodule.center_lps_mm for nodule in r.nodules]) for r in (again, result)]
    np.testing.assert_allclose(*places, atol=0.05)
    assert again.case.score == pytest.approx(result.case.score, abs=1e-3)
    assert again.lungs == pytest.approx(result.lungs)
    labels = CTVolume(result.lung_labels.astype(np.int16), slab().volume.kji_to_lps)
    np.testing.assert_array_equal(again.lung_labels, reoriented(labels, axes, flipped).voxels)


@pytest.mark.usefixtures("no_outlines")
def test_the_score_does_not_depend_on_the_memory_allowed(result):
    again = detect_and_score(slab().volume, tiny_model(), Compute(memory_gb=0.01))
    assert again.case.score == pytest.approx(result.case.score, abs=1e-4)
    assert [n.logit for n in again.nodules] == pytest.approx([n.logit for n in result.nodules], abs=1e-4)


@pytest.mark.usefixtures("no_outlines")
def test_memory_beyond_what_is_allowed_is_told(result):
    if resident_gb() is None:
        pytest.skip("this system does not tell the memory of a process")
    again = detect_and_score(slab().volume, tiny_model(), Compute(memory_gb=0.2))
    (warning,) = set(again.warnings) - set(result.warnings)
    assert warning.endswith(" GB of memory at its peak; 0.2 GB were allowed.")
    assert not any("of memory" in words for words in result.warnings)


def test_progress_goes_through_every_stage_and_never_back():
    reports, model = [], tiny_model()
    few = replace(model, preset=replace(model.preset, listed_nodules=2))
    detect_and_score(slab().volume, few, progress=lambda *report: reports.append(report))
    stages, fractions = zip(*reports, strict=True)
    assert list(dict.fromkeys(stages)) == [
        "finding the lungs",
        "masking",
        "resampling",
        "preprocessing done",
        "detecting nodules",
        "classifying nodules",
        "outlining nodules",
    ]
    assert list(fractions) == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0, pytest.approx(1))


@pytest.mark.parametrize(
    "stage", ["finding the lungs", "detecting nodules", "classifying nodules", "outlining nodules"]
)
def test_cancelling_stops_at_that_stage(stage):
    seen = []

    def cancel(current, fraction):
        seen.append(current)
        if current == stage:
            raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        detect_and_score(slab().volume, tiny_model(), progress=cancel)
    assert seen.count(stage) == 1
    assert seen[-1] == stage
