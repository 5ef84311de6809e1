"""The truth of a case follows the sharpened Brock risk and the leaky noisy-or, and its Bayes predictor is exact."""

import numpy as np
import pytest

from LungCancerDxLib.phantom.case import (
    AGES_YEARS,
    FAMILY_HISTORY_SHARE,
    FEMALE_SHARE,
    LEAK,
    bayes_probabilities,
    draw_truth,
)
from LungCancerDxLib.phantom.nodules.nodule import SyntheticNodule
from LungCancerDxLib.phantom.nodules.population import draw_nodules
from Testing.Benchmarks.phantom_figures import PlainLungs


def nodule(diameter_mm=16.0, **what):
    return SyntheticNodule((0.0, 0.0, 0.0), diameter_mm, **what)


def risk(**what):
    return bayes_probabilities([nodule(**what)], emphysema=False)[1][0]


@pytest.mark.slow
def test_the_bayes_probability_is_the_mean_of_many_drawn_labels():
    nodules = [nodule(11.0, margin="spiculated"), nodule(10.0, kind="part-solid", upper_lobe=True)]
    rng = np.random.default_rng(0)
    truths = [draw_truth(rng, nodules, emphysema=True) for _ in range(4000)]
    probability = truths[0].bayes_probability
    assert 0.2 < probability < 0.8
    assert np.mean([t.label for t in truths]) == pytest.approx(probability, abs=4 * 0.5 / np.sqrt(4000))


def test_the_bayes_probability_averages_the_formula_over_age_sex_and_family_history():
    rng = np.random.default_rng(1)
    count = 200_000
    age, female = rng.choice(AGES_YEARS, count), rng.random(count) < FEMALE_SHARE
    family = rng.random(count) < FAMILY_HISTORY_SHARE
    brock = 0.0287 * (age - 62) + 0.6011 * female + 0.2961 * family + 0.2953
    brock = brock - 5.3854 * (1.6**-0.5 - 1.58113883) + 0.377 + 0.6581 + 0.7729 - 6.7892
    cancer = 1 / (1 + np.exp(-(3 * brock + 6)))
    seen = nodule(16.0, kind="part-solid", margin="spiculated", upper_lobe=True)
    case, (each,) = bayes_probabilities([seen], emphysema=True)
    assert each == pytest.approx(cancer.mean(), abs=0.003)
    assert case == pytest.approx(np.mean(1 - (1 - LEAK) * (1 - cancer)), abs=0.003)


def test_a_given_sex_is_kept_and_changes_the_label_not_the_prediction():
    truths = {
        female: [
            draw_truth(np.random.default_rng(n), [nodule(12.0)], emphysema=False, female=female) for n in range(600)
        ]
        for female in (False, True)
    }
    assert all(truth.female is female for female, drawn in truths.items() for truth in drawn)
    assert {truth.bayes_probability for drawn in truths.values() for truth in drawn} == {
        truths[True][0].bayes_probability
    }
    share = {female: np.mean([truth.label for truth in drawn]) for female, drawn in truths.items()}
    assert share[True] > share[False] + 0.1


def test_nodules_of_one_patient_share_what_the_lungs_do_not_show():
    pair = [nodule(14.0, margin="spiculated")] * 2
    case, each = bayes_probabilities(pair, emphysema=False)
    assert case < 1 - (1 - LEAK) * (1 - each[0]) * (1 - each[1]) - 0.01


def test_without_nodules_only_the_leak_is_left():
    truth = draw_truth(np.random.default_rng(0), (), emphysema=True)
    assert truth.bayes_probability == pytest.approx(LEAK)
    assert truth.nodule_probabilities == ()
    assert truth.leak == LEAK


def test_risk_rises_with_size_spicules_upper_lobe_and_a_solid_part_and_falls_with_calcium():
    plain = risk()
    assert risk(diameter_mm=22.0) > plain
    assert risk(margin="spiculated") > plain
    assert risk(upper_lobe=True) > plain
    assert risk(kind="part-solid") > plain > risk(kind="ground-glass") > risk(kind="calcified")
    assert risk(kind="calcified", diameter_mm=20.0) < 0.02
    assert bayes_probabilities([nodule()], emphysema=True)[1][0] > plain


@pytest.mark.slow
def test_a_cohort_can_tell_a_good_network_from_a_bad_one():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(2)
    truths = [draw_truth(rng, draw_nodules(rng, PlainLungs()), emphysema=bool(rng.random() < 0.3)) for _ in range(500)]
    labels, scores = [t.label for t in truths], [t.bayes_probability for t in truths]
    assert 0.33 < np.mean(labels) < 0.49
    assert metrics.roc_auc_score(labels, scores) > 0.87


def test_the_same_seed_gives_the_same_truth():
    one, other = (draw_truth(np.random.default_rng(5), [nodule()], emphysema=False) for _ in range(2))
    assert one == other
