"""Lungs as a person would draw them: nodules, vessels and dents closed; where in them a point lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..names import SIDES
from ..preprocessing.lung_mask import bounding_box
from ..preprocessing.working_grid import linear_along
from ..runtime.progress import in_threads
from ..volume import CTVolume, index_to_world, world_to_index

STEP_MM = 2.5  # of the grid that closing is done on
CLOSING_MM = 10.0  # fills dents and vessels narrower than twice that; a larger ball would fill the hilum
_FAR_MM = 24.0  # a point farther from a lung does not belong to it
_THIRDS = ("lower", "middle", "upper")


@dataclass(frozen=True)
class DrawnLungs:
    """Both lungs of a scan in canonical order.

    Parameters
    ----------
    labels
        (K, J, I) uint8 as in `CTLungs`, closed.
    depths
        For each label (K', J', I') float32 on the coarse grid: mm below the lung's surface, negative outside.
    kji_to_lps
        (4, 4) of the coarse grid.
    heights_mm
        For each label the LPS z between which it lies.
    """

    labels: np.ndarray
    depths: dict[int, np.ndarray]
    kji_to_lps: np.ndarray
    heights_mm: dict[int, tuple[float, float]]

    def depth_mm(self, label: int, points_lps_mm: np.ndarray) -> np.ndarray:
        """Points (N, 3) to their depth below a lung's surface, mm, negative outside; good to about 1 mm."""
        index = world_to_index(self.kji_to_lps, points_lps_mm)
        return np.asarray(ndimage.map_coordinates(self.depths[label], index.T, order=1, mode="nearest"))

    def lung_at(self, point_lps_mm: np.ndarray) -> int | None:
        """The label of the lung that a point lies in or next to; None where none is near."""
        depth = {label: float(self.depth_mm(label, point_lps_mm[None])[0]) for label in self.depths}
        nearest = max(depth, key=lambda label: depth[label], default=None)
        return nearest if nearest is not None and depth[nearest] > -_FAR_MM else None

    def third(self, label: int, point_lps_mm: np.ndarray) -> str:
        """Which third of a lung's height (head to foot) a point lies in."""
        low, high = self.heights_mm[label]
        return _THIRDS[int(np.clip((point_lps_mm[2] - low) / max(high - low, 1e-6) * 3, 0, 2))]


def draw_lungs(volume: CTVolume, labels: np.ndarray, nodules: np.ndarray) -> DrawnLungs:
    """Close the lungs of a scan with a ball; nodules on the wall are in them.

    Parameters
    ----------
    volume
        The scan in canonical order.
    labels, nodules
        (K, J, I) uint8 of the same order: lungs as in `CTLungs`, and nodules, which belong to the lung that is nearest.
    """
    if not labels.any():
        return DrawnLungs(labels, {}, volume.kji_to_lps, {})
    spacing = volume.spacing_mm_kji
    box = bounding_box((labels > 0) | (nodules > 0), np.ceil((CLOSING_MM + _FAR_MM) / spacing).astype(int))
    steps = np.maximum(STEP_MM / spacing, 1.0)
    counts = [int((side.stop - side.start - 1) / step) + 1 for side, step in zip(box, steps, strict=True)]
    pick = np.ix_(*(np.rint(np.arange(n) * step).astype(int) for n, step in zip(counts, steps, strict=True)))
    coarse, lesions = labels[box][pick], nodules[box][pick] > 0
    step_mm = steps * spacing
    present = [label for label in SIDES if (coarse == label).any()]
    away = dict(zip(present, in_threads(lambda label: _away_mm(coarse == label, step_mm), present), strict=True))
    nearest = np.minimum.reduce([away[label] for label in present])

    def closed(label: int) -> np.ndarray:
        """mm below the closed surface; what closing leaves outside is made of balls, and lies their radius off."""
        to_lung, own = away[label], lesions & (away[label] <= nearest)
        if own.any():
            to_lung = np.minimum(to_lung, _away_mm(own, step_mm))
        outside = to_lung > CLOSING_MM
        to_surface = CLOSING_MM + step_mm.min() / 2  # surfaces lie between voxel centres
        depth = _away_mm(outside, step_mm) - to_surface if outside.any() else np.full_like(to_lung, CLOSING_MM)
        taken = (coarse > 0) & (coarse != label)
        return np.where(outside | taken, -to_lung, depth)

    depths = dict(zip(present, in_threads(closed, present), strict=True))
    to_scan = np.diag([*steps, 1.0])
    to_scan[:3, 3] = [side.start for side in box]
    drawn = labels.copy()
    _fill(drawn[box], nodules[box] > 0, depths, steps)
    coarse_to_lps = volume.kji_to_lps @ to_scan
    heights = {}
    for label in present:
        z_mm = index_to_world(coarse_to_lps, np.argwhere(coarse == label))[:, 2]
        heights[label] = float(z_mm.min()), float(z_mm.max())
    return DrawnLungs(drawn, depths, coarse_to_lps, heights)


def _fill(labels: np.ndarray, nodules: np.ndarray, depths: dict[int, np.ndarray], steps: np.ndarray) -> None:
    """Label, in place, the voxels (K, J, I) without a label that lie in a closed lung, and nodules (bool) at one.

    The coarse grid errs by half a step; the chest wall must stay out.
    """
    along_k, along_j, along_i = (np.arange(n) / step for n, step in zip(labels.shape, steps, strict=True))

    def fill(k: int) -> None:
        empty, above = labels[k] == 0, np.where(nodules[k], -STEP_MM, STEP_MM / 2)
        for label, depth in depths.items():
            plane = linear_along(depth, 0, along_k[k : k + 1])[0]
            if (plane > -STEP_MM).any():
                inside = linear_along(linear_along(plane, 1, along_i), 0, along_j) > above
                labels[k][empty & inside] = label

    for _ in in_threads(fill, range(len(labels))):
        pass


def _away_mm(mask: np.ndarray, step_mm: np.ndarray) -> np.ndarray:
    """mm, float32, from each voxel to the nearest of a mask that is not empty."""
    found: np.ndarray = ndimage.distance_transform_edt(~mask, sampling=step_mm).astype(np.float32)
    return found
