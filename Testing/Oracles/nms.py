"""Non-maximum suppression of cubes, pair by pair."""

from __future__ import annotations

import math
from collections.abc import Sequence

Box = Sequence[float]


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two cubes (k, j, i, d)."""
    shared = 1.0
    for axis in range(3):
        low = max(a[axis] - a[3] / 2, b[axis] - b[3] / 2)
        high = min(a[axis] + a[3] / 2, b[axis] + b[3] / 2)
        shared *= max(high - low, 0.0)
    return shared / (a[3] ** 3 + b[3] ** 3 - shared)


def suppressed(proposals: Sequence[Box], iou: float, at_most: int) -> list[Box]:
    """Of (logit, k, j, i, d), best first: those that overlap every better one kept by less than `iou`."""
    kept: list[Box] = []
    for proposal in proposals:
        if len(kept) < at_most and all(overlap(proposal[1:], better[1:]) < iou for better in kept):
            kept.append(proposal)
    return kept


def voted(proposals: Sequence[Box], iou: float, at_most: int, voting_iou: float) -> list[list[float]]:
    """Of `suppressed`, the centres at the mean, by confidence, of the boxes that no better one suppressed and that
    overlap by `voting_iou` or more; a box overlaps itself.
    """
    kept = suppressed(proposals, iou, at_most)
    found = []
    for n, winner in enumerate(kept):
        free = [p for p in proposals if all(overlap(p[1:], better[1:]) < iou for better in kept[:n])]
        voters = [p for p in free if p[0] <= winner[0] and overlap(p[1:], winner[1:]) >= voting_iou]
        weights = [1 / (1 + math.exp(-p[0])) for p in voters]
        mean = [sum(w * p[axis] for w, p in zip(weights, voters, strict=True)) / sum(weights) for axis in (1, 2, 3)]
        found.append([winner[0], *mean, winner[4]])
    return found
