"""What C-Net sees of a nodule: a cube around it and where that cube lies in the lungs (section V)."""

from __future__ import annotations

import numpy as np

from ..detection.location import LocationScale, location_grid
from ..networks.nnet import STRIDE
from ..preset import Preset


def crop_start(center_kji: np.ndarray, preset: Preset) -> np.ndarray:
    """First voxel of the crop around a centre (3,), which may lie outside the image: (3,) int."""
    if preset.crop_start == "truncated":
        return np.trunc(center_kji - preset.crop_size / 2).astype(int)
    return np.rint(center_kji - (preset.crop_size - 1) / 2).astype(int)


def crop(image: np.ndarray, start_kji: np.ndarray, preset: Preset) -> np.ndarray:
    """The cube of `crop_size` from a start voxel, `crop_padding` beyond the image: (96, 96, 96) uint8."""
    size = preset.crop_size
    cube = np.full((size,) * 3, preset.crop_padding, dtype=np.uint8)
    low, high = np.maximum(start_kji, 0), np.minimum(start_kji + size, image.shape)
    if (low < high).all():
        source = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        target = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start_kji, strict=True))
        cube[target] = image[source]
    return cube


def crop_location(
    start_kji: np.ndarray, image_shape_kji: tuple[int, ...], scale: LocationScale, preset: Preset
) -> np.ndarray:
    """Location map (3, 24, 24, 24) float32 of a crop.

    The paper's location is the same as in the detector. The published code measures crops differently: from the crop's
    first voxel, not below 0, to its last, as fractions of the image with the padding that the crop needed.
    """
    cells = preset.crop_size // STRIDE
    if preset.location == "lung ends -1 to 1":
        return scale.map(start_kji, (cells,) * 3)
    first = np.maximum(start_kji, 0)
    added = np.maximum(-start_kji, 0) + np.maximum(first + preset.crop_size - image_shape_kji, 0)
    size = np.array(image_shape_kji) + added
    return location_grid(
        [np.linspace(f / n - 0.5, f / n - 0.5 + preset.crop_size / n, cells) for f, n in zip(first, size, strict=True)]
    )
