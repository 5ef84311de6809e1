"""From Hounsfield units to the mask of each lung, its hull and its dilation (III-B.1 and III-B.2), slowly.

See `preprocessing.py`, which is the whole of it, for the conventions.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage
from skimage.measure import label, regionprops
from skimage.morphology import convex_hull_image

from LungCancerDxLib.preset import Preset

FACES_3D = 1  # 6 neighbours
EDGES_3D = 2  # 18 neighbours
CORNERS_3D = 3  # 26 neighbours
CORNERS_2D = 2  # 8 neighbours in a slice

CROSS = ndimage.generate_binary_structure(3, 1)
BACKGROUND_PATCH = 10
ROUNDING_SLACK = 1e-9


# ---------------------------------------------------------------------- mask extraction (III-B.1)


def air_components_per_slice(hu: np.ndarray, spacing_mm_kji: np.ndarray, preset: Preset) -> np.ndarray:
    """Smooth and threshold every slice, then drop small and long-drawn 2D components (III-B.1)."""
    pixel_mm2 = spacing_mm_kji[1] * spacing_mm_kji[2]
    air = np.zeros(hu.shape, dtype=bool)
    for k in range(hu.shape[0]):
        image = hu[k].astype(np.float32)
        if preset.circle_is_background and has_blank_corner(hu[k]):
            image[outside_inscribed_circle(hu.shape[1])] = np.nan
        smooth = ndimage.gaussian_filter(image, preset.gaussian_sigma_px, truncate=preset.gaussian_truncate)
        labels = label(smooth < preset.air_below_hu, connectivity=CORNERS_2D)
        for component in regionprops(labels):
            area_mm2 = component.area * pixel_mm2
            if area_mm2 > preset.min_area_mm2 and component.eccentricity < preset.max_eccentricity:
                air[k][labels == component.label] = True
    return air


def has_blank_corner(image: np.ndarray) -> bool:
    """Whether a square slice holds one single value in its top-left patch, as outside a round field of view."""
    is_square = image.shape[0] == image.shape[1]
    return is_square and len(np.unique(image[:BACKGROUND_PATCH, :BACKGROUND_PATCH])) == 1


def outside_inscribed_circle(size: int) -> np.ndarray:
    """The pixels of a square slice whose centre lies outside its inscribed circle."""
    from_centre = np.arange(size) - (size - 1) / 2
    return np.hypot(from_centre[:, None], from_centre[None, :]) > size / 2


def lung_components(air: np.ndarray, spacing_mm_kji: np.ndarray, preset: Preset) -> np.ndarray:
    """The 3D components that are lung, without ever more top slices until there is one; all False if there is none.

    The lungs may be open to the outer air on the top slices, which are then blanked for the search and given back.
    """
    for cut in range(0, air.shape[0], preset.top_slices_per_cut):
        below = air.copy()
        below[air.shape[0] - cut :] = False
        found = central_components(below, cut, spacing_mm_kji, preset)
        if found.any():
            return found if cut == 0 else with_top_slices(found, air, cut)
    return np.zeros_like(air)


def central_components(air: np.ndarray, cut: int, spacing_mm_kji: np.ndarray, preset: Preset) -> np.ndarray:
    """The components (6-connected) away from the border, of a lung's volume and near the image centre."""
    labels = label(air, connectivity=FACES_3D)
    at_border = border_labels(labels, cut)
    voxel_l = float(np.prod(spacing_mm_kji)) / 1e6
    smallest_l, largest_l = preset.volume_range_l
    found = np.zeros_like(air)
    for component in regionprops(labels):
        if component.label in at_border:
            continue
        if not smallest_l <= component.area * voxel_l <= largest_l:
            continue
        mask = labels == component.label
        if mean_central_distance_mm(mask, spacing_mm_kji, preset) < preset.max_central_distance_mm:
            found |= mask
    return found


def border_labels(labels: np.ndarray, cut: int) -> set[int]:
    """The labels at the four corners and the two mid-column edge pixels of the first and the last slice not cut."""
    middle = labels.shape[2] // 2
    touched = set()
    for k in (0, labels.shape[0] - 1 - cut):
        for j in (0, -1):
            for i in (0, middle, -1):
                touched.add(int(labels[k, j, i]))
    return touched


def mean_central_distance_mm(mask: np.ndarray, spacing_mm_kji: np.ndarray, preset: Preset) -> float:
    """Mean over the big slices of the least in-plane distance to the image centre; infinite without a big slice."""
    pixel_mm2 = spacing_mm_kji[1] * spacing_mm_kji[2]
    j_mm = (np.arange(mask.shape[1]) - (mask.shape[1] - 1) / 2) * spacing_mm_kji[1]
    i_mm = (np.arange(mask.shape[2]) - (mask.shape[2] - 1) / 2) * spacing_mm_kji[2]
    distance_mm = np.hypot(j_mm[:, None], i_mm[None, :])
    nearest_mm = []
    for k in range(mask.shape[0]):
        if mask[k].sum() * pixel_mm2 > preset.big_slice_area_mm2:
            nearest_mm.append(distance_mm[mask[k]].min())
    return float(np.mean(nearest_mm)) if nearest_mm else math.inf


def with_top_slices(found: np.ndarray, air: np.ndarray, cut: int) -> np.ndarray:
    """Give back the air of the `cut` last slices that is within `cut` steps of the found mask and connected to it."""
    extended = found.copy()
    extended[-cut:] = air[-cut:]
    extended &= ndimage.binary_dilation(found, CROSS, iterations=cut)
    labels = label(extended, connectivity=FACES_3D)
    continuous = [int(value) for value in np.unique(labels[found]) if value != 0]
    return np.isin(labels, continuous)


def fill_holes(mask: np.ndarray) -> np.ndarray:
    """Fill whatever is not connected (26 neighbours) to one of the eight volume corners."""
    labels = label(~mask, connectivity=CORNERS_3D)
    outside = np.zeros_like(mask)
    for k in (0, -1):
        for j in (0, -1):
            for i in (0, -1):
                if labels[k, j, i] != 0:
                    outside |= labels == labels[k, j, i]
    return ~outside


# ---------------------------------------------------------------------- two lungs, hull, dilation (III-B.2)


def split_lungs(mask: np.ndarray, spacing_mm_kji: np.ndarray, preset: Preset) -> tuple[np.ndarray, np.ndarray]:
    """Erode until two bodies of like size appear, then give every voxel to the nearer one; ties to neither.

    The first mask grows from the larger core. A mask that never splits comes back whole, with an empty second one.
    """
    cores = lung_cores(mask, preset)
    if cores is None:
        return mask.copy(), np.zeros_like(mask)
    to_a = ndimage.distance_transform_edt(~cores[0], sampling=spacing_mm_kji)
    to_b = ndimage.distance_transform_edt(~cores[1], sampling=spacing_mm_kji)
    return mask & (to_a < to_b), mask & (to_b < to_a)


def lung_cores(mask: np.ndarray, preset: Preset) -> tuple[np.ndarray, np.ndarray] | None:
    """The two largest components (18-connected) after the fewest erosions that bring their volume ratio in range."""
    eroded = mask
    for erosions in range(preset.max_split_erosions):
        if erosions > 0:
            eroded = ndimage.binary_erosion(eroded, CROSS, border_value=0)
        labels = label(eroded, connectivity=EDGES_3D)
        components = sorted(regionprops(labels), key=lambda component: component.area, reverse=True)
        if len(components) >= 2 and components[0].area / components[1].area < preset.max_split_ratio:
            return labels == components[0].label, labels == components[1].label
    return None


def clean_lung(lung: np.ndarray, preset: Preset) -> np.ndarray:
    """Per slice the components that make up most of it, then the largest 3D component, then its slices' holes filled.

    Small pieces that lie inside the convex hull of a kept component stay.
    """
    kept = np.zeros_like(lung)
    for k in range(lung.shape[0]):
        kept[k] = lung[k] & main_hulls(lung[k], preset)
    return fill_slice_holes(largest_component(kept))


def main_hulls(image: np.ndarray, preset: Preset) -> np.ndarray:
    """The union of the convex hulls of the fewest largest components that cover `slice_cover` of a slice's mask."""
    hulls = np.zeros_like(image)
    components = sorted(regionprops(label(image, connectivity=CORNERS_2D)), key=lambda c: c.area, reverse=True)
    wanted = preset.slice_cover * image.sum()
    covered = 0.0
    for component in components:
        if covered >= wanted:
            break
        hulls[component.slice] |= component.image_convex
        covered += component.area
    return hulls


def largest_component(mask: np.ndarray) -> np.ndarray:
    """The largest 3D component (26-connected); nothing of nothing."""
    labels = label(mask, connectivity=CORNERS_3D)
    components = regionprops(labels)
    if not components:
        return np.zeros_like(mask)
    return labels == max(components, key=lambda component: component.area).label


def fill_slice_holes(mask: np.ndarray) -> np.ndarray:
    """Fill the holes of every component of every slice."""
    filled = mask.copy()
    for k in range(mask.shape[0]):
        for component in regionprops(label(mask[k], connectivity=CORNERS_2D)):
            filled[k][component.slice] |= component.image_filled
    return filled


def hull_lung(lung: np.ndarray, preset: Preset) -> np.ndarray:
    """Every slice replaced by its convex hull, unless that is too much larger (crescents at the lung base)."""
    hull = lung.copy()
    for k in range(lung.shape[0]):
        if lung[k].any():
            convex = convex_hull_image(lung[k])
            if convex.sum() <= preset.max_hull_ratio * lung[k].sum():
                hull[k] = convex
    return hull


def dilate_lungs(mask: np.ndarray, spacing_mm_kji: np.ndarray, preset: Preset) -> np.ndarray:
    """Grow the hulls: as many cross steps as voxels on the CT grid, or by a ball of as many working-grid voxels."""
    if preset.dilation == "cross of the CT grid":
        return ndimage.binary_dilation(mask, CROSS, iterations=preset.dilation_voxels)
    radius_mm = preset.dilation_voxels * preset.working_spacing_mm + ROUNDING_SLACK
    reach = [min(int(radius_mm / mm), n - 1) for mm, n in zip(spacing_mm_kji, mask.shape, strict=True)]
    grown = np.zeros_like(mask)
    for dk in range(-reach[0], reach[0] + 1):
        for dj in range(-reach[1], reach[1] + 1):
            for di in range(-reach[2], reach[2] + 1):
                if np.linalg.norm(spacing_mm_kji * (dk, dj, di)) <= radius_mm:
                    target, source = overlap((dk, dj, di), mask.shape)
                    grown[target] |= mask[source]
    return grown


def overlap(offset: tuple[int, int, int], shape: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where a volume shifted by `offset` lands in itself, and which part of it lands there."""
    target = tuple(slice(max(d, 0), n + min(d, 0)) for d, n in zip(offset, shape, strict=True))
    source = tuple(slice(max(-d, 0), n + min(-d, 0)) for d, n in zip(offset, shape, strict=True))
    return target, source
