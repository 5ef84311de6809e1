"""Cutting off what is attached to a nodule: morphological opening, scaled to the nodule, and limited reconstruction.

After Kuhnigk et al., "Morphological segmentation and partial volume analysis for volumetry of solid pulmonary lesions
in thoracic CT scans", IEEE TMI 25 (2006): vessels are thinner than the nodule they touch, and the pleura is kept out
by the lung's own surface.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..preprocessing.lung_mask import bounding_box

_OPENING_SHARE = 0.65  # of the nodule's inscribed radius: a vessel of up to two thirds of its width is cut
_WIDEST_VESSEL_RADIUS_MM = 3.5  # beyond the hilum; a stronger opening would take a large nodule's lobes
_REGROWN_MM = 1.0  # corners, spicules and roughness that the opening took come back this far


def without_leaks(mask: np.ndarray, core: np.ndarray, step_mm: float) -> np.ndarray:
    """The part of a mask (bool) that belongs to the body whose deepest point lies in `core` (bool).

    Empty where the mask has no voxel in `core`.
    """
    whole = np.zeros_like(mask)
    if mask.any():
        box = bounding_box(mask, 1)  # all that depths within the mask depend on
        whole[box] = _body(mask[box], core[box], step_mm)
    return whole


def _body(mask: np.ndarray, core: np.ndarray, step_mm: float) -> np.ndarray:
    filled = ndimage.binary_fill_holes(mask)
    depth_mm = ndimage.distance_transform_edt(filled) * step_mm
    in_core = np.where(core, depth_mm, 0.0)
    deepest = np.unravel_index(np.argmax(in_core), in_core.shape)
    if in_core[deepest] == 0:
        return np.zeros_like(mask)
    opening_mm = min(_OPENING_SHARE * in_core[deepest], _WIDEST_VESSEL_RADIUS_MM)
    bodies, _ = ndimage.label(depth_mm > opening_mm)
    body = bodies == bodies[deepest]
    back_mm = ndimage.distance_transform_edt(~body) * step_mm
    kept = filled & (back_mm <= opening_mm + _REGROWN_MM)
    connected, _ = ndimage.label(kept)
    return connected == connected[deepest]
