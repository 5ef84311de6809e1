"""How many nodules are among the first k marks of their scans (Fig. 7b): what a classifier of k proposals sees."""

from __future__ import annotations

import numpy as np

from .matching import Matching


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
