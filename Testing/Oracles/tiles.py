"""A scan through a network in the two published tile grids, by padding everything first and slicing it then.

`network` takes an image (1, 1, Z, Y, X) and a location map (1, 3, Z/4, Y/4, X/4) as arrays and returns
(Z/4, Y/4, X/4, 3, 5).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np

Network = Callable[[np.ndarray, np.ndarray], np.ndarray]


def output_2017(network: Network, image: np.ndarray) -> np.ndarray:
    """Cores of 144 voxels with 32 on every side, both the image and the coordinates repeated beyond their edge."""
    image = _to_whole_cells(image)
    axes = [np.linspace(-0.5, 0.5, n // 4).astype(np.float32) for n in image.shape]
    coordinates = np.stack(np.meshgrid(*axes, indexing="ij"))
    tiles = [-(-n // 144) for n in image.shape]
    far = [144 * count - n for count, n in zip(tiles, image.shape, strict=True)]
    image = np.pad(image, [(32, 32 + f) for f in far], mode="edge")
    coordinates = np.pad(coordinates, [(0, 0)] + [(8, 8 + f // 4) for f in far], mode="edge")
    canvas = np.full((*(36 * count for count in tiles), 3, 5), -1e6, dtype=np.float32)
    for z, y, x in product(*map(range, tiles)):
        seen = image[144 * z : 144 * z + 208, 144 * y : 144 * y + 208, 144 * x : 144 * x + 208]
        where = coordinates[:, 36 * z : 36 * z + 52, 36 * y : 36 * y + 52, 36 * x : 36 * x + 52]
        output = network(_normalised(seen)[None, None], where[None])
        canvas[36 * z : 36 * z + 36, 36 * y : 36 * y + 36, 36 * x : 36 * x + 36] = output[8:44, 8:44, 8:44]
    return canvas


def output_paper(network: Network, image: np.ndarray, lung_ends: np.ndarray) -> np.ndarray:
    """Parts of 208 voxels that overlap by 32, tissue beyond the scan, -1 and 1 at the ends of the lungs."""
    tiles = [-(-n // 176) for n in _to_whole_cells(image).shape]
    padded = np.pad(image, [(16, 176 * count + 16 - n) for count, n in zip(tiles, image.shape, strict=True)],
                    constant_values=170)  # fmt: skip
    axes = [
        np.interp(np.arange(-4, 44 * count + 4) * 4 + 1.5, _line(low, high), _line(-1.0, 1.0))
        for count, low, high in zip(tiles, *lung_ends, strict=True)
    ]
    coordinates = np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)
    canvas = np.full((*(44 * count for count in tiles), 3, 5), -1e6, dtype=np.float32)
    for z, y, x in product(*map(range, tiles)):
        seen = padded[176 * z : 176 * z + 208, 176 * y : 176 * y + 208, 176 * x : 176 * x + 208]
        where = coordinates[:, 44 * z : 44 * z + 52, 44 * y : 44 * y + 52, 44 * x : 44 * x + 52]
        output = network(_normalised(seen)[None, None], where[None])
        canvas[44 * z : 44 * z + 44, 44 * y : 44 * y + 44, 44 * x : 44 * x + 44] = output[4:48, 4:48, 4:48]
    return canvas


def _to_whole_cells(image: np.ndarray) -> np.ndarray:
    return np.pad(image, [(0, -n % 4) for n in image.shape], constant_values=170)


def _normalised(grey: np.ndarray) -> np.ndarray:
    return (grey.astype(np.float32) - 128) / 128


def _line(low: float, high: float) -> np.ndarray:
    """Two far points of the straight line through the values that 0 and 1 stand for."""
    return np.array([low - 1000 * (high - low), high + 1000 * (high - low)])
