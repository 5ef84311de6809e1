"""What is measured of the lungs as a whole."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from .names import EMPHYSEMA_SHARE, LEFT, RIGHT, UNKNOWN_SIDE
from .preprocessing import CTLungs
from .volume import CTVolume

_EMPHYSEMA_HU = -950
_SMOOTHED_MM, _SLICES = 1.0, 100  # sd of the Gaussian within slices; of how many slices the share is taken


def lung_figures(volume: CTVolume, lungs: CTLungs) -> dict[str, float]:
    """Volumes in mL, and the share of the lungs below -950 HU: as it is and, as noise raises that like emphysema, in
    smoothed slices.
    """
    figures = {"left_volume_ml": lungs.volume_ml(LEFT), "right_volume_ml": lungs.volume_ml(RIGHT)}
    if unknown_ml := lungs.volume_ml(UNKNOWN_SIDE):
        figures["unknown_side_volume_ml"] = unknown_ml
    figures["share_below_950_hu"] = float(np.mean(volume.voxels[lungs.labels > 0] < _EMPHYSEMA_HU))
    figures[EMPHYSEMA_SHARE] = _smoothed_emphysema_share(volume, lungs)
    return figures


def _smoothed_emphysema_share(volume: CTVolume, lungs: CTLungs) -> float:
    order, scan = volume.axis_order(), volume.canonical()
    labels = order.apply(lungs.labels)
    with_lung = np.flatnonzero(labels.any(axis=(1, 2)))
    below, voxels = 0, 0
    for k in with_lung[:: -(-len(with_lung) // _SLICES)]:
        inside = labels[k] > 0
        hu = gaussian_filter(scan.voxels[k].astype(np.float32), _SMOOTHED_MM / scan.spacing_mm_kji[1:])
        below += int(np.count_nonzero(hu[inside] < _EMPHYSEMA_HU))
        voxels += int(np.count_nonzero(inside))
    return below / voxels
