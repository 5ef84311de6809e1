"""Lungs that the published procedure drops: found again by where they are and what they look like (not in the paper).

The published rules lose a lung that a tumour fills (too little air, too far from the image centre) and lungs of which
only a slab was imaged (too small). Here a lung is any large air component inside the body whose typical density is
that of lung tissue: bowel gas and the trachea are nearly pure air.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..preset import Preset
from .lung_mask import FACE_NEIGHBOURS

_COARSE_MM = 3.0
TISSUE_ABOVE_HU = -500
_PURE_AIR_BELOW_HU = -970
_SMALLEST_LUNG_L = 0.1
_LEAST_SHARE_OF_A_SIDE = 0.05


def body_mask(hu: np.ndarray, spacing_mm_kji: np.ndarray) -> np.ndarray:
    """The patient with everything inside, slice by slice, coarse to about 3 mm in plane.

    Returns
    -------
    (K, J, I) bool; empty where the image holds no tissue.
    """
    coarse = _coarse(spacing_mm_kji)
    labels, count = ndimage.label(hu[coarse] > TISSUE_ABOVE_HU, FACE_NEIGHBOURS)
    if count == 0:
        return np.zeros(hu.shape, dtype=bool)
    body = labels == np.argmax(np.bincount(labels.ravel())[1:]) + 1
    body = np.stack([ndimage.binary_fill_holes(body_slice) for body_slice in body])
    fine = body.repeat(coarse[1].step, axis=1).repeat(coarse[2].step, axis=2)
    return fine[:, : hu.shape[1], : hu.shape[2]]


def lost_lungs(
    hu: np.ndarray,
    air: np.ndarray,
    found: np.ndarray,
    body: np.ndarray,
    spacing_mm_kji: np.ndarray,
    preset: Preset,
) -> np.ndarray:
    """Lung-like air components inside the body that are not among those found.

    Parameters
    ----------
    hu
        (K, J, I) Hounsfield units.
    air, found, body
        (K, J, I) bool: thresholded air, the lungs found so far, the filled body.
    """
    candidates = air & body & ~found
    _, largest_l = preset.volume_range_l
    coarse = _coarse(spacing_mm_kji)
    coarse_spacing = spacing_mm_kji * [part.step or 1 for part in coarse]
    if not _lung_like(hu[coarse], candidates[coarse], coarse_spacing, _SMALLEST_LUNG_L / 2, largest_l).any():
        return np.zeros_like(air)  # the common case, seen at a glance
    return _lung_like(hu, candidates, spacing_mm_kji, _SMALLEST_LUNG_L, largest_l)


def _lung_like(
    hu: np.ndarray, candidates: np.ndarray, spacing_mm_kji: np.ndarray, smallest_l: float, largest_l: float
) -> np.ndarray:
    labels, count = ndimage.label(candidates, FACE_NEIGHBOURS)
    size_l = np.bincount(labels.ravel(), minlength=count + 1) * float(np.prod(spacing_mm_kji)) / 1e6
    candidate = (size_l >= smallest_l) & (size_l <= largest_l)
    candidate[0] = False
    boxes = ndimage.find_objects(labels)
    lung_like = np.zeros_like(candidates)
    for label in np.flatnonzero(candidate):
        box = boxes[label - 1]
        component = labels[box] == label
        if np.median(hu[box][component]) > _PURE_AIR_BELOW_HU:
            lung_like[box] |= component
    return lung_like


def _coarse(spacing_mm_kji: np.ndarray) -> tuple[slice, slice, slice]:
    """Every slice, and in plane one pixel in about 3 mm."""
    j, i = (slice(None, None, max(int(_COARSE_MM / spacing), 1)) for spacing in spacing_mm_kji[1:])
    return slice(None), j, i


def midline(body: np.ndarray) -> float:
    """The i index of the body's median plane, taken as its centre of mass."""
    columns = body.sum(axis=(0, 1), dtype=float)
    return float(columns @ np.arange(len(columns)) / columns.sum())


def on_both_sides(mask: np.ndarray, middle_i: float) -> bool:
    """Whether a mask has a share worth naming on either side of the median plane."""
    columns = mask.sum(axis=(0, 1), dtype=float)
    right_share = columns[: round(middle_i)].sum() / columns.sum()
    return _LEAST_SHARE_OF_A_SIDE < right_share < 1 - _LEAST_SHARE_OF_A_SIDE
