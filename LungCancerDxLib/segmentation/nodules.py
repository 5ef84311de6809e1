"""From proposals to masks and measurements on the CT's own grid (ours; the paper outlines nothing)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError, distance

from ..case import Nodule
from ..preprocessing import CTLungs
from ..runtime.progress import Progress, in_threads, silent
from ..volume import CTVolume, index_to_world
from .lung_region import Block, Lung, Patch, lungs_of, mask_onto, nearest_lung, region_of
from .outline import LUNG_HU, Outline, outline_nodule

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
    box's, and a warning counts those. Where masks overlap, the better rank keeps the voxel.

    Parameters
    ----------
    volume
        The scan in any orientation.
    lungs
        On the volume's own grid.
    nodules
        Proposals; one without `box_diameter_mm` is a point that the user set.
    """
    by_side = lungs_of(volume, lungs)
    nearest = [nearest_lung(np.array(nodule.center_lps_mm), by_side) for nodule in nodules]
    to_outline = zip(nodules, nearest, strict=True)
    with closing(in_threads(lambda pair: _segment(volume, *pair, by_side), to_outline)) as outlining:
        segmented: list[_Segmented | None] = []
        for outlined in outlining:
            progress("outlining nodules", len(segmented) / len(nodules))
            segmented.append(outlined)
    labels, drawn = _drawn(volume, nodules, segmented)
    measured = tuple(in_threads(lambda found: _measured(*found), zip(nodules, nearest, drawn, strict=True)))
    progress("outlining nodules", 1.0)
    without_mask = sum(mask is None for mask in drawn)
    if not without_mask:
        return SegmentedNodules(labels, measured, ())
    which = "1 nodule" if without_mask == 1 else f"{without_mask} nodules"
    warning = f"{which} could not be outlined; the diameter given is the box's."
    return SegmentedNodules(labels, measured, (warning,))


def _segment(volume: CTVolume, nodule: Nodule, lung: Lung | None, lungs: list[Lung]) -> _Segmented | None:
    """The nodule in the smallest sphere that holds it; None where none does or nothing there is like a nodule."""
    if lung is None:
        return None
    box_mm = nodule.box_diameter_mm or _DEFAULT_DIAMETER_MM
    sphere_mm = _SPHERE_SHARE * box_mm / 2 + _SPHERE_EXTRA_MM
    largest_mm = max(sphere_mm * _GROWN_DETECTED, 0 if nodule.box_diameter_mm else _GROWN_USER_MM)
    smallest_mm3 = np.pi / 6 * max(_SMALLEST_DIAMETER_MM, _SMALLEST_OF_BOX * (nodule.box_diameter_mm or 0.0)) ** 3
    while sphere_mm <= largest_mm:
        block, patch = _cut_patch(volume, nodule, lung, lungs, sphere_mm)
        outline = outline_nodule(patch, box_mm / 2, sphere_mm)
        if outline is None or outline.mask.sum() * block.step_mm**3 < smallest_mm3:
            return None
        surface = outline.mask & ~ndimage.binary_erosion(outline.mask)
        at_border = surface & (outline.from_center_mm > sphere_mm - 1.5 * block.step_mm)
        if at_border.sum() <= _WIDEST_TOUCH * surface.sum():
            if _is_filament(outline.mask):
                return None
            size_mm3 = volume_mm3(patch, outline)
            return _Segmented(block, patch, fitted(patch, outline, size_mm3), size_mm3)
        sphere_mm *= _GROWTH
    return None


def _is_filament(mask: np.ndarray) -> bool:
    """Whether a non-empty mask is long and thin."""
    points = np.argwhere(mask)
    if len(points) < 2:
        return False
    spread = np.sqrt(np.clip(np.linalg.eigvalsh(np.cov(points.T) + np.eye(3) / 12), 0, None))
    return bool(spread[2] > _LONGEST_TO_MIDDLE * spread[1])


def _cut_patch(
    volume: CTVolume, nodule: Nodule, lung: Lung, lungs: list[Lung], sphere_mm: float
) -> tuple[Block, Patch]:
    half_mm = sphere_mm + _AROUND_MM
    step_mm = float(np.clip(2 * sphere_mm / (1.5 * _STEPS_PER_DIAMETER), *_STEP_MM))
    block = Block.around(np.array(nodule.center_lps_mm), half_mm, step_mm)
    closing_mm = min(_CLOSING_SHARE * sphere_mm, _WIDEST_CLOSING_MM)
    region = region_of(lung, lungs, block, closing_mm)
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


_RIM_MM = 1.25  # to both sides of the outline: the width of the blur
_NOISE = 0.3  # how far a share may lie outside 0 to 1 because of noise
_SOLID_ABOVE_HU = -300.0  # denser tissue hides the vessels behind it
_CALCIFIED_ABOVE_HU = 200.0  # the usual bound; contrast medium stays below it in nodules
_EDGE_MM = 1.0  # the blurred rim says nothing about density
_CORE_DEPTH = 0.6
_GROUND_GLASS_UP_TO, _SOLID_FROM = 0.08, 0.75  # share of solid tissue: single vessels, and a frayed solid nodule


def volume_mm3(patch: Patch, outline: Outline) -> float:
    """Volume by partial volume analysis (Kuhnigk et al. 2006).

    Deep voxels count whole; those in the rim to both sides of the outline by where their HU lies between lung and
    core. The blur moves tissue across the outline but does not change this sum, so that small nodules in thick
    slices are not underestimated. Outside the lung and in what was cut off nothing counts.
    """
    share = (patch.hu - outline.background_hu) / (outline.core_hu - outline.background_hu)
    share, rim = np.clip(share, -_NOISE, 1 + _NOISE), _rim(patch, outline)
    return float(((outline.mask & ~rim).sum() + share[rim].sum()) * patch.step_mm**3)


def fitted(patch: Patch, outline: Outline, volume_mm3: float) -> Outline:
    """The outline moved within its rim until the mask has the measured volume.

    The half-way surface of a small ball lies inside the ball once it is blurred; the surface that encloses the
    volume does not. Voxels join or leave by their HU, smoothed over a voxel.
    """
    rim = _rim(patch, outline)
    wanted = round(volume_mm3 / patch.step_mm**3) - int((outline.mask & ~rim).sum())
    if not 0 < wanted < rim.sum():
        return outline
    hu = patch.smooth_hu(patch.step_mm)
    mask = outline.mask & ~rim
    order = np.argsort(-hu[rim], kind="stable")[:wanted]
    chosen = np.zeros(int(rim.sum()), dtype=bool)
    chosen[order] = True
    mask[rim] = chosen
    mask = ndimage.binary_fill_holes(mask)
    labels, count = ndimage.label(mask)
    if count > 1:
        mask = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    return replace(outline, mask=mask)


def _rim(patch: Patch, outline: Outline) -> np.ndarray:
    """The voxels (bool) of the lung near the outline, on both sides of it and clear of what was cut off."""
    mask = outline.mask
    outer = ~mask & patch.lung & (patch.away_mm(mask, _RIM_MM) <= _RIM_MM)
    if outline.leak.any():
        outer &= patch.away_mm(outline.leak, _RIM_MM) > _RIM_MM
    inner = mask & (patch.away_mm(patch.lung & ~mask, _RIM_MM, mask) <= _RIM_MM)
    return np.asarray(outer | inner)


def equivalent_diameter_mm(volume_mm3: float) -> float:
    """Diameter of the sphere of this volume."""
    return float(np.cbrt(6 * volume_mm3 / np.pi))


def longest_axial_diameter_mm(mask: np.ndarray, step_mm: float) -> float:
    """The longest straight line between two edge points of a mask (Z, Y, X) within one axial plane.

    From voxel centre to voxel centre: what the voxels reach beyond them is what noise adds to the longest of many
    lines (within 1 mm on balls of 6 to 30 mm).
    """
    longest = 0.0
    for plane in mask:
        points = np.argwhere(plane & ~ndimage.binary_erosion(plane)).astype(float)
        with suppress(QhullError, ValueError):  # fewer than three points, or all in a line
            points = points[ConvexHull(points).vertices]
        longest = max(longest, distance.pdist(points).max(initial=0.0))
    return float(longest * step_mm)


def nodule_type(hu: np.ndarray, mask: np.ndarray, threshold_hu: float, step_mm: float) -> str:
    """The type of a non-empty mask (Z, Y, X) by the HU inside its blurred rim; air in cavities does not count."""
    depth_mm = ndimage.distance_transform_edt(mask) * step_mm
    deepest_mm = depth_mm.max()
    if hu[mask & (depth_mm >= _CORE_DEPTH * deepest_mm)].mean() > _CALCIFIED_ABOVE_HU:
        return "calcified"
    inner = mask & (depth_mm > min(_EDGE_MM, 0.5 * deepest_mm))
    tissue = hu[inner & (hu >= threshold_hu)] if (inner & (hu >= threshold_hu)).any() else hu[inner]
    share = float((tissue > _SOLID_ABOVE_HU).mean())
    if share <= _GROUND_GLASS_UP_TO:
        return "ground-glass"
    return "solid" if share >= _SOLID_FROM else "part-solid"
