"""What CaseNet was fed in 2017: the crop around a centre and its coordinates, by padding the whole image first."""

from __future__ import annotations

import numpy as np


def crop_2017(image: np.ndarray, center: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The (96, 96, 96) cube of raw grey values and its (3, 24, 24, 24) coordinates."""
    starts, padding = [], []
    for c, n in zip(center, image.shape, strict=True):
        start = int(c - 48)  # int() cuts towards zero
        before = -start if start < 0 else 0
        start = max(start, 0)
        starts.append(start)
        padding.append((before, max(start + 96 - n, 0)))
    padded = np.pad(image, padding, constant_values=160)
    z, y, x = starts
    axes = [
        np.linspace(start / n - 0.5, start / n - 0.5 + 96 / n, 24)
        for start, n in zip(starts, padded.shape, strict=True)
    ]
    coordinates = np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)
    return padded[z : z + 96, y : y + 96, x : x + 96], coordinates


def crop_paper(image: np.ndarray, start: tuple[int, int, int], size: int) -> np.ndarray:
    """The cube from a start voxel, tissue beyond the image."""
    far = size + max(abs(s) for s in start)
    padded = np.pad(image, far, constant_values=170)
    z, y, x = (far + s for s in start)
    return padded[z : z + size, y : y + size, x : x + size]
