"""All figures of the evaluation of case scores, ready to be written and drawn (section VI-B, Fig. 8)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .case_metrics import (
    CLIP,
    Calibration,
    accuracy,
    auc,
    calibration,
    case_losses,
    expected_excess_losses,
    healthy_accuracy,
    log_loss,
    resampled_auc,
    resampled_mean,
    roc,
)
from .outcomes import Outcomes
from .report import Row, resample, row


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
    right, healthy = ((predicted > 0.5) == cancer).astype(float), (~cancer).astype(float)
    bins = calibration(predicted, cancer)
    rows = [
        row("log-loss", log_loss(predicted, cancer), basis, resampled_mean(losses, times)),
        row("AUC", auc(predicted, cancer), basis, areas),
        row("accuracy at 0.5", accuracy(predicted, cancer), basis, resampled_mean(right, times)),
        row("accuracy of calling everyone healthy", healthy_accuracy(cancer), basis, resampled_mean(healthy, times)),
        row("expected calibration error, 10 bins", bins.expected_error, basis),
    ]
    if outcomes.bayes is not None:
        rows += _against_bayes(outcomes.bayes, outcomes, losses, areas, times, basis)
    if outcomes.leak is not None and not np.isnan(outcomes.leak).all():
        rows += _without_nodule(outcomes.leak, predicted, times)
    remarks = (
        f"What is evaluated: {outcomes.score_name}. It is a cancer probability only where a model trained on clinical "
        "outcomes made it; with simulated labels no figure here says anything about patients.",
        f"Scores lie within 0..1; cancer is called above 0.5; for the log-loss (nats) scores are clipped to "
        f"{CLIP:g}..1 - {CLIP:g}.",
        f"Intervals: percentiles 2.5 and 97.5 over {samples} bootstrap samples of the cases; differences in pairs.",
        *outcomes.remarks,
    )
    return CaseReport(roc(predicted, cancer), bins, tuple(rows), remarks)


def _without_nodule(leak: np.ndarray, predicted: np.ndarray, times: np.ndarray) -> list[Row]:
    """What cases without a nodule get, beside their true probability of cancer."""
    none = ~np.isnan(leak)
    basis = f"{none.sum()} cases without a nodule"
    sampled = resampled_mean(predicted[none], times[:, none])
    return [
        row("mean score of cases without a nodule", predicted[none].mean(), basis, sampled),
        row("their true leak", leak[none].mean(), basis),
    ]


def _against_bayes(
    bayes: np.ndarray, outcomes: Outcomes, losses: np.ndarray, areas: np.ndarray, times: np.ndarray, basis: str
) -> list[Row]:
    predicted, cancer = outcomes.predicted, outcomes.cancer
    bayes_losses, bayes_areas = case_losses(bayes, cancer), resampled_auc(bayes, cancer, times)
    bayes_loss, bayes_area = log_loss(bayes, cancer), auc(bayes, cancer)
    excess = resampled_mean(losses - bayes_losses, times)
    expected = expected_excess_losses(predicted, bayes)
    difference = "log-loss minus that of the Bayes predictor"
    return [
        row("log-loss of the Bayes predictor", bayes_loss, basis, resampled_mean(bayes_losses, times)),
        row("AUC of the Bayes predictor", bayes_area, basis, bayes_areas),
        row(difference, log_loss(predicted, cancer) - bayes_loss, basis, excess),
        row(f"{difference}, expected over outcomes", expected.mean(), basis, resampled_mean(expected, times)),
        row("AUC minus that of the Bayes predictor", auc(predicted, cancer) - bayes_area, basis, areas - bayes_areas),
    ]
