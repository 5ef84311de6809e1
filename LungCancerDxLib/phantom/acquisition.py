"""What the scanner does to the patient: finite sharpness and noise."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

BLUR_MM = 0.5
NOISE_HU = 15.0
NOISE_GRAIN_MM = 0.5  # neighbouring voxels share noise
LOWEST_HU, HIGHEST_HU = -1024, 3071


def scan_slice(hu: np.ndarray, spacing_mm_ji: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """A true slice (float32 HU, shape (J, I)) as the scanner shows it: int16 HU."""
    noise = gaussian_filter(
        rng.standard_normal(hu.shape, dtype=np.float32), [NOISE_GRAIN_MM / s for s in spacing_mm_ji]
    )
    seen = gaussian_filter(hu, [BLUR_MM / s for s in spacing_mm_ji]) + noise * (NOISE_HU / noise.std())
    return np.clip(np.round(seen), LOWEST_HU, HIGHEST_HU).astype(np.int16)
