"""What the scanner does to the patient: field of view, slices, contrast medium, finite sharpness, noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter

from ...runtime.progress import in_threads
from ..thorax.soft_tissue import Blood

Kernel = Literal["soft", "standard", "sharp"]

LOWEST_HU, HIGHEST_HU = -1024, 3071
PADDING_HU = -1024  # beyond a circular field of view: readers clamp the scanner's -2048 to this
MATRIX = 512
SLICES_MM = (0.625, 1.0, 1.25, 2.0, 2.5, 3.0, 5.0)
SLICE_SHARES = (0.1, 0.2, 0.27, 0.13, 0.18, 0.07, 0.05)
PLAIN_SHARE, PADDED_SHARE, TABLE_SHARE = 0.65, 0.35, 0.9
KERNEL_SHARES: dict[Kernel, float] = {"soft": 0.3, "standard": 0.4, "sharp": 0.3}
BLUR_MM: dict[Kernel, float] = {"soft": 0.75, "standard": 0.52, "sharp": 0.40}
ENHANCED: dict[Kernel, float] = {"soft": 0.0, "standard": 0.0, "sharp": 0.45}  # overshoot at edges
GRAIN_MM: dict[Kernel, float] = {"soft": 0.72, "standard": 0.52, "sharp": 0.36}
NOISE_HU: dict[Kernel, tuple[float, float]] = {"soft": (7.0, 17.0), "standard": (11.0, 28.0), "sharp": (26.0, 60.0)}
ENHANCED_OVER_MM = 1.1
LOW_CUT = 2.6  # noise of more than so many grains is held back
PLANES = 16  # of noise, of which every slice shows one, moved
AIR_NOISE_SHARE = 0.55  # outside the body against its middle
MOST_A_ROUND = 0.45  # variance of a kernel of three voxels, voxels squared


@dataclass(frozen=True)
class Acquisition:
    """How a scan is made."""

    spacing_mm_kji: tuple[float, float, float]  # slices are as thick as they are apart
    field_mm: float | None  # width of the square field of view, or None where the image is cut to the body
    above_mm: float  # how far the scan reaches beyond the lungs
    below_mm: float
    kernel: Kernel
    noise_hu: float  # standard deviation in the middle of the body
    streak_hu: float  # that of streaks at the shoulders
    contrast: bool  # whether there is contrast medium in the blood
    blood: Blood
    table: bool  # whether it shows
    padded: bool  # whether beyond a circle there is only padding


def plain_acquisition(spacing_mm_kji: Sequence[float]) -> Acquisition:
    """A standard kernel, ordinary dose, no contrast medium, the image cut to the body."""
    k, j, i = (float(s) for s in spacing_mm_kji)
    blood = Blood(right_hu=41.0, left_hu=42.0, muscle_hu=48.0, organs_hu=0.0)
    return Acquisition((k, j, i), None, 26.0, 28.0, "standard", 15.0, 0.0, False, blood, True, False)


def draw_acquisition(rng: np.random.Generator, body_width_mm: float) -> Acquisition:
    """Thin to thick slices, soft to sharp kernels, with contrast medium or without."""
    field = float(np.clip(body_width_mm * rng.uniform(0.86, 1.08), 308.0, 460.0))
    slice_mm = float(rng.choice(SLICES_MM, p=SLICE_SHARES))
    kernel = list(KERNEL_SHARES)[int(rng.choice(len(KERNEL_SHARES), p=tuple(KERNEL_SHARES.values())))]
    contrast = bool(rng.random() > PLAIN_SHARE)
    plain = float(rng.uniform(34, 48))
    if contrast:
        right, left = float(rng.uniform(110, 420)), float(rng.uniform(140, 340))
        blood = Blood(right, left, float(rng.uniform(75, 120)), float(rng.uniform(15, 50)))
    else:
        blood = Blood(plain, plain, plain + 7.0, 0.0)
    thin = (1.25 / slice_mm) ** 0.35  # thin slices are noisier
    noise = float(rng.uniform(*NOISE_HU[kernel]) * thin)
    return Acquisition(
        spacing_mm_kji=(slice_mm, field / MATRIX, field / MATRIX),
        field_mm=field,
        above_mm=float(rng.uniform(8, 34)),
        below_mm=float(rng.uniform(8, 60)),
        kernel=kernel,
        noise_hu=noise,
        streak_hu=float(rng.uniform(0.0, 0.9)) * noise,
        contrast=contrast,
        blood=blood,
        table=bool(rng.random() < TABLE_SHARE),
        padded=bool(rng.random() < PADDED_SHARE),
    )


@dataclass(frozen=True)
class Scanner:
    """Makes slices of (J, I) pixels; `planes` (PLANES, J, I) is its noise, of standard deviation 1, which repeats."""

    acquisition: Acquisition
    planes: np.ndarray

    @staticmethod
    def of(acquisition: Acquisition, shape_ji: tuple[int, int], rng: np.random.Generator) -> Scanner:
        """Draw the noise for slices of this shape: grains, with the long waves held back as a reconstruction does."""
        white = rng.standard_normal((PLANES, *shape_ji), dtype=np.float32)
        grain = [GRAIN_MM[acquisition.kernel] / s for s in acquisition.spacing_mm_kji[1:]]

        def colour(plane: np.ndarray) -> np.ndarray:
            fine = blurred(plane, [gaussian(g, 3.0) for g in grain], wrap=True)
            return fine - np.float32(0.6) * blurred(fine, [gaussian(LOW_CUT * g, 2.5) for g in grain], wrap=True)

        planes = np.stack(list(in_threads(colour, white)))
        planes /= planes.std()
        return Scanner(acquisition, planes)

    def scan(self, hu: np.ndarray, shoulder: float, rng: np.random.Generator) -> np.ndarray:
        """A true slice (float32 HU, shape (J, I)) as it shows: int16 HU. `shoulder` is 0 to 1 where arms attach."""
        how, pixel_mm = self.acquisition, self.acquisition.spacing_mm_kji[1:]
        seen = blurred(hu, [gaussian(BLUR_MM[how.kernel] / mm, 3.0) for mm in pixel_mm])
        strength = ENHANCED[how.kernel]
        if strength:
            seen = seen + strength * (seen - blurred(seen, [gaussian(ENHANCED_OVER_MM / mm, 2.5) for mm in pixel_mm]))
        seen = seen + self.noise(shoulder, rng)
        np.clip(np.rint(seen, out=seen), LOWEST_HU, HIGHEST_HU, out=seen)
        voxels: np.ndarray = seen.astype(np.int16)
        if how.padded:
            voxels[self._beyond_circle] = PADDING_HU
        return voxels

    def noise(self, shoulder: float, rng: np.random.Generator) -> np.ndarray:
        """Noise of one slice, HU (J, I): one of the planes, moved at random."""
        plane = self.planes[rng.integers(len(self.planes))]
        noise: np.ndarray = np.roll(plane.reshape(-1), rng.integers(plane.size)).reshape(plane.shape)
        noise *= self._strength * np.float32(1.0 + 0.5 * shoulder)
        if shoulder and self.acquisition.streak_hu:
            white = rng.standard_normal(plane.shape, dtype=np.float32)
            streaks = gaussian_filter(white, (0.8, 0.06 * plane.shape[1]))
            noise += streaks * np.float32(shoulder * self.acquisition.streak_hu / streaks.std())
        return noise

    @cached_property
    def _strength(self) -> np.ndarray:
        """Standard deviation of the noise in each pixel: greatest in the middle of the body."""
        rows, columns = self.planes.shape[1:]
        _, j, i = self.acquisition.spacing_mm_kji
        y, x = (np.arange(rows) - rows / 2) * j, (np.arange(columns) - columns / 2) * i
        falloff = np.exp(-((y / 110.0) ** 2))[:, None] * np.exp(-((x / 160.0) ** 2))
        share = AIR_NOISE_SHARE + (1 - AIR_NOISE_SHARE) * falloff
        return np.asarray(self.acquisition.noise_hu * share, dtype=np.float32)

    @cached_property
    def _beyond_circle(self) -> np.ndarray:
        rows, columns = self.planes.shape[1:]
        y, x = np.arange(rows) - (rows - 1) / 2, np.arange(columns) - (columns - 1) / 2
        return np.asarray(np.hypot(y[:, None], x) > min(rows, columns) / 2)


def gaussian(sigma: float, truncate: float) -> np.ndarray:
    """Half a kernel, from its middle outwards, of standard deviation `sigma` (voxels), cut at `truncate` of it."""
    at = np.arange(int(truncate * sigma + 0.5) + 1)
    half = np.exp(-0.5 * (at / max(sigma, 1e-6)) ** 2)
    return np.asarray(half / (2 * half.sum() - half[0]), dtype=np.float32)


def narrow(variance: float) -> np.ndarray:
    """Half a kernel of a variance (voxels squared): the narrowest that is made of kernels of three voxels."""
    rounds = int(np.ceil(variance / MOST_A_ROUND))
    kernel = np.ones(1)
    for _ in range(rounds):
        side = variance / rounds / 2
        kernel = np.convolve(kernel, [side, 1 - 2 * side, side])
    return kernel[len(kernel) // 2 :].astype(np.float32)


def blurred(plane: np.ndarray, kernels: Sequence[np.ndarray], *, wrap: bool = False) -> np.ndarray:
    """A plane (J, I), float32, under half kernels along j and i; beyond the ends it is mirrored, or goes round."""
    for axis, half in enumerate(kernels):
        reach, size = len(half) - 1, plane.shape[axis]
        if not reach:
            continue
        padding = [(reach, reach) if n == axis else (0, 0) for n in range(2)]
        long = np.pad(plane, padding, mode="wrap" if wrap else "symmetric")
        windows = [slice(start, start + size) for start in range(2 * reach + 1)]
        parts = [long[:, window] if axis else long[window] for window in windows]
        plane = np.asarray(parts[reach] * half[0])
        pair = np.empty_like(plane)
        for away, weight in enumerate(half[1:], start=1):
            np.add(parts[reach - away], parts[reach + away], out=pair)
            pair *= weight
            plane += pair
    return plane
