"""The free-response operating characteristic of a detector, and its sensitivity at seven rates of false positives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from .matching import Matching

RATES = (1 / 8, 1 / 4, 1 / 2, 1.0, 2.0, 4.0, 8.0)
"""False positives per scan at which LUNA16 and the paper (VI-A) take the sensitivity."""


@dataclass(frozen=True)
class Froc:
    """The corners of the curve from (0, 0) on: (P,) thresholds from inf down, false positives a scan, sensitivities."""

    threshold: np.ndarray
    rate: np.ndarray
    sensitivity: np.ndarray

    def at(self, rates: np.ndarray | tuple[float, ...]) -> np.ndarray:
        """Sensitivities at some rates of false positives per scan, linear between points, constant beyond the last."""
        return np.asarray(np.interp(rates, self.rate, self.sensitivity))


def froc(matching: Matching) -> Froc:
    """The curve of all scans: marks of equal score enter together; missed nodules stay in the denominator."""
    steps = _Steps.of(matching)
    right, wrong = steps.sums(np.ones((1, matching.scans)))
    threshold = np.concatenate([[np.inf], steps.threshold])
    return Froc(threshold, wrong[0] / matching.scans, right[0] / len(matching.nodule_scan))


def resampled_sensitivity(matching: Matching, rates: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Sensitivities when scans are drawn anew.

    Parameters
    ----------
    rates
        (R,) false positives per scan.
    times
        (B, scans) how often each sample holds each scan, from `report.resample`.

    Returns
    -------
    (B, R); NaN for a sample without nodules.
    """
    right, wrong = _Steps.of(matching).sums(times)
    nodules = times[:, matching.nodule_scan].sum(axis=1)
    found = np.full((len(times), len(rates)), np.nan)
    for sample in np.flatnonzero(nodules):
        found[sample] = np.interp(rates, wrong[sample] / matching.scans, right[sample] / nodules[sample])
    return found


@dataclass(frozen=True)
class _Steps:
    """The curve from corner to corner: runs of false positives between scores of hits, and those scores themselves.

    threshold
        (S,) the lowest score of each step, downwards.
    right, wrong
        (S, scans) sparse: hits and false positives that each scan adds in each step.
    """

    threshold: np.ndarray
    right: sparse.csr_array
    wrong: sparse.csr_array

    @staticmethod
    def of(matching: Matching) -> _Steps:
        hit = matching.hit
        hit_score, false_score = matching.nodule_score[hit], matching.false_score
        scores = np.unique(hit_score)[::-1]
        score = np.concatenate([hit_score, false_score])
        above = np.searchsorted(-scores, -score)  # scores of hits that are higher
        steps, step = np.unique(2 * above + np.isin(score, scores), return_inverse=True)
        threshold = np.full(len(steps), np.inf)
        np.minimum.at(threshold, step, score)
        shape = (len(steps), matching.scans)
        right = _table(step[: len(hit_score)], matching.nodule_scan[hit], shape)
        return _Steps(threshold, right, _table(step[len(hit_score) :], matching.false_scan, shape))

    def sums(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Hits and false positives (B, 1 + S) from 0 on, down to each threshold, in scans drawn (B, scans) times."""
        start = np.zeros((len(times), 1))
        steps = ((table @ times.T).T for table in (self.right, self.wrong))
        right, wrong = (np.concatenate([start, np.cumsum(each, axis=1)], axis=1) for each in steps)
        return right, wrong


def _table(step: np.ndarray, scan: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    return sparse.coo_array((np.ones(len(step)), (step, scan)), shape=shape).tocsr()


def found_within(matching: Matching, most: int) -> np.ndarray:
    """(M, most) bool: the nodule is hit by one of the k = 1..most best-scoring marks of its scan.

    Every mark takes a place, be it right, wrong, ignored or a further one on the same nodule.
    """
    return matching.nodule_rank[:, None] <= np.arange(1, most + 1)


def most_malignant(matching: Matching) -> np.ndarray:
    """(M,) bool: of each scan with nodules of known malignancy the most malignant one, the first if equal."""
    chosen = np.zeros(len(matching.nodule_scan), dtype=bool)
    known = np.flatnonzero(~np.isnan(matching.nodule_malignancy))
    order = known[np.argsort(-matching.nodule_malignancy[known], kind="stable")]
    _, first = np.unique(matching.nodule_scan[order], return_index=True)
    chosen[order[first]] = True
    return chosen


def resampled_recall(found: np.ndarray, nodule_scan: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Recall (B, K) from found (M, K) and scans drawn (B, scans) times; NaN for a sample without nodules."""
    weights = times[:, nodule_scan]
    nodules = weights.sum(axis=1, keepdims=True)
    return np.where(nodules > 0, weights @ found / np.maximum(nodules, 1), np.nan)
