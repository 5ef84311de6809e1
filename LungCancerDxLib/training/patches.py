"""Cubes cut out of a scan: padded, scaled, mirrored, with their boxes and their location crop (IV-A, IV-C)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..detection.location import LocationScale
from ..networks.nnet import STRIDE
from .recipe import TISSUE


@dataclass(frozen=True)
class Cut:
    """Where a patch lies: its voxel v shows the scan's voxel start + v / scale, on each axis.

    Parameters
    ----------
    start_kji
        (3,) int: first voxel of the scan, may lie outside it.
    size
        Edge of the patch in its own voxels, a multiple of 16.
    """

    start_kji: np.ndarray
    size: int
    scale: float = 1.0

    @property
    def source_size(self) -> int:
        """Voxels of the scan along each axis that the patch is made of."""
        return source_size(self.size, self.scale)

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes or spheres (N, 4) k, j, i, length in the scan's voxels to the patch's."""
        moved = np.array(boxes, dtype=float).reshape(-1, 4)
        moved[:, :3] -= self.start_kji
        return moved * self.scale

    def resampled(self, source: np.ndarray) -> np.ndarray:
        """What `cut_out` gave for this patch, (source_size,)*3 uint8, to the patch (size,)*3: linear, rounded."""
        if self.scale == 1:
            return source
        positions = np.arange(self.size) / self.scale
        below = positions.astype(int)
        weight = (positions - below).astype(np.float32)
        image = source.astype(np.float32)
        for axis in range(3):
            shape = [-1 if a == axis else 1 for a in range(3)]
            low = np.take(image, below, axis=axis)
            high = np.take(image, below + 1, axis=axis)
            high -= low
            high *= weight.reshape(shape)
            high += low
            image = high
        return (image + 0.5).astype(np.uint8)

    def location(self, scale: LocationScale) -> np.ndarray:
        """The location crop (3, size/4, size/4, size/4): what inference gives the same places of the scan."""
        zoomed = replace(scale, zero_kji=scale.zero_kji * self.scale, span_kji=scale.span_kji * self.scale)
        return zoomed.map(self.start_kji * self.scale, (self.size // STRIDE,) * 3)


def source_size(size: int, scale: float) -> int:
    """Voxels of a scan that a patch of `size` voxels is made of."""
    return size if scale == 1 else int((size - 1) / scale) + 2


def cut_out(image: np.ndarray, start_kji: np.ndarray, size: int) -> np.ndarray:
    """The cube (size,)*3 of an image (Z, Y, X) uint8 from a voxel on; tissue beyond the image."""
    cube = np.full((size,) * 3, TISSUE, dtype=np.uint8)
    low = np.maximum(start_kji, 0)
    high = np.minimum(start_kji + size, image.shape)
    if (low < high).all():
        there = tuple(slice(a, b) for a, b in zip(low - start_kji, high - start_kji, strict=True))
        cube[there] = image[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return cube


def mirrored(cube: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """A cube (..., Z, Y, X) turned round along some of its last three axes, numbered 0 to 2."""
    return np.ascontiguousarray(np.flip(cube, tuple(axis - 3 for axis in axes)))


def mirrored_boxes(boxes: np.ndarray, size: int, axes: tuple[int, ...]) -> np.ndarray:
    """Boxes or spheres (N, 4) in the voxels of a patch that was mirrored."""
    turned = boxes.copy()
    turned[:, list(axes)] = size - 1 - turned[:, list(axes)]
    return turned


def mirrored_location(location: np.ndarray, axes: tuple[int, ...], of_patient: bool) -> np.ndarray:
    """The location crop (3, Z, Y, X) of a mirrored patch.

    Of a mirrored patient it rises along every axis as any patient's does, and what was left of the middle is now as far
    to the right of it. Otherwise it is turned round with the image, as in the published code.
    """
    turned = mirrored(location, axes)
    if of_patient:
        turned[list(axes)] *= -1
    return turned
