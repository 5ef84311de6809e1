"""How good the scores of cases are: log-loss, ROC, accuracy and calibration (section VI-B, Tables I and II, Fig. 8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import rel_entr

from ..errors import UsageError
from .outcomes import Outcomes
from .report import Row, resample, row

CLIP = 1e-15
"""Scores are kept this far from 0 and 1 before the logarithm is taken."""


@dataclass(frozen=True)
class CaseReport:
    """What is known of the case scores; `roc` holds (P,) false positive rates, true positive rates, thresholds."""

    roc: tuple[np.ndarray, np.ndarray, np.ndarray]
    calibration: Calibration
    rows: tuple[Row, ...]
    remarks: tuple[str, ...]


def case_report(outcomes: Outcomes, rng: np.random.Generator, samples: int = 1000) -> CaseReport:
    """Compute the metrics with intervals over resampled cases, and, where the truth gives the Bayes predictor's
    probabilities, the differences to it on the same cases, resampled in pairs.

    Raises
    ------
    UsageError
        Where scikit-learn is not installed.
    """
    predicted, cancer = outcomes.predicted, outcomes.cancer
    times = resample(rng, len(cancer), samples)
    basis = f"{len(cancer)} cases, {cancer.sum()} with cancer"
    losses, areas = case_losses(predicted, cancer), resampled_auc(predicted, cancer, times)
    bins = calibration(predicted, cancer)
    rows = [
        _mean("log-loss", losses, basis, times),
        row("AUC", auc(predicted, cancer), basis, areas),
        _mean("accuracy at 0.5", (predicted > 0.5) == cancer, basis, times),
        _mean("accuracy of calling everyone healthy", ~cancer, basis, times),
        row("expected calibration error, 10 bins", bins.expected_error, basis),
    ]
    if (bayes := outcomes.bayes) is not None:
        bayes_losses, bayes_areas = case_losses(bayes, cancer), resampled_auc(bayes, cancer, times)
        bayes_area, difference = auc(bayes, cancer), "log-loss minus that of the Bayes predictor"
        expected = expected_excess_losses(predicted, bayes)
        rows += [
            _mean("log-loss of the Bayes predictor", bayes_losses, basis, times),
            row("AUC of the Bayes predictor", bayes_area, basis, bayes_areas),
            _mean(difference, losses - bayes_losses, basis, times),
            _mean(f"{difference}, expected over outcomes", expected, basis, times),
            row("AUC minus that of the Bayes predictor", rows[1].value - bayes_area, basis, areas - bayes_areas),
        ]
    if outcomes.leak is not None and not np.isnan(outcomes.leak).all():
        none = ~np.isnan(outcomes.leak)
        rests_on = f"{none.sum()} cases without a nodule"
        rows.append(_mean("mean score of cases without a nodule", predicted[none], rests_on, times[:, none]))
        rows.append(row("their true leak", outcomes.leak[none].mean(), rests_on))
    remarks = (
        f"What is evaluated: {outcomes.score_name}. It is a cancer probability only where a model trained on clinical "
        "outcomes made it; with simulated labels no figure here says anything about patients.",
        f"Scores lie within 0..1; cancer is called above 0.5; for the log-loss (nats) scores are clipped to "
        f"{CLIP:g}..1 - {CLIP:g}.",
        f"Intervals: percentiles 2.5 and 97.5 over {samples} bootstrap samples of the cases; differences in pairs.",
        *outcomes.remarks,
    )
    return CaseReport(roc(predicted, cancer), bins, tuple(rows), remarks)


def _mean(name: str, values: np.ndarray, basis: str, times: np.ndarray) -> Row:
    """The row of a mean over cases (N,) drawn (B, N) times."""
    return row(name, values.mean(), basis, resampled_mean(values, times))


def auc(predicted: np.ndarray, cancer: np.ndarray) -> float:
    """Area under the ROC curve; equal scores count half."""
    return float(_metrics().roc_auc_score(cancer, predicted))


def roc(predicted: np.ndarray, cancer: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ROC curve: (P,) false positive rates, true positive rates and the thresholds from inf downwards."""
    curve: tuple[np.ndarray, np.ndarray, np.ndarray] = _metrics().roc_curve(cancer, predicted, drop_intermediate=False)
    return curve


def case_losses(predicted: np.ndarray, cancer: np.ndarray) -> np.ndarray:
    """(N,) each case's cross-entropy in nats, scores clipped to CLIP..1 - CLIP; their mean is the log-loss."""
    right = np.where(cancer, predicted, 1 - predicted)
    return np.asarray(-np.log(np.clip(right, CLIP, 1 - CLIP)))


def expected_excess_losses(predicted: np.ndarray, bayes: np.ndarray) -> np.ndarray:
    """(N,) by how much each case's loss exceeds the Bayes predictor's, in the mean over the outcomes it may have.

    The Kullback-Leibler divergence of the scores from the true probabilities, both (N,): what the difference of the two
    log-losses is without the luck of the outcomes that were drawn.
    """
    clipped = np.clip(predicted, CLIP, 1 - CLIP)
    return np.asarray(rel_entr(bayes, clipped) + rel_entr(1 - bayes, 1 - clipped))


def resampled_mean(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(B,) means of values (N,) over cases drawn (B, N) times; NaN for a sample without any of them."""
    number = times.sum(axis=1)
    return np.where(number > 0, times @ values / np.maximum(number, 1), np.nan)


def resampled_auc(predicted: np.ndarray, cancer: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(B,) areas under the ROC curve over cases drawn (B, N) times: the share of pairs in the right order.

    NaN for a sample with one label only.
    """
    order = 0.5 + 0.5 * np.sign(predicted[cancer][:, None] - predicted[~cancer])
    positives, negatives = times[:, cancer].astype(float), times[:, ~cancer].astype(float)
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    right = ((positives @ order) * negatives).sum(axis=1)
    return np.where(pairs > 0, right / np.maximum(pairs, 1), np.nan)


def _metrics() -> Any:
    try:
        from sklearn import metrics
    except ImportError:
        raise UsageError("Evaluating cases needs scikit-learn: pip install 'lungcancerdx[evaluate]'.") from None
    return metrics


@dataclass(frozen=True)
class Calibration:
    """Of (K,) bins of equal width over 0..1: cases, their mean score and observed frequency of cancer, NaN if empty."""

    cases: np.ndarray
    mean_score: np.ndarray
    observed_frequency: np.ndarray

    @property
    def expected_error(self) -> float:
        """The expected calibration error: |observed frequency - mean score|, averaged over cases."""
        gaps = np.abs(self.observed_frequency - self.mean_score)
        return float(np.nansum(self.cases * gaps) / self.cases.sum())


def calibration(predicted: np.ndarray, cancer: np.ndarray, bins: int = 10) -> Calibration:
    """Compare scores (N,) with labels (N,) in bins; a score on a border belongs to the upper bin, 1 to the last."""
    chosen = np.minimum((predicted * bins).astype(int), bins - 1)
    cases = np.bincount(chosen, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean_score = np.bincount(chosen, weights=predicted, minlength=bins) / cases
        observed_frequency = np.bincount(chosen, weights=cancer, minlength=bins) / cases
    return Calibration(cases, mean_score, observed_frequency)
