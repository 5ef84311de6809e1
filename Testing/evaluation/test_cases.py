"""Case metrics agree with hand computation, and their intervals with resampling done plainly."""

import numpy as np
import pytest

from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.evaluation import cases
from LungCancerDxLib.evaluation.cases import calibration, case_report
from LungCancerDxLib.evaluation.outcomes import Outcomes
from LungCancerDxLib.evaluation.report import resample

metrics = pytest.importorskip("sklearn.metrics")
PREDICTED = np.array([0.9, 0.4, 0.6, 0.1, 0.4])
CANCER = np.array([True, True, False, False, False])


def simulated(number, seed=0, noise=0.0):
    """Cases whose Bayes probabilities are known; the scores are those, blurred on the logit scale."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-1, 2, number)
    bayes = 1 / (1 + np.exp(-logit))
    predicted = 1 / (1 + np.exp(-logit - noise * rng.normal(size=number)))
    return Outcomes([str(n) for n in range(number)], predicted, rng.random(number) < bayes, bayes, "model score", ())


def rows_of(outcomes, seed=0, samples=300):
    return {row.name: row for row in case_report(outcomes, np.random.default_rng(seed), samples).rows}


def test_the_log_loss_is_the_mean_of_minus_the_logarithms():
    expected = -np.log([0.9, 0.4, 0.4, 0.9, 0.6]).mean()
    assert cases.case_losses(PREDICTED, CANCER).mean() == pytest.approx(expected)


def test_a_score_of_zero_for_a_case_with_cancer_costs_what_the_clipping_says():
    predicted, cancer = np.array([0.0, 0.0]), np.array([True, False])
    assert cases.case_losses(predicted, cancer).mean() == pytest.approx(-np.log(1e-15) / 2)


def test_the_auc_is_the_share_of_pairs_in_the_right_order_equal_scores_half():
    # 0.9 beats three; 0.4 loses to 0.6, beats 0.1, ties with 0.4.
    assert cases.auc(PREDICTED, CANCER) == pytest.approx((3 + 1.5) / 6)


def test_accuracy_calls_cancer_above_one_half_only():
    for predicted, cancer, right in ((PREDICTED, CANCER, 3 / 5), (np.array([0.5, 0.51]), np.array([False, True]), 1)):
        rows = rows_of(Outcomes([], predicted, cancer, None, "model score", ()))
        assert rows["accuracy at 0.5"].value == pytest.approx(right)
        assert rows["accuracy of calling everyone healthy"].value == pytest.approx((~cancer).mean())


def test_the_roc_curve_goes_through_every_threshold():
    false_rate, true_rate, threshold = cases.roc(PREDICTED, CANCER)
    assert threshold.tolist() == [np.inf, 0.9, 0.6, 0.4, 0.1]
    np.testing.assert_allclose(false_rate, [0, 0, 1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(true_rate, [0, 0.5, 0.5, 1, 1])


def test_calibration_compares_scores_and_shares_bin_by_bin():
    found = calibration(np.array([0.0, 0.1, 0.1, 0.5, 0.99, 1.0]), np.array([0, 0, 1, 0, 1, 1], dtype=bool), bins=2)
    assert found.cases.tolist() == [3, 3]
    np.testing.assert_allclose(found.mean_score, [0.2 / 3, 2.49 / 3])
    np.testing.assert_allclose(found.observed_frequency, [1 / 3, 2 / 3])
    assert found.expected_error == pytest.approx(((1 - 0.2) / 3 + (2.49 - 2) / 3) / 2)


def test_empty_bins_do_not_disturb_the_calibration_error():
    found = calibration(np.array([0.25, 0.25]), np.array([True, False]))
    assert np.isnan(found.observed_frequency).sum() == 9
    assert found.expected_error == pytest.approx(0.25)


def test_resampled_figures_are_those_of_the_cases_drawn():
    outcomes = simulated(40, noise=1.0)
    predicted, cancer = np.round(outcomes.predicted, 1), outcomes.cancer
    times = resample(np.random.default_rng(2), 40, 20)
    areas = cases.resampled_auc(predicted, cancer, times)
    losses = cases.resampled_mean(cases.case_losses(predicted, cancer), times)
    for counts, area, loss in zip(times, areas, losses, strict=True):
        drawn = np.repeat(np.arange(40), counts)
        assert area == pytest.approx(cases.auc(predicted[drawn], cancer[drawn]))
        assert loss == pytest.approx(metrics.log_loss(cancer[drawn], predicted[drawn], labels=[False, True]))


def test_a_sample_of_one_label_has_no_auc():
    areas = cases.resampled_auc(PREDICTED, CANCER, np.array([[5, 0, 0, 0, 0], [1, 1, 1, 1, 1]]))
    assert np.isnan(areas[0])
    assert areas[1] == pytest.approx(0.75)


def test_the_interval_of_an_accuracy_is_that_of_its_binomial_law():
    cancer = np.arange(400) < 100
    rows = rows_of(Outcomes([], np.full(400, 0.2), cancer, None, "model score", ()), samples=1000)
    row = rows["accuracy of calling everyone healthy"]
    half = 1.96 * np.sqrt(0.25 * 0.75 / 400)
    assert row.value == 0.75
    assert (row.low, row.high) == pytest.approx((0.75 - half, 0.75 + half), abs=0.008)


def test_the_bayes_predictor_differs_from_itself_by_nothing():
    rows = rows_of(simulated(200))
    for name in ("log-loss", "AUC"):
        row = rows[f"{name} minus that of the Bayes predictor"]
        assert (row.value, row.low, row.high) == (0, 0, 0)


def test_differences_in_pairs_are_known_better_than_the_figures_themselves():
    rows = rows_of(simulated(300, noise=1.2))
    for name, sign in (("log-loss", 1), ("AUC", -1)):
        alone, pair = rows[name], rows[f"{name} minus that of the Bayes predictor"]
        assert pair.value == pytest.approx(alone.value - rows[f"{name} of the Bayes predictor"].value)
        assert pair.low < pair.value < pair.high
        assert min(sign * pair.low, sign * pair.high) > 0  # worse than the best possible, beyond doubt
        assert pair.high - pair.low < 0.7 * (alone.high - alone.low)


def test_the_difference_in_log_loss_without_the_luck_of_the_outcomes_is_its_mean_over_many_draws():
    rng = np.random.default_rng(4)
    bayes, predicted = rng.uniform(0, 1, 20), np.append(rng.uniform(0.02, 0.98, 19), 1.0)
    bayes[0], bayes[-1] = 0.0, 1.0
    drawn = rng.random((40000, 20)) < bayes
    losses = [cases.case_losses(p, drawn) for p in (predicted, bayes)]
    expected = cases.expected_excess_losses(predicted, bayes)
    np.testing.assert_allclose(expected, (losses[0] - losses[1]).mean(axis=0), atol=0.05)
    assert expected.mean() == pytest.approx((losses[0] - losses[1]).mean(), abs=0.01)
    np.testing.assert_allclose(cases.expected_excess_losses(bayes, bayes), 0, atol=1e-12)


def test_the_expected_difference_is_known_better_than_that_of_the_outcomes_drawn():
    rows = rows_of(simulated(300, noise=1.2))
    name = "log-loss minus that of the Bayes predictor"
    drawn, expected = rows[name], rows[f"{name}, expected over outcomes"]
    assert 0 < expected.low < expected.value < expected.high
    assert expected.high - expected.low < drawn.high - drawn.low
    assert drawn.low < expected.value < drawn.high


def test_a_seed_gives_the_same_intervals_again_and_another_seed_others():
    outcomes = simulated(50)
    assert rows_of(outcomes, seed=1)["AUC"] == rows_of(outcomes, seed=1)["AUC"]
    assert rows_of(outcomes, seed=1)["AUC"] != rows_of(outcomes, seed=2)["AUC"]


def test_without_the_truth_nothing_is_said_of_a_bayes_predictor():
    outcomes = simulated(30)
    rows = rows_of(Outcomes(outcomes.ids, outcomes.predicted, outcomes.cancer, None, "model score", ()))
    assert not any("Bayes" in name for name in rows)
    assert {row.basis for row in rows.values()} == {f"30 cases, {outcomes.cancer.sum()} with cancer"}


def test_the_mean_score_of_cases_without_a_nodule_stands_beside_their_true_leak():
    leak = np.array([np.nan, 0.1, 0.2, np.nan, np.nan])
    rows = rows_of(Outcomes([], PREDICTED, CANCER, None, "model score", (), leak))
    row = rows["mean score of cases without a nodule"]
    assert (row.value, row.basis) == (pytest.approx(0.5), "2 cases without a nodule")
    assert (row.low, row.high) == pytest.approx((0.4, 0.6))
    assert rows["their true leak"].value == pytest.approx(0.15)


@pytest.mark.parametrize("leak", [None, np.full(5, np.nan)])
def test_without_such_cases_nothing_is_said_of_them(leak):
    rows = rows_of(Outcomes([], PREDICTED, CANCER, None, "model score", (), leak))
    assert not any("nodule" in name or "leak" in name for name in rows)


def test_without_scikit_learn_the_cure_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn", None)
    with pytest.raises(UsageError, match="needs scikit-learn: pip install"):
        cases.auc(PREDICTED, CANCER)
