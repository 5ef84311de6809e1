"""Painting nodules into the patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .canvas import Canvas, coverage
from .nodule import SyntheticNodule
from .nodule_body import nodule_bounds, nodule_fields

CAVITY_BELOW_HU = -880.0  # what is less dense than this replaces denser tissue


def paint_nodules(canvas: Canvas, nodules: Sequence[SyntheticNodule]) -> None:
    """Add nodules to the patient (LPS mm).

    Denser tissue stays, so vessels run on through ground glass; only a cavity empties it.
    """
    for nodule in nodules:
        low, high = nodule_bounds(nodule)
        box = tuple(
            slice(*np.searchsorted(c, (low[axis] - canvas.edge_mm, high[axis] + canvas.edge_mm)))
            for c, axis in ((canvas.z, 2), (canvas.y, 1), (canvas.x, 0))
        )
        patch = canvas.hu[box]
        if patch.size:
            x, y, z = canvas.x[box[2]][None, None, :], canvas.y[box[1]][None, :, None], canvas.z[box[0]][:, None, None]
            field, hu = nodule_fields(nodule, x, y, z)
            change = hu - patch
            kept = np.where(hu < CAVITY_BELOW_HU, change, np.maximum(change, 0))
            patch += coverage(field, canvas.edge_mm) * kept
