"""How good the scores of cases are: log-loss, area under the ROC curve, accuracy (section VI-B, Tables I and II)."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np
from scipy.special import rel_entr

from ..errors import UsageError

CLIP = 1e-15
"""Scores are kept this far from 0 and 1 before the logarithm is taken."""


def log_loss(predicted: np.ndarray, cancer: np.ndarray) -> float:
    """Mean cross-entropy in nats of scores (N,) and labels (N,), scores clipped to CLIP..1 - CLIP."""
    return float(_metrics().log_loss(cancer, np.clip(predicted, CLIP, 1 - CLIP), labels=[False, True]))


def auc(predicted: np.ndarray, cancer: np.ndarray) -> float:
    """Area under the ROC curve; equal scores count half."""
    return float(_metrics().roc_auc_score(cancer, predicted))


def accuracy(predicted: np.ndarray, cancer: np.ndarray) -> float:
    """Share of right answers when a score above 0.5 is called cancer."""
    return float(_metrics().accuracy_score(cancer, predicted > 0.5))


def healthy_accuracy(cancer: np.ndarray) -> float:
    """Share of right answers when everyone is called healthy."""
    return float(_metrics().accuracy_score(cancer, np.zeros_like(cancer)))


def roc(predicted: np.ndarray, cancer: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ROC curve: (P,) false positive rates, true positive rates and the thresholds from inf downwards."""
    rates, sensitivity, thresholds = _metrics().roc_curve(cancer, predicted, drop_intermediate=False)
    return rates, sensitivity, thresholds


def case_losses(predicted: np.ndarray, cancer: np.ndarray) -> np.ndarray:
    """(N,) each case's share in `log_loss` before the mean, for bootstraps."""
    right = np.where(cancer, predicted, 1 - predicted)
    return -np.log(np.clip(right, CLIP, 1 - CLIP))


def expected_excess_losses(predicted: np.ndarray, bayes: np.ndarray) -> np.ndarray:
    """(N,) by how much each case's loss exceeds the Bayes predictor's, in the mean over the outcomes it may have.

    The Kullback-Leibler divergence of the scores from the true probabilities, both (N,): what the difference of the two
    log-losses is without the luck of the outcomes that were drawn.
    """
    clipped = np.clip(predicted, CLIP, 1 - CLIP)
    return rel_entr(bayes, clipped) + rel_entr(1 - bayes, 1 - clipped)


def resampled_mean(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(B,) means of values (N,) over cases drawn (B, N) times; NaN for a sample without any of them."""
    number = times.sum(axis=1)
    return np.where(number > 0, times @ values / np.maximum(number, 1), np.nan)


def resampled_auc(predicted: np.ndarray, cancer: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(B,) areas under the ROC curve over cases drawn (B, N) times: the share of pairs in the right order.

    NaN for a sample with one label only.
    """
    ill, well = predicted[cancer], predicted[~cancer]
    order = 0.5 + 0.5 * np.sign(ill[:, None] - well[None])
    times_ill, times_well = times[:, cancer].astype(float), times[:, ~cancer].astype(float)
    pairs = times_ill.sum(axis=1) * times_well.sum(axis=1)
    right = ((times_ill @ order) * times_well).sum(axis=1)
    return np.where(pairs > 0, right / np.maximum(pairs, 1), np.nan)


def _metrics() -> ModuleType:
    try:
        from sklearn import metrics
    except ImportError:
        raise UsageError("Evaluating cases needs scikit-learn: pip install 'lungcancerdx[evaluate]'.") from None
    return metrics


@dataclass(frozen=True)
class Calibration:
    """Of (K,) bins of equal width over 0..1: cases, their mean score and the share of ill ones, NaN for empty bins."""

    cases: np.ndarray
    mean_score: np.ndarray
    observed_frequency: np.ndarray

    @property
    def expected_error(self) -> float:
        """The expected calibration error: |share of ill ones - mean score|, averaged over cases."""
        gaps = np.abs(self.observed_frequency - self.mean_score)
        return float(np.nansum(self.cases * gaps) / self.cases.sum())


def calibration(predicted: np.ndarray, cancer: np.ndarray, bins: int = 10) -> Calibration:
    """Compare scores (N,) with labels (N,) in bins; a score on a border belongs to the upper bin, 1 to the last."""
    place = np.minimum((predicted * bins).astype(int), bins - 1)
    cases = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean_score = np.bincount(place, weights=predicted, minlength=bins) / cases
        observed_frequency = np.bincount(place, weights=cancer, minlength=bins) / cases
    return Calibration(cases, mean_score, observed_frequency)
