"""Boxes and what the network says of them: anchors, encoding, decoding (sections IV-B and IV-D).

A box is (k, j, i, d): the centre in working voxels and the edge of a cube, which is the nodule's diameter. A cell of
the output, numbered (z, y, x) from the image's first voxel, has its centre at 1.5 + 4 * cell.
"""

from __future__ import annotations

import numpy as np

from ..networks.nnet import STRIDE
from .location import FIRST_CELL_CENTER

_LARGEST_LOG_RATIO = 10.0  # of a box to its anchor: keeps every diameter finite


def cell_centers(cells: np.ndarray) -> np.ndarray:
    """Cell numbers (..., 3) to the voxel index of their centres (..., 3)."""
    return FIRST_CELL_CENTER + STRIDE * np.asarray(cells, dtype=float)


def encode(boxes: np.ndarray, cells: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Regression targets of boxes (N, 4) at cells (N, 3) for anchors of edge (N,): (N, 4) dz, dy, dx, log ratio."""
    anchors = np.asarray(anchors, dtype=float)
    offsets = (boxes[:, :3] - cell_centers(cells)) / anchors[:, None]
    return np.column_stack([offsets, np.log(boxes[:, 3] / anchors)])


def decode(output: np.ndarray, anchors_mm: tuple[float, ...], above_logit: float) -> np.ndarray:
    """Proposals of a network output.

    Parameters
    ----------
    output
        (Z, Y, X, anchors, 5) float: logit, dz, dy, dx, log(d / anchor).
    above_logit
        Only proposals whose logit is greater are returned.

    Returns
    -------
    (N, 5) float64: logit, k, j, i, d in working voxels, highest logit first; ties in the order of the cells.
    """
    *cells, which = np.nonzero(output[..., 0] > above_logit)
    raw = output[(*cells, which)].astype(float)
    anchor = np.asarray(anchors_mm, dtype=float)[which]
    centers = cell_centers(np.column_stack(cells)) + raw[:, 1:4] * anchor[:, None]
    proposals = np.column_stack([raw[:, 0], centers, anchor * np.exp(np.minimum(raw[:, 4], _LARGEST_LOG_RATIO))])
    return proposals[np.argsort(-proposals[:, 0], kind="stable")]
