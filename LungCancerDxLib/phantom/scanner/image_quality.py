"""How sharp and how noisy a scan is, measured on the scan itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...preprocessing import WorkingScan
from ...preprocessing.lung_mask import bounding_box
from ...preprocessing.working_grid import from_grey
from ...preset import Preset
from ...volume import CTVolume

LUNG_BELOW_HU, WALL_HU = -700.0, (-60.0, 120.0)  # the two sides of an edge
PLATEAU_SPREAD_HU = 80.0  # of the voxels on each side at most: no rib, no vessel
PROFILE_MM = 6.0  # on each side of an edge
SHARPEST_SHARE = 20.0  # percentile of the edges' widths: these are crossed at a right angle
QUARTILES_PER_SIGMA = 1.349  # of a blurred step: from a quarter to three quarters of its height
MOST_EDGES, FEWEST_EDGES = 20_000, 200
FALLBACK_BLUR_VOXELS = 0.6  # where a scan shows too few edges
SOFT_HU = (-70.0, 170.0)
FAR_VOXELS = 3  # noise is independent over this way
FEWEST_VOXELS, FALLBACK_NOISE_HU = 2000, 20.0
MOST_DIFFERENCES = 300_000
TYPICAL_SHARE, TYPICAL_PER_SIGMA = 0.9, 0.6573  # the mean size of the smallest nine tenths of normal numbers
AROUND_LUNGS_MM = 15.0


@dataclass(frozen=True)
class ImageQuality:
    """Sharpness and noise of an image.

    `blur_mm_kji` is the standard deviation of the blur along k, j, i in mm, the averaging over a voxel included, and
    `noise_hu` that of the noise in soft tissue. White noise smoothed by a Gaussian of standard deviations `grain_kji`
    (voxels) has the noise's correlation.
    """

    blur_mm_kji: tuple[float, float, float]
    noise_hu: float
    grain_kji: tuple[float, float, float]


def scan_image_quality(volume: CTVolume, lungs: np.ndarray) -> ImageQuality:
    """That of a CT, given its lung labels (K, J, I) on the same grid."""
    box = bounding_box(lungs > 0, np.ceil(AROUND_LUNGS_MM / volume.spacing_mm_kji).astype(int))
    return measure_image_quality(volume.voxels[box], volume.spacing_mm_kji, lungs[box] > 0, np.True_)


def preprocessed_image_quality(scan: WorkingScan, preset: Preset) -> ImageQuality:
    """That of the networks' image, whose filled parts do not count."""
    hu, imaged = from_grey(scan.image, preset), scan.image != preset.tissue_value
    return measure_image_quality(hu, np.full(3, scan.spacing_mm), hu < LUNG_BELOW_HU, imaged)


def measure_image_quality(
    hu: np.ndarray, spacing_mm_kji: np.ndarray, lungs: np.ndarray, imaged: np.ndarray | np.bool
) -> ImageQuality:
    """Blur from the edges between lung and chest wall, noise from differences between voxels of soft tissue.

    The blur along an axis is that of its sharpest edges: the others are crossed at a slant. Noise is the difference of
    voxels `FAR_VOXELS` apart in the slice (the mean size of all but the largest, which vessels and borders make), its
    grain how much smaller the difference of neighbours is.

    `hu` (K, J, I) is of any number type; `lungs` and `imaged` are bool, and noise is looked for only in what is imaged.
    """
    blur = [_blur_mm(hu, lungs, axis, float(spacing_mm_kji[axis])) for axis in range(3)]
    soft = (hu > SOFT_HU[0]) & (hu < SOFT_HU[1]) & ~lungs & imaged
    far = [_difference_hu(hu, soft, axis, FAR_VOXELS) for axis in (1, 2)]
    noise = float(np.mean(far)) if np.all(np.isfinite(far)) else FALLBACK_NOISE_HU
    grain = [_grain(_difference_hu(hu, soft, axis, 1), noise) for axis in range(3)]
    return ImageQuality((blur[0], blur[1], blur[2]), noise, (grain[0], grain[1], grain[2]))


def _blur_mm(hu: np.ndarray, lungs: np.ndarray, axis: int, spacing_mm: float) -> float:
    half = max(4, round(PROFILE_MM / spacing_mm))
    widths = []
    for step in (1, -1):
        along, inside = (np.moveaxis(a, axis, -1)[..., ::step] for a in (hu, lungs))
        edges = np.argwhere(inside[..., half : -half - 1] & ~inside[..., half + 1 : -half])
        edges = edges[:: max(1, len(edges) // MOST_EDGES)]
        offsets = np.arange(2 * half + 1)
        profiles = along[edges[:, :1], edges[:, 1:2], edges[:, 2:] + offsets].astype(np.float32)
        widths.append(_widths(profiles, half))
    width = np.concatenate(widths)
    if len(width) < FEWEST_EDGES:
        return FALLBACK_BLUR_VOXELS * spacing_mm
    return float(np.percentile(width, SHARPEST_SHARE)) * spacing_mm / QUARTILES_PER_SIGMA


def _widths(profiles: np.ndarray, half: int) -> np.ndarray:
    """Voxels from a quarter to three quarters of the height of the profiles (N, 2 half + 1) that are clean edges."""
    before, after = profiles[:, : half - 1], profiles[:, half + 2 :]
    low, high = np.median(before, axis=1), np.median(after, axis=1)
    clean = (low < LUNG_BELOW_HU) & (high > WALL_HU[0]) & (high < WALL_HU[1])
    clean &= (before.std(axis=1) < PLATEAU_SPREAD_HU) & (after.std(axis=1) < PLATEAU_SPREAD_HU)
    low, high, profiles = low[clean, None], high[clean, None], profiles[clean]
    height = (profiles - low) / (high - low)
    return np.asarray(_crossing(height, 0.75) - _crossing(height, 0.25))


def _crossing(height: np.ndarray, level: float) -> Any:
    """Where each profile (N, P) first rises above a level, in voxels, linear between them."""
    above = np.maximum(np.argmax(height > level, axis=1), 1)
    rows = np.arange(len(height))
    before, after = height[rows, above - 1], height[rows, above]
    return above - 1 + (level - before) / (after - before)


def _difference_hu(hu: np.ndarray, where: np.ndarray, axis: int, step: int) -> float:
    """Standard deviation that the differences over `step` voxels speak of; NaN from too few voxels."""
    ahead = tuple(slice(step, None) if a == axis else slice(None) for a in range(3))
    behind = tuple(slice(None, -step) if a == axis else slice(None) for a in range(3))
    both = where[ahead] & where[behind]
    if np.count_nonzero(both) < FEWEST_VOXELS:
        return float("nan")
    size = np.abs(hu[ahead][both].astype(np.float32) - hu[behind][both])
    size = size[:: max(1, len(size) // MOST_DIFFERENCES)]
    typical = np.sort(size)[: int(TYPICAL_SHARE * len(size))].mean()
    return float(typical / TYPICAL_PER_SIGMA / np.sqrt(2))


def _grain(neighbours_hu: float, noise_hu: float) -> float:
    correlation = 1 - (neighbours_hu / noise_hu) ** 2 if noise_hu > 0 and np.isfinite(neighbours_hu) else 0.0
    return float(np.sqrt(-1 / (4 * np.log(np.clip(correlation, 0.01, 0.95))))) if correlation > 0 else 0.0
