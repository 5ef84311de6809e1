"""One nodule's mask on its patch: threshold and leaks by turns until they agree, then a ground-glass halo if any."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from ..preprocessing.lung_mask import bounding_box
from .lung_region import Patch

LUNG_HU = -850.0  # air-filled lung, where too little of it is in sight to measure
_LUNG_BELOW_HU = -600.0  # what is denser is no plain lung
_FEWEST_VOXELS = 50  # a median over fewer says little
_CORE_DEPTH = 0.7  # of the greatest depth: deeper voxels see nothing of the edge
_FAINT_BELOW_HU = -450.0  # a core that is fainter is ground glass
_FAINT_CORE_DEPTH, _FAINT_AND_LARGE_MM = 0.35, 4.0  # in nodules whose inscribed radius is larger
_DENSEST_HU = 400.0  # calcium beyond this must not lift the threshold above soft tissue
_OPENING_SHARE = 0.65  # of the nodule's inscribed radius: a vessel of up to two thirds of its width is cut
_WIDEST_VESSEL_RADIUS_MM = 3.5  # beyond the hilum; a stronger opening would take a large nodule's lobes
_REGROWN_MM = 1.0  # corners, spicules and roughness that the opening took come back this far
_ROUNDS = 6  # core and background settle in two to four
_SETTLED_HU = 2.0
_LEAST_CONTRAST_HU = 120.0  # below, noise and texture of the lung would be outlined
_BLOB_SHARE = 0.25  # of the box's diameter: sigma of the filter that finds the nodule's place
_CORE_SHARE = 0.1  # of the box's diameter: sigma of the first estimate of the nodule's density
_OFF_CENTER_MM = 4.0  # a proposal may be off by this much, or by half its radius
_CLEAR_MM = 2.5  # from the mask to what counts as background
_HALO_MM = 1.75, 3.25  # beyond the blur of the edge, and still near
_HALO_ABOVE_LUNG_HU = 110.0
_HALO_SHARE = 0.6  # of what surrounds the solid part
_SMOOTHING_SHARE, _SMOOTHING_MM = 0.06, (0.7, 1.5)  # of the box, in mm: noise and texture would fray a faint nodule


@dataclass(frozen=True)
class Outline:
    """A nodule on its patch: `mask` and `leak` (what was cut off), bool; HU of its core and of the lung around.

    `from_center_mm` is the distance from the middle of the sphere it was looked for in.
    """

    mask: np.ndarray
    leak: np.ndarray
    from_center_mm: np.ndarray
    core_hu: float
    background_hu: float


def outline_nodule(patch: Patch, box_radius_mm: float, sphere_mm: float) -> Outline | None:
    """The mask of the nodule near the patch's middle within a sphere; None where there is none."""
    around = patch.lung & (patch.distance_mm > 1.1 * box_radius_mm)
    background = _background_hu(patch.hu, around)
    excess = np.where(patch.lung, np.clip(patch.hu - background, 0, -LUNG_HU), 0.0)
    search_mm = max(_OFF_CENTER_MM, 0.5 * box_radius_mm)
    to_voxels = 2 * box_radius_mm / patch.step_mm
    # The nodule lies where the smoothed contrast is greatest, near the proposal rather than far from it.
    weight = np.clip(1 - 0.5 * (patch.distance_mm / search_mm) ** 2, 0, None) * (patch.distance_mm <= search_mm)
    blob = ndimage.gaussian_filter(excess, _BLOB_SHARE * to_voxels) * weight
    center = np.array(np.unravel_index(np.argmax(np.round(blob, 6)), blob.shape))
    offsets = np.indices(patch.hu.shape) - center[:, None, None, None]
    from_center_mm = np.sqrt((offsets**2).sum(axis=0)) * patch.step_mm
    near = from_center_mm <= max(0.5 * box_radius_mm, 1.5)
    core = background + ndimage.gaussian_filter(excess, _CORE_SHARE * to_voxels)[near].max()
    smoothing_mm = float(np.clip(_SMOOTHING_SHARE * 2 * box_radius_mm, *_SMOOTHING_MM))
    sphere = _Sphere(patch, center, from_center_mm, patch.lung & (from_center_mm <= sphere_mm), near, smoothing_mm)

    outline = None
    for _ in range(_ROUNDS):
        if core - background < _LEAST_CONTRAST_HU:
            return None
        outline = _at_threshold(sphere, core, background)
        if outline is None:
            return None
        clear = around & (patch.away_mm(outline.mask | outline.leak, _CLEAR_MM) > _CLEAR_MM)
        new_core, background = _core_hu(patch.hu, outline.mask, patch.step_mm), _background_hu(patch.hu, clear)
        settled = abs(new_core - core) < _SETTLED_HU
        core = new_core
        if settled:
            break
    if outline is not None and outline.core_hu > _FAINT_BELOW_HU:
        return _with_halo(outline, sphere)
    return outline


@dataclass(frozen=True)
class _Sphere:
    """Where on a patch a nodule is looked for: its centre (index), distances from it, what is allowed and what is near
    (bool), and the smoothing that suits a faint nodule of this size."""

    patch: Patch
    center: np.ndarray
    from_center_mm: np.ndarray
    allowed: np.ndarray
    near: np.ndarray
    smoothing_mm: float

    @cached_property
    def smooth_hu(self) -> np.ndarray:
        return self.patch.smooth_hu(self.smoothing_mm)


def _at_threshold(sphere: _Sphere, core: float, background: float) -> Outline | None:
    """The body near the centre above the half-way threshold, leaks cut off; None where nothing is near."""
    patch, faint = sphere.patch, core < _FAINT_BELOW_HU
    hu = sphere.smooth_hu if faint else patch.hu
    dense = sphere.allowed & (hu >= (core + background) / 2)
    component = _component_at(dense, sphere.center, _OFF_CENTER_MM / patch.step_mm)
    if faint and component.any():
        component = _closed(component, sphere.smoothing_mm / patch.step_mm) & sphere.allowed
    mask = _without_leaks(component, sphere.near, patch.step_mm) & sphere.allowed
    return Outline(mask, component & ~mask, sphere.from_center_mm, core, background) if mask.any() else None


def _with_halo(solid: Outline, sphere: _Sphere) -> Outline:
    """A solid outline widened to the ground glass around it where it is mostly surrounded by such."""
    patch, (low_mm, high_mm) = sphere.patch, _HALO_MM
    away_mm = patch.away_mm(solid.mask, high_mm)
    shell = sphere.allowed & (away_mm >= low_mm) & (away_mm <= high_mm)
    if solid.leak.any():
        shell &= patch.away_mm(solid.leak, low_mm) > low_mm
    glassy = shell & (sphere.smooth_hu > solid.background_hu + _HALO_ABOVE_LUNG_HU)
    if not shell.any() or glassy.sum() < _HALO_SHARE * shell.sum():
        return solid
    wide = _at_threshold(sphere, float(np.median(sphere.smooth_hu[glassy])), solid.background_hu)
    return solid if wide is None else wide


def _background_hu(hu: np.ndarray, around: np.ndarray) -> float:
    """Median HU of the plain lung in a neighbourhood (bool)."""
    lung = hu[around & (hu < _LUNG_BELOW_HU)]
    return float(np.median(lung)) if len(lung) >= _FEWEST_VOXELS else LUNG_HU


def _core_hu(hu: np.ndarray, mask: np.ndarray, step_mm: float) -> float:
    """Median HU of the deep voxels of a non-empty mask.

    Of a faint nodule that is not small all but the rim counts: its density varies, and its middle is often the
    densest part.
    """
    box = bounding_box(mask, 1)  # all that depths within the mask depend on
    hu, mask = hu[box], mask[box]
    depth = ndimage.distance_transform_edt(mask)
    core = _median_below(hu, mask, depth, _CORE_DEPTH)
    if core < _FAINT_BELOW_HU and depth.max() * step_mm > _FAINT_AND_LARGE_MM:
        core = _median_below(hu, mask, depth, _FAINT_CORE_DEPTH)
    return min(core, _DENSEST_HU)


def _median_below(hu: np.ndarray, mask: np.ndarray, depth: np.ndarray, share: float) -> float:
    return float(np.median(hu[mask & (depth >= share * depth[mask].max())]))


def _closed(mask: np.ndarray, radius: float) -> np.ndarray:
    """A mask closed with a ball of `radius` voxels: clefts and pores narrower than twice that are filled."""
    filled, box = mask.copy(), bounding_box(mask, int(radius) + 2)
    dilated = ndimage.distance_transform_edt(~mask[box]) <= radius
    filled[box] |= ndimage.distance_transform_edt(dilated) > radius
    return filled


def _component_at(mask: np.ndarray, center_kji: np.ndarray, farthest: float) -> np.ndarray:
    """The face-connected component of a mask nearest to a point; empty where none is within `farthest` voxels."""
    labels, _ = ndimage.label(mask)
    points = np.argwhere(mask)
    if len(points) == 0:
        return mask
    distance = np.linalg.norm(points - center_kji, axis=1)
    nearest = int(distance.argmin())
    if distance[nearest] > farthest:
        return np.zeros_like(mask)
    return np.asarray(labels == labels[tuple(points[nearest])])


def _without_leaks(mask: np.ndarray, core: np.ndarray, step_mm: float) -> np.ndarray:
    """The part of a mask (bool) that belongs to the body whose deepest point lies in `core` (bool).

    Empty where the mask has no voxel in `core`.
    """
    whole = np.zeros_like(mask)
    if not mask.any():
        return whole
    box = bounding_box(mask, 1)  # all that depths within the mask depend on
    filled = ndimage.binary_fill_holes(mask[box])
    depth_mm = ndimage.distance_transform_edt(filled) * step_mm
    in_core = np.where(core[box], depth_mm, 0.0)
    deepest = np.unravel_index(np.argmax(in_core), in_core.shape)
    if in_core[deepest] == 0:
        return whole
    opening_mm = min(_OPENING_SHARE * in_core[deepest], _WIDEST_VESSEL_RADIUS_MM)
    bodies, _ = ndimage.label(depth_mm > opening_mm)
    body = bodies == bodies[deepest]
    back_mm = ndimage.distance_transform_edt(~body) * step_mm
    kept = filled & (back_mm <= opening_mm + _REGROWN_MM)
    connected, _ = ndimage.label(kept)
    whole[box] = connected == connected[deepest]
    return whole
