"""Non-maximum suppression of cubes (section IV-G), and a vote on the centres of those that are kept."""

from __future__ import annotations

import numpy as np
from scipy.special import expit


def cube_iou(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of a cube (4,) with cubes (N, 4), each (k, j, i, d): (N,)."""
    low = np.maximum(box[:3] - box[3] / 2, others[:, :3] - others[:, 3:] / 2)
    high = np.minimum(box[:3] + box[3] / 2, others[:, :3] + others[:, 3:] / 2)
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    return shared / (box[3] ** 3 + others[:, 3] ** 3 - shared)


def suppress(proposals: np.ndarray, iou: float, at_most: int, voting_iou: float | None = None) -> np.ndarray:
    """Keep the best proposals that do not overlap a better one.

    Neighbouring cells and other anchors box the same nodule. Which of them is best is a matter of their last bits;
    where all lie together is not. Diameters are not voted on: their means are no better.

    Parameters
    ----------
    proposals
        (N, 5) logit, k, j, i, d, highest logit first.
    iou
        A proposal goes if its overlap with a kept one is this much or more.
    at_most
        Stop after so many are kept.
    voting_iou
        A kept proposal's centre becomes the mean of its own and of those of the weaker proposals that overlap it this
        much or more, weighted by confidence (box voting: Gidaris and Komodakis, ICCV 2015); None leaves it as it is.

    Returns
    -------
    (M, 5), M <= at_most, highest logit first.
    """
    kept: list[np.ndarray] = []
    rest = proposals
    while len(rest) and len(kept) < at_most:
        best, rest = rest[0], rest[1:]
        overlap = cube_iou(best[1:], rest[:, 1:])
        kept.append(best if voting_iou is None else _voted(best, rest[overlap >= voting_iou]))
        rest = rest[overlap < iou]
    return np.array(kept).reshape(-1, 5)


def _voted(best: np.ndarray, voters: np.ndarray) -> np.ndarray:
    """`best` (5,) with its centre at the mean of its own and the voters' (N, 5), weighted by confidence."""
    center, weights = best[1:4], expit(voters[:, 0])
    moved = weights @ (voters[:, 1:4] - center) / (expit(best[0]) + weights.sum())
    return np.concatenate((best[:1], center + moved, best[4:]))
