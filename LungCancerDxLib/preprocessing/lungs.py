"""Left and right lung of a CT: the published steps in order, and ours for what they lose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import NoLungsError
from ..preset import Preset
from .lung_mask import air_components, fill_holes, lung_components
from .lung_split import clean_lung, fill_slice_holes, split_lungs
from .recovery import body_mask, lost_lungs, midline, on_both_sides

LEFT, RIGHT = 1, 2


@dataclass(frozen=True)
class Lungs:
    """Label map (K, J, I) uint8 on the canonical CT grid, 1 left lung, 2 right lung, and what to tell the user."""

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
    middle_i = midline(body) if body.any() else (mask.shape[2] - 1) / 2
    parts = [part for part in split_lungs(mask, spacing_mm_kji, preset) if part.any()]
    centers_i = [_center_i(part) for part in parts]
    if len(parts) == 2 and preset.recover_lost_lungs and (min(centers_i) > middle_i or max(centers_i) < middle_i):
        parts = [mask]  # one lung that broke in two
    if len(parts) == 2:
        right, left = sorted(parts, key=_center_i)
        return {LEFT: left, RIGHT: right}
    if preset.recover_lost_lungs and on_both_sides(mask, middle_i):
        on_the_right = np.arange(mask.shape[2]) < middle_i
        return {LEFT: mask & ~on_the_right, RIGHT: mask & on_the_right}
    return {LEFT if _center_i(mask) > middle_i else RIGHT: mask}


def _center_i(mask: np.ndarray) -> float:
    columns = mask.sum(axis=(0, 1), dtype=float)
    return float(columns @ np.arange(len(columns)) / columns.sum())


def lung_warnings(labels: np.ndarray) -> list[str]:
    """What to tell the user of a lung label map (K, J, I) on the scan's grid in canonical order."""
    words = []
    for label, side in ((LEFT, "left"), (RIGHT, "right")):
        if not (labels == label).any():
            words.append(f"Only one lung was found; the {side} lung is missing from the mask and was not searched.")
    for end, where in ((-1, "top"), (0, "bottom")):
        if labels[end].any():
            words.append(f"The lungs are cut off at the {where} of the image; what lies beyond it is unknown.")
    if any(labels[:, side].any() for side in (0, -1)) or any(labels[:, :, side].any() for side in (0, -1)):
        words.append("The lungs reach the border of the field of view; parts of them may be missing.")
    return words
