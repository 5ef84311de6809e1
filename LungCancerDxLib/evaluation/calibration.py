"""Whether scores mean what they say: among cases scored about 0.7, are about 70 % ill?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Calibration:
    """Of (K,) bins of equal width over 0..1: cases, their mean score and the share of ill ones, NaN for empty bins."""

    cases: np.ndarray
    mean_score: np.ndarray
    share_ill: np.ndarray

    @property
    def expected_error(self) -> float:
        """The expected calibration error: |share of ill ones - mean score|, averaged over cases."""
        gaps = np.abs(self.share_ill - self.mean_score)
        return float(np.nansum(self.cases * gaps) / self.cases.sum())


def calibration(predicted: np.ndarray, cancer: np.ndarray, bins: int = 10) -> Calibration:
    """Compare scores (N,) with labels (N,) in bins; a score on a border belongs to the upper bin, 1 to the last."""
    place = np.minimum((predicted * bins).astype(int), bins - 1)
    cases = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean_score = np.bincount(place, weights=predicted, minlength=bins) / cases
        share_ill = np.bincount(place, weights=cancer, minlength=bins) / cases
    return Calibration(cases, mean_score, share_ill)
