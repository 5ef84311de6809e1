"""Grey values for the networks: window, tissue outside the lungs, no bone (section III-B.3)."""

from __future__ import annotations

import numpy as np

from ..preset import Preset


def to_grey(hu: np.ndarray, preset: Preset) -> np.ndarray:
    """Hounsfield units (any shape) to uint8, the window stretched to 0..255 and truncated."""
    low, high = preset.window_hu
    grey = hu.astype(np.float32)
    grey -= low
    grey /= high - low
    np.clip(grey, 0, 1, out=grey)
    grey *= 255
    return grey.astype(np.uint8)


def mask_grey(grey: np.ndarray, dilated: np.ndarray, lungs: np.ndarray, preset: Preset) -> np.ndarray:
    """Tissue outside the dilated mask, and in place of bone between the lungs and the mask's border.

    Parameters
    ----------
    grey
        (K, J, I) uint8.
    dilated, lungs
        (K, J, I) bool: the hulled and dilated mask, and the lungs before hull and dilation.
    """
    keep = dilated & (lungs | (grey <= preset.bone_value))
    return np.where(keep, grey, np.uint8(preset.tissue_value))
