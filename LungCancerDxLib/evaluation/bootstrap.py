"""Drawing scans or cases anew, with replacement, to see how far a figure depends on them."""

from __future__ import annotations

import numpy as np


def resample(rng: np.random.Generator, number: int, samples: int) -> np.ndarray:
    """(samples, number) int: how often each of `number` scans or cases is in each sample of as many."""
    return rng.multinomial(number, np.full(number, 1 / number), size=samples)


def interval(figures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 2.5th and 97.5th percentile over samples (B, ...), without the samples in which the figure is NaN."""
    low, high = np.nanpercentile(figures, [2.5, 97.5], axis=0)
    return low, high
