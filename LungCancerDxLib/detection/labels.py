"""What the network should say of a patch: a label for every anchor, targets for the positive ones (IV-D, IV-E)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..networks.nnet import STRIDE
from .anchors import cell_centers, encode
from .location import FIRST_CELL_CENTER

POSITIVE, IGNORED, NEGATIVE, POOLED = 1, 0, -1, -2
"""Labels of anchors; a pooled one is a negative that was drawn into the pool of hard negative mining."""


class AnchorLabels(NamedTuple):
    """labels (Z, Y, X, A) int8; positives (M, 4) int64: cell z, y, x and anchor; their targets (M, 4) float32."""

    labels: np.ndarray
    positives: np.ndarray
    targets: np.ndarray


def anchor_iou(box: np.ndarray, cells_kji: tuple[int, int, int], anchors_mm: tuple[float, ...]) -> np.ndarray:
    """Intersection over union of a cube (k, j, i, d) with every anchor: (Z, Y, X, A)."""
    anchors = np.asarray(anchors_mm, dtype=float)
    shared = []
    for axis, count in enumerate(cells_kji):
        centers = cell_centers(np.arange(count))[:, None]
        low = np.maximum(box[axis] - box[3] / 2, centers - anchors / 2)
        high = np.minimum(box[axis] + box[3] / 2, centers + anchors / 2)
        shared.append(np.maximum(high - low, 0))
    intersection = shared[0][:, None, None] * shared[1][None, :, None] * shared[2][None, None]
    return intersection / (box[3] ** 3 + anchors**3 - intersection)


def label_anchors(
    targets: np.ndarray,
    others: np.ndarray,
    cells_kji: tuple[int, int, int],
    anchors_mm: tuple[float, ...],
    rng: np.random.Generator,
    *,
    positive_iou: float = 0.5,
    negative_iou: float = 0.02,
) -> AnchorLabels:
    """Labels of a patch's anchors.

    Of the anchors that overlap a target by `positive_iou` or more one is drawn as its positive; where there is none it
    is the nearest cell's anchor of the closest size (in the logarithm), as in the published code. All other anchors
    that overlap any box by more than `negative_iou` are ignored, the rest are negative.

    Parameters
    ----------
    targets, others
        (N, 4) boxes k, j, i, d in the patch's voxels: those to be found, and those to be neither found nor not.
    """
    labels = np.full((*cells_kji, len(anchors_mm)), NEGATIVE, dtype=np.int8)
    chosen = []
    for box in targets:
        iou = anchor_iou(box, cells_kji, anchors_mm)
        labels[iou > negative_iou] = IGNORED
        candidates = np.argwhere(iou >= positive_iou)
        chosen.append(rng.choice(candidates) if len(candidates) else _nearest(box, cells_kji, anchors_mm))
    for box in others:
        labels[anchor_iou(box, cells_kji, anchors_mm) > negative_iou] = IGNORED
    positives = np.array(chosen, dtype=np.int64).reshape(-1, 4)
    labels[tuple(positives.T)] = POSITIVE
    wanted = encode(np.asarray(targets).reshape(-1, 4), positives[:, :3], np.asarray(anchors_mm)[positives[:, 3]])
    return AnchorLabels(labels, positives, wanted.astype(np.float32))


def ignore_spheres(labels: np.ndarray, spheres: np.ndarray) -> None:
    """Ignore, in place, the negative anchors whose cell is centred in a sphere (N, 4) k, j, i, radius."""
    for *center, radius in spheres:
        k, j, i = (cell_centers(np.arange(n)) - c for n, c in zip(labels.shape[:3], center, strict=True))
        inside = k[:, None, None] ** 2 + j[None, :, None] ** 2 + i[None, None] ** 2 <= radius**2
        labels[inside[..., None] & (labels == NEGATIVE)] = IGNORED


def draw_pool(labels: np.ndarray, count: int, rng: np.random.Generator) -> None:
    """Mark, in place, at most `count` random negatives as the pool of hard negative mining (IV-F)."""
    negatives = np.flatnonzero(labels == NEGATIVE)
    drawn = rng.choice(negatives, min(count, len(negatives)), replace=False)
    labels.reshape(-1)[drawn] = POOLED


def _nearest(box: np.ndarray, cells_kji: tuple[int, int, int], anchors_mm: tuple[float, ...]) -> list[int]:
    cell = np.rint((box[:3] - FIRST_CELL_CENTER) / STRIDE).astype(int)
    size = int(np.argmin(np.abs(np.log(box[3] / np.asarray(anchors_mm)))))
    return [*np.clip(cell, 0, np.array(cells_kji) - 1), size]
