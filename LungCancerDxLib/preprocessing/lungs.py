"""Left and right lung of a CT: the published steps in order, and ours for what they lose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ..errors import NoLungsError
from ..names import LEFT, RIGHT
from ..preset import Preset
from .lung_mask import FACE_NEIGHBOURS, air_components, fill_holes, lung_components
from .lung_split import clean_lung, fill_slice_holes, split_lungs

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


@dataclass(frozen=True, eq=False)
class CTLungs:
    """The lungs on a CT's own grid, in its own order.

    `labels` is a label map (K, J, I) uint8, 1 left lung, 2 right lung; `kji_to_lps` is the CT's affine.
    """

    labels: np.ndarray
    kji_to_lps: npt.NDArray[np.float64]

    def volume_ml(self, label: int) -> float:
        """Volume of a lung in millilitres."""
        return float(np.count_nonzero(self.labels == label) * abs(np.linalg.det(self.kji_to_lps[:3, :3])) / 1e3)


@dataclass(frozen=True, eq=False)
class Lungs:
    """Label map (K, J, I) uint8 on the grid that was searched, 1 left lung, 2 right lung, and messages for the user."""

    labels: np.ndarray
    warnings: tuple[str, ...] = ()

    @property
    def mask(self) -> np.ndarray:
        """Either lung, (K, J, I) bool."""
        return self.labels > 0


def find_lungs(hu: np.ndarray, spacing_mm_kji: np.ndarray, preset: Preset) -> Lungs:
    """Segment both lungs.

    Parameters
    ----------
    hu
        (K, J, I) Hounsfield units in canonical order (k to the head, i to the patient's left).
    spacing_mm_kji
        (3,) voxel size in mm.

    Raises
    ------
    NoLungsError
        Where no part of the image looks like lung.
    """
    warnings = []
    air = air_components(hu, spacing_mm_kji, preset)
    mask = lung_components(air, spacing_mm_kji, preset)
    body = body_mask(hu, spacing_mm_kji)
    if preset.recover_lost_lungs and body.any():
        lost = lost_lungs(hu, air, mask, body, spacing_mm_kji, preset)
        if lost.any():
            litres = lost.sum() * float(np.prod(spacing_mm_kji)) / 1e6
            warnings.append(f"{litres:.1f} L of lung that the published lung mask drops was recovered.")
            mask |= lost
    if not mask.any():
        extent = " x ".join(f"{mm:.0f}" for mm in np.multiply(hu.shape, spacing_mm_kji))
        raise NoLungsError(
            f"No lungs were found in this image of {extent} mm (head-foot, front-back, left-right): no air-filled "
            "region inside the body has the size and density of a lung. Expected a CT of the chest in Hounsfield "
            "units with its true voxel size; check that the right series was chosen."
        )
    mask = fill_holes(mask)
    labels = np.zeros(hu.shape, dtype=np.uint8)
    sides = _left_and_right(mask, body, spacing_mm_kji, preset)
    for label, lung in sides.items():
        labels[clean_lung(lung, preset) if len(sides) == 2 else fill_slice_holes(lung)] = label
    return Lungs(labels, tuple(warnings))


def _left_and_right(
    mask: np.ndarray, body: np.ndarray, spacing_mm_kji: np.ndarray, preset: Preset
) -> dict[int, np.ndarray]:
    """The two lungs by label. i grows to the patient's left."""
    middle_i = _center_i(body) if body.any() else (mask.shape[2] - 1) / 2
    parts = [part for part in split_lungs(mask, spacing_mm_kji, preset) if part.any()]
    centers_i = [_center_i(part) for part in parts]
    if len(parts) == 2 and preset.recover_lost_lungs and (min(centers_i) > middle_i or max(centers_i) < middle_i):
        parts = [mask]  # one lung that broke in two
    if len(parts) == 2:
        right, left = sorted(parts, key=_center_i)
        return {LEFT: left, RIGHT: right}
    if preset.recover_lost_lungs and _on_both_sides(mask, middle_i):
        on_the_right = np.arange(mask.shape[2]) < middle_i
        return {LEFT: mask & ~on_the_right, RIGHT: mask & on_the_right}
    return {LEFT if _center_i(mask) > middle_i else RIGHT: mask}


def _center_i(mask: np.ndarray) -> float:
    """The i index of a mask's centre of mass; the body's is taken for its median plane."""
    columns = mask.sum(axis=(0, 1), dtype=float)
    return float(columns @ np.arange(len(columns)) / columns.sum())


def _on_both_sides(mask: np.ndarray, middle_i: float) -> bool:
    """Whether a mask has a share worth naming on either side of the median plane."""
    right_share = mask[:, :, : round(middle_i)].sum(dtype=float) / mask.sum(dtype=float)
    return bool(_LEAST_SHARE_OF_A_SIDE < right_share < 1 - _LEAST_SHARE_OF_A_SIDE)


def lung_warnings(labels: np.ndarray) -> list[str]:
    """What to tell the user of a lung label map (K, J, I) on the scan's grid in canonical order."""
    messages = []
    for label, side in ((LEFT, "left"), (RIGHT, "right")):
        if not (labels == label).any():
            messages.append(f"Only one lung was found; the {side} lung is missing from the mask and was not searched.")
    for end, where in ((-1, "top"), (0, "bottom")):
        if labels[end].any():
            messages.append(f"The lungs are cut off at the {where} of the image; what lies beyond it is unknown.")
    if any(labels[:, side].any() for side in (0, -1)) or any(labels[:, :, side].any() for side in (0, -1)):
        messages.append("The lungs reach the border of the field of view; parts of them may be missing.")
    return messages
