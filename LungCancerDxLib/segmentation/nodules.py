"""From proposals to masks and measurements on the CT's own grid (ours; the paper outlines nothing)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from ..case import Nodule
from ..preprocessing import CTLungs
from ..runtime.progress import Progress, in_threads, silent
from ..volume import CTVolume, index_to_world
from .lung_region import Block, Lung, lungs_of, mask_onto, nearest_lung
from .measure import equivalent_diameter_mm, fitted, longest_axial_diameter_mm, nodule_type, volume_mm3
from .outline import LUNG_HU, Outline, Patch, outline_nodule

_SMALLEST_DIAMETER_MM = 2.0  # equivalent sphere; smaller findings are below what CT measures
_SMALLEST_OF_BOX = 0.35  # a detector's box is not three times as wide as its nodule; a piece of vessel may be
_WIDEST_TOUCH = 0.08  # share of the surface that may lie on the sphere's border
_LONGEST_TO_MIDDLE = 2.6  # spread along the main axis over that along the second: more is a vessel or a scar
_DEFAULT_DIAMETER_MM = 10.0  # for a point that the user set
_SPHERE_SHARE, _SPHERE_EXTRA_MM = 1.3, 2.0  # the sphere is wider than the box, which may be off
_GROWTH = 1.3  # of the sphere while the mask lies against it
_GROWN_DETECTED, _GROWN_USER_MM = 1.7, 25.0  # how far: share of the first sphere; radius (nodules end at 30 mm)
_AROUND_MM = 6.0  # lung around the sphere, for the background
_STEPS_PER_DIAMETER, _STEP_MM = 24, (0.5, 2.0)
_CLOSING_SHARE, _WIDEST_CLOSING_MM = 1.5, 20.0  # of the sphere: a ball as small as the dent would bulge into it


@dataclass(frozen=True)
class SegmentedNodules:
    """Nodule masks and measurements.

    Parameters
    ----------
    labels
        (K, J, I) uint8 on the CT's own grid; the label is the nodule's rank.
    nodules
        The nodules in their order, with what was measured filled in.
    warnings
        Sentences for the user.
    """

    labels: np.ndarray
    nodules: tuple[Nodule, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Segmented:
    block: Block
    patch: Patch
    outline: Outline
    volume_mm3: float


def segment_nodules(
    volume: CTVolume, lungs: CTLungs, nodules: Sequence[Nodule], progress: Progress = silent
) -> SegmentedNodules:
    """Outline and measure nodules.

    A nodule that cannot be told from what surrounds it gets no mask: its measurements stay None, its diameter is the
    box's, and a warning names it. Where masks overlap, the better rank keeps the voxel.

    Parameters
    ----------
    volume
        The scan in any orientation.
    lungs
        On the volume's own grid.
    nodules
        Proposals; one without `box_diameter_mm` is a point that the user set.
    """
    lungs_by_side = lungs_of(volume, lungs)
    nearest = [nearest_lung(np.array(nodule.center_lps_mm), lungs_by_side) for nodule in nodules]
    with closing(in_threads(lambda pair: _segment(volume, *pair), zip(nodules, nearest, strict=True))) as outlining:
        segmented: list[_Segmented | None] = []
        for outlined in outlining:
            progress("outlining nodules", len(segmented) / len(nodules))
            segmented.append(outlined)
    labels, drawn = _drawn(volume, nodules, segmented)
    measured = tuple(in_threads(lambda found: _measured(*found), zip(nodules, nearest, drawn, strict=True)))
    progress("outlining nodules", 1.0)
    without_mask = sorted(nodule.rank for nodule, mask in zip(nodules, drawn, strict=True) if mask is None)
    warnings = (_no_mask_warning(without_mask),) if without_mask else ()
    return SegmentedNodules(labels, measured, warnings)


def _segment(volume: CTVolume, nodule: Nodule, lung: Lung | None) -> _Segmented | None:
    """The nodule in the smallest sphere that holds it; None where none does or nothing there is like a nodule."""
    if lung is None:
        return None
    box_mm = nodule.box_diameter_mm or _DEFAULT_DIAMETER_MM
    sphere_mm = _SPHERE_SHARE * box_mm / 2 + _SPHERE_EXTRA_MM
    largest_mm = max(sphere_mm * _GROWN_DETECTED, 0 if nodule.box_diameter_mm else _GROWN_USER_MM)
    while sphere_mm <= largest_mm:
        block, patch = _cut_patch(volume, nodule, lung, sphere_mm)
        outline = outline_nodule(patch, box_mm / 2, sphere_mm)
        if outline is None or _is_too_small(outline.mask, block.step_mm, nodule.box_diameter_mm):
            return None
        if not _touches_border(outline.mask, outline.from_center_mm, sphere_mm, block.step_mm):
            if _is_filament(outline.mask):
                return None
            size_mm3 = volume_mm3(patch, outline)
            return _Segmented(block, patch, fitted(patch, outline, size_mm3), size_mm3)
        sphere_mm *= _GROWTH
    return None


def _touches_border(mask: np.ndarray, from_center_mm: np.ndarray, sphere_mm: float, step_mm: float) -> bool:
    """Whether a non-empty mask lies against the border of the sphere it was looked for in with much of its surface."""
    surface = mask & ~ndimage.binary_erosion(mask)
    at_border = surface & (from_center_mm > sphere_mm - 1.5 * step_mm)
    return bool(at_border.sum() > _WIDEST_TOUCH * surface.sum())


def _is_filament(mask: np.ndarray) -> bool:
    """Whether a non-empty mask is long and thin."""
    points = np.argwhere(mask)
    if len(points) < 2:
        return False
    spread = np.sqrt(np.clip(np.linalg.eigvalsh(np.cov(points.T) + np.eye(3) / 12), 0, None))
    return bool(spread[2] > _LONGEST_TO_MIDDLE * spread[1])


def _is_too_small(mask: np.ndarray, step_mm: float, box_diameter_mm: float | None) -> bool:
    """Whether the equivalent sphere of a mask is below what can be measured, or has little to do with its box."""
    smallest_mm = max(_SMALLEST_DIAMETER_MM, _SMALLEST_OF_BOX * (box_diameter_mm or 0.0))
    return bool(mask.sum() * step_mm**3 < np.pi / 6 * smallest_mm**3)


def _cut_patch(volume: CTVolume, nodule: Nodule, lung: Lung, sphere_mm: float) -> tuple[Block, Patch]:
    half_mm = sphere_mm + _AROUND_MM
    step_mm = float(np.clip(2 * sphere_mm / (1.5 * _STEPS_PER_DIAMETER), *_STEP_MM))
    block = Block.around(np.array(nodule.center_lps_mm), half_mm, step_mm)
    closing_mm = min(_CLOSING_SHARE * sphere_mm, _WIDEST_CLOSING_MM)
    region = lung.region(block, closing_mm)
    blur_kji = np.maximum(volume.canonical_spacing_mm(), 1.0)
    return block, Patch(block.hounsfield(volume, LUNG_HU), region, block.distance_mm(), step_mm, blur_kji)


def _drawn(
    volume: CTVolume, nodules: Sequence[Nodule], segmented: Sequence[_Segmented | None]
) -> tuple[np.ndarray, list[_Segmented | None]]:
    """The label map, the better rank first, and what was outlined less the masks of which nothing is left in it."""
    labels = np.zeros(volume.shape_kji, dtype=np.uint8)
    drawn = list(segmented)
    for n in sorted(range(len(nodules)), key=lambda n: nodules[n].rank):
        outlined = segmented[n]
        if outlined is None:
            continue
        box, mask = mask_onto(outlined.outline.mask, outlined.block, volume)
        free = mask & (labels[box] == 0)
        labels[box][free] = nodules[n].rank
        if not free.any():
            drawn[n] = None
    return labels, drawn


def _measured(nodule: Nodule, lung: Lung | None, segmented: _Segmented | None) -> Nodule:
    """The nodule with its place in the lung and what its mask tells; without one its diameter is the box's.

    Distances to the pleura are from the nodule's surface, without a mask from its centre.
    """
    nodule = replace(nodule, diameter_mm=nodule.box_diameter_mm)
    if lung is None:
        return nodule
    center = points = np.array([nodule.center_lps_mm], dtype=float)
    if segmented is not None:
        points = index_to_world(segmented.block.kji_to_lps, np.argwhere(segmented.outline.mask))
    radius_mm = min(nodule.box_diameter_mm or _DEFAULT_DIAMETER_MM, _WIDEST_CLOSING_MM)
    placed = replace(
        nodule,
        side=lung.side,
        third=lung.third_of(center[0]),
        distance_to_pleura_mm=float(lung.depth_mm(points, center[0], radius_mm).min()),
    )
    if segmented is None:
        return placed
    patch, outline = segmented.patch, segmented.outline
    threshold_hu = (outline.core_hu + outline.background_hu) / 2
    return replace(
        placed,
        volume_mm3=segmented.volume_mm3,
        diameter_mm=equivalent_diameter_mm(segmented.volume_mm3),
        longest_axial_diameter_mm=longest_axial_diameter_mm(outline.mask, patch.step_mm),
        mean_hu=float(patch.hu[outline.mask].mean()),
        type=nodule_type(patch.hu, outline.mask, threshold_hu, patch.step_mm),
    )


def _no_mask_warning(ranks: Sequence[int]) -> str:
    """The sentence that names the nodules without a mask."""
    which, verb = ("Nodule", "has") if len(ranks) == 1 else ("Nodules", "have")
    listed = ", ".join(map(str, ranks))
    lacking = f"{which} {listed} could not be outlined and {verb} no mask and no measurements"
    return f"{lacking}; the diameter given is the box's."
