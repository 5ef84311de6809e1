"""Non-maximum suppression of cubes (section IV-G)."""

from __future__ import annotations

import numpy as np


def cube_iou(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of a cube (4,) with cubes (N, 4), each (k, j, i, d): (N,)."""
    low = np.maximum(box[:3] - box[3] / 2, others[:, :3] - others[:, 3:] / 2)
    high = np.minimum(box[:3] + box[3] / 2, others[:, :3] + others[:, 3:] / 2)
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    return shared / (box[3] ** 3 + others[:, 3] ** 3 - shared)


def suppress(proposals: np.ndarray, iou: float, at_most: int) -> np.ndarray:
    """Keep the best proposals that do not overlap a better one.

    Parameters
    ----------
    proposals
        (N, 5) logit, k, j, i, d, highest logit first.
    iou
        A proposal goes if its overlap with a kept one is this much or more.
    at_most
        Stop after so many are kept.

    Returns
    -------
    (M, 5), M <= at_most, highest logit first.
    """
    kept: list[np.ndarray] = []
    rest = proposals
    while len(rest) and len(kept) < at_most:
        best, rest = rest[0], rest[1:]
        kept.append(best)
        rest = rest[cube_iou(best[1:], rest[:, 1:]) < iou]
    return np.array(kept).reshape(-1, 5)
