"""From proposals to masks and measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..case import Nodule
from ..progress import Progress, silent
from ..volume import CTVolume, index_to_world
from .delineate import Outline, Patch, outline_nodule
from .lung_region import SIDES, LungMap
from .measure import equivalent_diameter_mm, fitted, longest_axial_diameter_mm, volume_mm3
from .nodule_type import nodule_type
from .patch import Cube, mask_onto
from .plausible import is_filament, is_too_small, touches_border
from .threshold import LUNG_HU

_DEFAULT_DIAMETER_MM = 10.0  # for a point that the user set
_SPHERE_SHARE, _SPHERE_EXTRA_MM = 1.3, 2.0  # the sphere is wider than the box, which may be off
_GROWTH = 1.3  # of the sphere while the mask lies against it
_GROWN_DETECTED, _GROWN_USER_MM = 1.7, 25.0  # how far: share of the first sphere; radius (nodules end at 30 mm)
_AROUND_MM = 6.0  # lung around the sphere, for the background
_STEPS_PER_DIAMETER, _STEP_MM = 24, (0.5, 1.0)
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
    cube: Cube
    patch: Patch
    outline: Outline
    volume_mm3: float


def segment_nodules(
    volume: CTVolume, lungs: np.ndarray, nodules: Sequence[Nodule], progress: Progress = silent
) -> SegmentedNodules:
    """Outline and measure nodules.

    A nodule that cannot be told from what surrounds it gets no mask: its measurements stay None, its diameter is the
    box's, and a warning names it. Where masks overlap, the better rank keeps the voxel.

    Parameters
    ----------
    volume
        The scan in any orientation.
    lungs
        (K, J, I) uint8 on the volume's own grid: 1 left lung, 2 right lung.
    nodules
        Proposals; one without `box_diameter_mm` is a point that the user set.
    """
    lung_map = LungMap.of(volume, lungs)
    labels = np.zeros(volume.shape_kji, dtype=np.uint8)
    measured: dict[int, Nodule] = {}
    without_mask = []
    for number, nodule in enumerate(sorted(nodules, key=lambda n: n.rank)):
        progress("outlining nodules", number / len(nodules))
        center = np.array(nodule.center_lps_mm, dtype=float)
        side = lung_map.side_of(center)
        segmented = None if side is None else _segment(volume, lung_map, nodule, side)
        if segmented is not None and not _draw(labels, nodule.rank, segmented, volume):
            segmented = None
        if segmented is None:
            without_mask.append(nodule.rank)
        measured[nodule.rank] = _measured(_placed(nodule, lung_map, side, segmented), segmented)
    progress("outlining nodules", 1.0)
    warnings = (_no_mask_warning(without_mask),) if without_mask else ()
    return SegmentedNodules(labels, tuple(measured[n.rank] for n in nodules), warnings)


def _segment(volume: CTVolume, lung_map: LungMap, nodule: Nodule, side: int) -> _Segmented | None:
    """The nodule in the smallest sphere that holds it; None where none does or nothing there is like a nodule."""
    box_mm = nodule.box_diameter_mm or _DEFAULT_DIAMETER_MM
    sphere_mm = _SPHERE_SHARE * box_mm / 2 + _SPHERE_EXTRA_MM
    largest_mm = max(sphere_mm * _GROWN_DETECTED, 0 if nodule.box_diameter_mm else _GROWN_USER_MM)
    while sphere_mm <= largest_mm:
        cube, patch = _cut_patch(volume, lung_map, nodule, side, sphere_mm)
        outline = outline_nodule(patch, box_mm / 2, sphere_mm)
        if outline is None or is_too_small(outline.mask, cube.step_mm, nodule.box_diameter_mm):
            return None
        if not touches_border(outline.mask, outline.from_center_mm, sphere_mm, cube.step_mm):
            if is_filament(outline.mask):
                return None
            size_mm3 = volume_mm3(patch, outline)
            return _Segmented(cube, patch, fitted(patch, outline, size_mm3), size_mm3)
        sphere_mm *= _GROWTH
    return None


def _cut_patch(volume: CTVolume, lung_map: LungMap, nodule: Nodule, side: int, sphere_mm: float) -> tuple[Cube, Patch]:
    half_mm = sphere_mm + _AROUND_MM
    step_mm = float(np.clip(2 * sphere_mm / (1.5 * _STEPS_PER_DIAMETER), *_STEP_MM))
    cube = Cube.around(np.array(nodule.center_lps_mm), half_mm, step_mm)
    closing_mm = min(_CLOSING_SHARE * sphere_mm, _WIDEST_CLOSING_MM)
    lung = lung_map.region(cube, side, half_mm, closing_mm)
    blur_kji = np.maximum(volume.canonical_spacing_mm(), 1.0)
    return cube, Patch(cube.hounsfield(volume, LUNG_HU), lung, cube.distance_mm(), step_mm, blur_kji)


def _draw(labels: np.ndarray, rank: int, segmented: _Segmented, volume: CTVolume) -> bool:
    """Put a mask into the label map where no better rank lies; False where nothing of it is left."""
    box, mask = mask_onto(segmented.outline.mask, segmented.cube, volume)
    free = mask & (labels[box] == 0)
    labels[box][free] = rank
    return bool(free.any())


def _placed(nodule: Nodule, lung_map: LungMap, side: int | None, segmented: _Segmented | None) -> Nodule:
    """The nodule with its side, third and distance to the pleura (from its surface, without a mask from its centre)."""
    if side is None:
        return nodule
    center = np.array(nodule.center_lps_mm, dtype=float)
    points = center[None]
    if segmented is not None:
        points = index_to_world(segmented.cube.kji_to_lps, np.argwhere(segmented.outline.mask))
    radius_mm = min(nodule.box_diameter_mm or _DEFAULT_DIAMETER_MM, _WIDEST_CLOSING_MM)
    depth_mm = lung_map.depth_mm(points, center, side, radius_mm).min()
    return replace(
        nodule,
        side=SIDES[side],
        third=lung_map.third_of(center, side),
        distance_to_pleura_mm=float(max(depth_mm, 0.0)),
    )


def _measured(nodule: Nodule, segmented: _Segmented | None) -> Nodule:
    """The nodule with what its mask tells; without one its diameter is the box's."""
    if segmented is None:
        return replace(nodule, diameter_mm=nodule.box_diameter_mm)
    patch, outline = segmented.patch, segmented.outline
    threshold_hu = (outline.core_hu + outline.background_hu) / 2
    return replace(
        nodule,
        volume_mm3=segmented.volume_mm3,
        diameter_mm=equivalent_diameter_mm(segmented.volume_mm3),
        longest_axial_diameter_mm=longest_axial_diameter_mm(outline.mask, patch.step_mm),
        mean_hu=float(patch.hu[outline.mask].mean()),
        type=nodule_type(patch.hu, outline.mask, threshold_hu, patch.step_mm),
    )


def _no_mask_warning(ranks: Sequence[int]) -> str:
    """The sentence that names the nodules without a mask."""
    listed = ", ".join(str(rank) for rank in ranks)
    which = f"Nodule {listed}" if len(ranks) == 1 else f"Nodules {listed}"
    verb = "has" if len(ranks) == 1 else "have"
    return f"{which} could not be outlined and {verb} no mask and no measurements; the diameter given is the box's."
