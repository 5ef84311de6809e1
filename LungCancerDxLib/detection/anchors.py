"""Anchors and what the network says of them: encoding, decoding, labels to learn from (sections IV-B, IV-D, IV-F).

Coordinates are voxels of the image that the network sees: the working grid, or a patch of it. A cell of the output,
numbered (z, y, x) from the image's first voxel, has its centre at 1.5 + 4 * cell.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..networks.nnet import STRIDE
from .location import FIRST_CELL_CENTER
from .proposals import Boxes, Proposals

POSITIVE, IGNORED, NEGATIVE, POOLED = 1, 0, -1, -2
"""Labels of anchors; a pooled one is a negative that was drawn into the pool of hard negative mining."""

_LARGEST_LOG_RATIO = 10.0  # of a box to its anchor: keeps every diameter finite


class AnchorLabels(NamedTuple):
    """labels (Z, Y, X, A) int8; positives (M, 4) int64: cell z, y, x and anchor; their targets (M, 4) float32."""

    labels: np.ndarray
    positives: np.ndarray
    targets: np.ndarray


def cell_centers(cells: np.ndarray) -> np.ndarray:
    """Cell numbers (..., 3) to the voxel index of their centres (..., 3)."""
    return FIRST_CELL_CENTER + STRIDE * np.asarray(cells, dtype=float)


def encode(boxes: Boxes, cells: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Regression targets of N boxes at cells (N, 3) for anchors of edge (N,): (N, 4) dz, dy, dx, log ratio."""
    anchors = np.asarray(anchors, dtype=float)
    offsets = (boxes.center_kji - cell_centers(cells)) / anchors[:, None]
    return np.column_stack([offsets, np.log(boxes.diameter / anchors)])


def decode(output: np.ndarray, anchors_mm: tuple[float, ...], above_logit: float) -> Proposals:
    """Proposals of a network output, highest logit first; ties in the order of the cells.

    Parameters
    ----------
    output
        (Z, Y, X, anchors, 5) float: logit, dz, dy, dx, log(d / anchor).
    above_logit
        Only proposals whose logit is greater are returned.
    """
    *cells, which = np.nonzero(output[..., 0] > above_logit)
    raw = output[(*cells, which)].astype(float)
    anchor = np.asarray(anchors_mm, dtype=float)[which]
    proposals = Proposals(
        logit=raw[:, 0],
        center_kji=cell_centers(np.column_stack(cells)) + raw[:, 1:4] * anchor[:, None],
        diameter=anchor * np.exp(np.minimum(raw[:, 4], _LARGEST_LOG_RATIO)),
    )
    return proposals[np.argsort(-proposals.logit, kind="stable")]


def anchor_iou(
    center_kji: np.ndarray, diameter: float, cells_kji: tuple[int, int, int], anchors_mm: tuple[float, ...]
) -> np.ndarray:
    """Intersection over union of a cube with every anchor: (Z, Y, X, A)."""
    anchors = np.asarray(anchors_mm, dtype=float)
    shared = []
    for center, count in zip(center_kji, cells_kji, strict=True):
        centers = cell_centers(np.arange(count))[:, None]
        low = np.maximum(center - diameter / 2, centers - anchors / 2)
        high = np.minimum(center + diameter / 2, centers + anchors / 2)
        shared.append(np.maximum(high - low, 0))
    intersection = shared[0][:, None, None] * shared[1][None, :, None] * shared[2][None, None]
    return np.asarray(intersection / (diameter**3 + anchors**3 - intersection))


def label_anchors(
    targets: Boxes,
    others: Boxes,
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
        In the patch's voxels: those to be found, and those to be neither found nor not.
    """
    labels = np.full((*cells_kji, len(anchors_mm)), NEGATIVE, dtype=np.int8)
    chosen = []
    for center_kji, diameter in zip(targets.center_kji, targets.diameter, strict=True):
        iou = anchor_iou(center_kji, diameter, cells_kji, anchors_mm)
        labels[iou > negative_iou] = IGNORED
        candidates = np.argwhere(iou >= positive_iou)
        if len(candidates):
            chosen.append(rng.choice(candidates))
        else:
            cell = np.rint((center_kji - FIRST_CELL_CENTER) / STRIDE).astype(int)
            size = np.argmin(np.abs(np.log(diameter / np.asarray(anchors_mm))))
            chosen.append(np.array([*np.clip(cell, 0, np.array(cells_kji) - 1), size]))
    for center_kji, diameter in zip(others.center_kji, others.diameter, strict=True):
        labels[anchor_iou(center_kji, diameter, cells_kji, anchors_mm) > negative_iou] = IGNORED
    positives = np.array(chosen, dtype=np.int64).reshape(-1, 4)
    labels[tuple(positives.T)] = POSITIVE
    wanted = encode(targets, positives[:, :3], np.asarray(anchors_mm)[positives[:, 3]])
    return AnchorLabels(labels, positives, wanted.astype(np.float32))


def ignore_spheres(labels: np.ndarray, centers_kji: np.ndarray, radii: np.ndarray) -> None:
    """Ignore, in place, the negative anchors whose cell is centred in one of N spheres: (N, 3) and (N,) in voxels."""
    for center_kji, radius in zip(centers_kji, radii, strict=True):
        k, j, i = (cell_centers(np.arange(n)) - c for n, c in zip(labels.shape[:3], center_kji, strict=True))
        inside = k[:, None, None] ** 2 + j[None, :, None] ** 2 + i[None, None] ** 2 <= radius**2
        labels[inside[..., None] & (labels == NEGATIVE)] = IGNORED


def draw_pool(labels: np.ndarray, count: int, rng: np.random.Generator) -> None:
    """Mark, in place, at most `count` random negatives as the pool of hard negative mining (IV-F)."""
    negatives = np.flatnonzero(labels == NEGATIVE)
    drawn = rng.choice(negatives, min(count, len(negatives)), replace=False)
    labels.reshape(-1)[drawn] = POOLED
