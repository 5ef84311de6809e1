"""Non-maximum suppression of cubes, pair by pair."""

from __future__ import annotations

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
