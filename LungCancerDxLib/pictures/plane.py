"""A nodule's surroundings in one plane, as pictures of cases show them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage

from ..volume import CTVolume

BACKGROUND, TEXT, OUTLINE = "#111417", "#e8eaed", "#ffb000"
_BAR = "#3b93ff"  # seen on lung and on tissue

PLANES = {
    "axial": ((1, 0, 0), (0, 1, 0)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
}
"""The two axes of each plane in LPS: to the right and downwards in the picture, as in Slicer's slice views."""

_LUNG_WINDOW_HU = (-1350, 150)
_HALF_WIDTH_MM = 30.0
_STEP_MM = 0.5


def draw_plane(
    axes: Any,
    volume: CTVolume,
    mask: np.ndarray | None,
    center_lps_mm: tuple[float, float, float],
    directions: tuple[tuple[float, float, float], tuple[float, float, float]],
) -> None:
    """60 mm square of the CT in a lung window around a place, with a 10 mm bar.

    Parameters
    ----------
    mask
        (K, J, I) bool on the CT's own grid, outlined where the plane cuts it; None for no outline.
    directions
        One of `PLANES`.
    """
    right, down = (np.array(direction, dtype=float) for direction in directions)
    offsets_mm = np.arange(-_HALF_WIDTH_MM, _HALF_WIDTH_MM + _STEP_MM / 2, _STEP_MM)
    points = np.array(center_lps_mm) + offsets_mm[:, None, None] * down + offsets_mm[None, :, None] * right
    to_index = np.linalg.inv(volume.kji_to_lps)
    index = np.moveaxis(points @ to_index[:3, :3].T + to_index[:3, 3], -1, 0)
    low, high = _LUNG_WINDOW_HU
    hu = ndimage.map_coordinates(volume.voxels, index, output=np.float32, order=1, cval=low)
    axes.imshow(hu, cmap="gray", vmin=low, vmax=high)
    if mask is not None:
        inside = ndimage.map_coordinates(mask, index, output=np.float32, order=1)
        if (inside >= 0.5).any():
            axes.contour(inside, [0.5], colors=OUTLINE, linewidths=1.2)
    ten_mm = 10 / _STEP_MM
    axes.plot([6, 6 + ten_mm], [len(hu) - 7] * 2, color=_BAR, linewidth=2)
    axes.text(6 + ten_mm / 2, len(hu) - 10, "10 mm", color=_BAR, fontsize=7, ha="center")
    axes.set_axis_off()
