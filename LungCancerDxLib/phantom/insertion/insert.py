"""Nodules put into scans that exist, as the same scanner would have shown them.

A nodule is rendered on a finer grid, averaged over each voxel (so over the slice thickness too), blurred as the scan is
and blended in by the share of a voxel that it fills. Within it the noise is new, of the scan's own level and grain.
Tissue that is denser stays: vessels run on through ground glass, ribs beside a nodule on the pleura are whole.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter

from ...preset import DEFAULT, Preset
from ...volume import CTVolume
from ..canvas import coverage
from ..nodules.grid import CAVITY_BELOW_HU, Box, grid_points, nodule_box
from ..nodules.nodule import SyntheticNodule, body_field, nodule_fields
from ..scanner.image_quality import ImageQuality, scan_image_quality

PART_MM = 0.75  # a voxel is cut into parts no longer than this
WORKING_PART_MM = 1.0  # the same of the networks' image: nearly its voxels, for speed
MARGIN_SIGMAS = 3.0  # of the blur: nothing beyond this is touched
SEEN_SMOOTH_VOXELS = 0.7  # the scan is smoothed this much before it is asked what is denser
LOWEST_HU = -1024


def insert_nodules(
    volume: CTVolume, nodules: Sequence[SyntheticNodule], lungs: np.ndarray, *, look: ImageQuality | None = None
) -> tuple[CTVolume, np.ndarray]:
    """A copy of a scan with nodules in it.

    The same scan and nodules give the same result. Voxels further from a nodule than the scan's blur reaches keep
    their values.

    Parameters
    ----------
    lungs
        (K, J, I) lung labels on the scan's grid, from which its look is measured.
    look
        The scan's look where it is known already.

    Returns
    -------
    CTVolume, masks
        The new scan, and (K, J, I) uint8: n + 1 in the body of nodule n, 0 elsewhere.
    """
    look = look or scan_image_quality(volume, lungs)
    voxels = volume.voxels.copy()
    masks = np.zeros(volume.shape_kji, dtype=np.uint8)
    for number, nodule in enumerate(nodules, start=1):
        box = nodule_box(nodule, volume.kji_to_lps, volume.shape_kji, _margin_mm(volume.kji_to_lps, look))
        if voxels[box].size:
            seen = voxels[box].astype(np.float32)
            filled = _filled(seen, nodule, volume.kji_to_lps, box, look, PART_MM)
            highest = np.iinfo(np.int16).max
            voxels[box] = np.clip(np.rint(filled), LOWEST_HU, highest).astype(np.int16)
            masks[box][body_field(nodule, *grid_points(volume.kji_to_lps, box)) < 0] = number
    return CTVolume(voxels, volume.kji_to_lps, volume.info, volume.warnings), masks


def insert_into_preprocessed(
    image: np.ndarray,
    kji_to_lps: np.ndarray,
    nodules: Sequence[SyntheticNodule],
    look: ImageQuality,
    preset: Preset = DEFAULT,
) -> np.ndarray:
    """A copy of the networks' image, or of a part of it, with nodules in it: quick enough to be done while training.

    Parameters
    ----------
    image
        (Z, Y, X) uint8. What was filled with tissue stays filled.
    kji_to_lps
        (4, 4) affine of `image`; that of a part begins where the part does.
    look
        Of the whole image, from `preprocessed_image_quality`: measured once for a scan.
    """
    low, high = preset.window_hu
    result = image.copy()
    for nodule in nodules:
        box = nodule_box(nodule, kji_to_lps, image.shape, _margin_mm(kji_to_lps, look))  # type: ignore[arg-type]
        if result[box].size:
            grey = result[box]
            seen = grey.astype(np.float32) * ((high - low) / 255) + low
            filled = _filled(seen, nodule, kji_to_lps, box, look, WORKING_PART_MM)
            new = np.clip(np.rint((filled - low) * (255 / (high - low))), 0, 255).astype(np.uint8)
            result[box] = np.where(grey == preset.tissue_value, grey, new)
    return result


def _margin_mm(kji_to_lps: np.ndarray, look: ImageQuality) -> float:
    return MARGIN_SIGMAS * max(look.blur_mm_kji) + float(np.linalg.norm(kji_to_lps[:3, :3], axis=0).max())


def _filled(
    seen: np.ndarray,
    nodule: SyntheticNodule,
    kji_to_lps: np.ndarray,
    box: Box,
    look: ImageQuality,
    part_mm: float,
) -> np.ndarray:
    """`seen`, float32 HU of the voxels in `box`, with the nodule."""
    spacing = np.linalg.norm(kji_to_lps[:3, :3], axis=0)
    steps = tuple(max(1, int(np.ceil(s / part_mm - 0.05))) for s in spacing)
    field, hu = nodule_fields(nodule, *grid_points(kji_to_lps, box, steps))  # type: ignore[arg-type]
    share = coverage(field, float(np.max(spacing / steps)))
    within_voxel = spacing**2 / 12
    blur = np.sqrt(np.maximum(np.square(look.blur_mm_kji) - within_voxel, 0)) / spacing
    filled = gaussian_filter(_mean_of_parts(share, steps), blur, mode="constant", truncate=MARGIN_SIGMAS)
    weighted = gaussian_filter(_mean_of_parts(share * hu, steps), blur, mode="constant", truncate=MARGIN_SIGMAS)
    substance = weighted / np.maximum(filled, 1e-6)
    smooth = gaussian_filter(seen, SEEN_SMOOTH_VOXELS)
    replaced = (substance > smooth) | (substance < CAVITY_BELOW_HU)
    change = np.where(replaced, substance + _noise(nodule, seen.shape, look) - seen, 0)
    return seen + filled * change


def _mean_of_parts(fine: np.ndarray, steps: tuple[int, ...]) -> np.ndarray:
    if max(steps) == 1:
        return fine
    (k, j, i), (a, b, c) = fine.shape, steps
    return fine.reshape(k // a, a, j // b, b, i // c, c).mean(axis=(1, 3, 5), dtype=np.float32)


def _noise(nodule: SyntheticNodule, shape: tuple[int, ...], look: ImageQuality) -> np.ndarray:
    rng = np.random.default_rng([nodule.seed, 4])
    white = rng.standard_normal(shape, dtype=np.float32)
    noise = gaussian_filter(white, look.grain_kji)
    return noise * np.float32(look.noise_hu / noise.std())
