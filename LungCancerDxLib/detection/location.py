"""The location input: where in the lungs each output cell lies (section IV-C)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..networks.nnet import STRIDE
from ..preset import Preset

FIRST_CELL_CENTER = (STRIDE - 1) / 2  # voxels: cell n covers voxels 4n..4n+3


@dataclass(frozen=True)
class LocationScale:
    """On each axis location = (voxel - zero) / span + offset, for working voxel indices."""

    zero_kji: np.ndarray
    span_kji: np.ndarray
    offset: float

    def map(self, first_voxel_kji: np.ndarray, cells_kji: tuple[int, int, int]) -> np.ndarray:
        """Location map (3, Z, Y, X) float32 of the cells whose first voxel is given; linear beyond the ends."""
        axes = [
            (first_voxel_kji[a] + FIRST_CELL_CENTER + STRIDE * np.arange(n) - self.zero_kji[a]) / self.span_kji[a]
            for a, n in enumerate(cells_kji)
        ]
        return location_grid([axis + self.offset for axis in axes])


def location_grid(axes: list[np.ndarray]) -> np.ndarray:
    """Three coordinate vectors of lengths Z, Y, X to a map (3, Z, Y, X) float32."""
    return np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)


def location_scale(preset: Preset, image_shape_kji: tuple[int, ...], lung_ends_kji: np.ndarray) -> LocationScale:
    """How the preset measures location.

    The paper: -1 and 1 at the two ends of the segmented lung. The published code: -0.5 and 0.5 at the first and last
    cell of the cropped image, padded to whole cells.

    Parameters
    ----------
    lung_ends_kji
        (2, 3) first and last working index of the lungs.
    """
    if preset.location == "lung ends -1 to 1":
        low, high = lung_ends_kji
        return LocationScale(low, np.maximum(high - low, 1) / 2, -1.0)
    cells = -(-np.array(image_shape_kji) // STRIDE)
    return LocationScale(np.full(3, FIRST_CELL_CENTER), STRIDE * np.maximum(cells - 1, 1.0), -0.5)
