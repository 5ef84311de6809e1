"""Even kernels along the axes of arrays, in float32: what a scanner's finite sharpness does, at little cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MOST_A_ROUND = 0.45  # variance of a kernel of three voxels, voxels squared


def gaussian(sigma: float, truncate: float) -> np.ndarray:
    """Half a kernel, from its middle outwards, of standard deviation `sigma` (voxels), cut at `truncate` of it."""
    at = np.arange(int(truncate * sigma + 0.5) + 1)
    half = np.exp(-0.5 * (at / max(sigma, 1e-6)) ** 2)
    return (half / (2 * half.sum() - half[0])).astype(np.float32)


def narrow(variance: float) -> np.ndarray:
    """Half a kernel of a variance (voxels squared): the narrowest that is made of kernels of three voxels."""
    rounds = int(np.ceil(variance / MOST_A_ROUND))
    kernel = np.ones(1)
    for _ in range(rounds):
        side = variance / rounds / 2
        kernel = np.convolve(kernel, [side, 1 - 2 * side, side])
    return kernel[len(kernel) // 2 :].astype(np.float32)


def blurred(values: np.ndarray, half: np.ndarray, axis: int, *, wrap: bool = False) -> np.ndarray:
    """`values` (float32) under a kernel along an axis; beyond the ends they are mirrored, or go round."""
    reach, size = len(half) - 1, values.shape[axis]
    if not reach:
        return values
    padding = [(reach, reach) if n == axis else (0, 0) for n in range(values.ndim)]
    long = np.pad(values, padding, mode="wrap" if wrap else "symmetric")

    def moved(by: int) -> np.ndarray:
        return long[(slice(None),) * axis + (slice(reach + by, reach + by + size),)]

    result = moved(0) * half[0]
    pair = np.empty_like(result)
    for away, weight in enumerate(half[1:], start=1):
        np.add(moved(-away), moved(away), out=pair)
        pair *= weight
        result += pair
    return result


def gaussian_blurred(plane: np.ndarray, sigmas: Sequence[float], truncate: float, *, wrap: bool = False) -> np.ndarray:
    """A plane (J, I) under Gaussian kernels of standard deviations `sigmas` (pixels) along j and i."""
    for axis, sigma in enumerate(sigmas):
        plane = blurred(plane, gaussian(sigma, truncate), axis, wrap=wrap)
    return plane
