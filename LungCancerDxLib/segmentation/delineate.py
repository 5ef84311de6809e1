"""One nodule's mask on its patch: threshold and leaks by turns until they agree, then a ground-glass halo if any."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from ..preprocessing.lung_mask import bounding_box
from .leaks import without_leaks
from .threshold import FAINT_BELOW_HU, LUNG_HU, background_hu, blob_center, closed, component_at, core_hu

_ROUNDS = 6  # core and background settle in two to four
_SETTLED_HU = 2.0
_LEAST_CONTRAST_HU = 120.0  # below, noise and texture of the lung would be outlined
_BLOB_SHARE = 0.25  # of the box's diameter: sigma of the filter that finds the nodule's place
_CORE_SHARE = 0.1  # of the box's diameter: sigma of the first look at the nodule's density
_OFF_CENTER_MM = 4.0  # a proposal may be off by this much, or by half its radius
_CLEAR_MM = 2.5  # from the mask to what counts as background
_HALO_MM = 1.75, 3.25  # beyond the blur of the edge, and still near
_HALO_ABOVE_LUNG_HU = 110.0
_HALO_SHARE = 0.6  # of what surrounds the solid part
_SMOOTHING_SHARE, _SMOOTHING_MM = 0.06, (0.7, 1.5)  # of the box, in mm: noise and texture would fray a faint nodule


@dataclass(frozen=True)
class Patch:
    """What is known around a proposal, all (Z, Y, X) on one block of `step_mm`.

    `hu`; `lung` (bool), the closed lung; `distance_mm` from the proposal; `blur_kji`, how much wider than 1 mm the
    scan's own voxels are along each axis (at least 1): distances along a thick axis count for less.
    """

    hu: np.ndarray
    lung: np.ndarray
    distance_mm: np.ndarray
    step_mm: float
    blur_kji: np.ndarray

    def away_mm(self, mask: np.ndarray, farthest_mm: float, places: np.ndarray | None = None) -> np.ndarray:
        """Distance to a mask in mm, shortened along axes of thick voxels; may be infinite beyond the farthest.

        It is worked out around the mask or, where they are given, around the places (bool) that it is wanted of.
        """
        sampling_mm = self.step_mm / self.blur_kji
        box = bounding_box(mask if places is None else places, np.ceil(farthest_mm / sampling_mm).astype(int))
        away_mm = np.full(mask.shape, np.inf)
        if mask[box].any():
            away_mm[box] = ndimage.distance_transform_edt(~mask[box], sampling=sampling_mm)
        return away_mm

    def smooth_hu(self, sigma_mm: float) -> np.ndarray:
        """HU smoothed within the lung alone, so that the chest wall does not spill into it; unchanged outside."""
        sigma = sigma_mm / self.step_mm
        weight = ndimage.gaussian_filter(self.lung.astype(float), sigma)
        within = ndimage.gaussian_filter(np.where(self.lung, self.hu, 0.0), sigma)
        return np.where(self.lung, within / np.maximum(weight, 1e-6), self.hu)


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
    background = background_hu(patch.hu, around)
    excess = np.where(patch.lung, np.clip(patch.hu - background, 0, -LUNG_HU), 0.0)
    search_mm = max(_OFF_CENTER_MM, 0.5 * box_radius_mm)
    to_voxels = 2 * box_radius_mm / patch.step_mm
    center = blob_center(excess, _BLOB_SHARE * to_voxels, patch.distance_mm, search_mm)
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
        new_core, background = core_hu(patch.hu, outline.mask, patch.step_mm), background_hu(patch.hu, clear)
        settled = abs(new_core - core) < _SETTLED_HU
        core = new_core
        if settled:
            break
    if outline is not None and outline.core_hu > FAINT_BELOW_HU:
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
    patch, faint = sphere.patch, core < FAINT_BELOW_HU
    hu = sphere.smooth_hu if faint else patch.hu
    dense = sphere.allowed & (hu >= (core + background) / 2)
    component = component_at(dense, sphere.center, _OFF_CENTER_MM / patch.step_mm)
    if faint and component.any():
        component = closed(component, sphere.smoothing_mm / patch.step_mm) & sphere.allowed
    mask = without_leaks(component, sphere.near, patch.step_mm) & sphere.allowed
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
