"""Masks of boxes, and what the small arrays of the oracles' tests share."""

import numpy as np

UNIT = np.ones(3)
AIR, TISSUE = -1000, 0


def block(shape, *corners):
    """A mask with one box of ones per (low, high) pair."""
    mask = np.zeros(shape, dtype=bool)
    for low, high in corners:
        mask[low[0] : high[0], low[1] : high[1], low[2] : high[2]] = True
    return mask
