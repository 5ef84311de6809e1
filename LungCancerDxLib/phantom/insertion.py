"""Nodules put into scans that exist, where the lungs have room and as the same scanner would have shown them.

A nodule is rendered on a finer grid, averaged over each voxel (so over the slice thickness too), blurred as the scan is
and blended in by the share of a voxel that it fills. Within it the noise is new, of the scan's own level and grain.
Tissue that is denser stays: vessels run on through ground glass, ribs beside a nodule on the pleura are whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from ..preprocessing.lung_mask import bounding_box
from ..preprocessing.working_grid import from_grey
from ..preset import DEFAULT, Preset
from ..volume import CTVolume, index_to_world, world_to_index
from .canvas import coverage
from .fields import Point, as_point
from .nodules.nodule import CAVITY_BELOW_HU, Box, SyntheticNodule, body_field, grid_points, nodule_box, nodule_fields
from .scanner.image_quality import ImageQuality, scan_image_quality

PART_MM = 0.75  # a voxel is cut into parts no longer than this
WORKING_PART_MM = 1.0  # the same of the networks' image: nearly its voxels, for speed
MARGIN_SIGMAS = 3.0  # of the blur: nothing beyond this is touched
SEEN_SMOOTH_VOXELS = 0.7  # the scan is smoothed this much before it is asked what is denser
LOWEST_HU, HIGHEST_HU = -1024, np.iinfo(np.int16).max

STEP_MM = 2.0  # of the grid that the places of a scan are found on
CLOSING_MM = 7.0  # lungs are closed by this much: the pleura runs straight past the vessels of the hilum
AROUND_MM = 12.0
HILUM_VOXELS = 2  # tissue in the closed gaps that is thicker than twice this stays outside the lungs
VESSEL_ABOVE_HU, VESSEL_DEPTH_MM, VESSEL_RADIUS_MM = -600.0, 4.0, 5.0
SMOOTH_VOXELS = 0.6  # of that grid: 1.2 mm
MOST_VESSELS = 4000  # points; more are thinned out
AIRWAY_BELOW_HU, AIRWAY_MM3 = -880.0, (2_000.0, 80_000.0)
LUMEN_BELOW_HU, MOST_RUN_ON = -935.0, 1.6  # what runs on into the lungs; more than this share is no airway
TRACHEA_WIDTH_MM = 30.0  # airways in a slice reach further from right to left than this below the carina
NEAR_LESION = 1.6  # points nearer to a lesion than this many times their depth are no places


def insert_nodules(
    volume: CTVolume, nodules: Sequence[SyntheticNodule], lungs: np.ndarray, *, quality: ImageQuality | None = None
) -> tuple[CTVolume, np.ndarray]:
    """A copy of a scan with nodules in it, and their masks: (K, J, I) uint8, n + 1 in the body of nodule n, else 0.

    `lungs` are (K, J, I) labels on the scan's grid, from which its image quality is measured where it is not known.
    The same scan and nodules give the same result. Voxels further from a nodule than the scan's blur reaches keep
    their values.
    """
    quality = quality or scan_image_quality(volume, lungs)
    voxels, kji_to_lps = volume.voxels.copy(), volume.kji_to_lps
    masks = np.zeros(volume.shape_kji, dtype=np.uint8)
    for number, nodule in enumerate(nodules, start=1):
        box = nodule_box(nodule, kji_to_lps, volume.shape_kji, _margin_mm(kji_to_lps, quality))
        if voxels[box].size:
            filled = _filled(voxels[box].astype(np.float32), nodule, kji_to_lps, box, quality, PART_MM)
            voxels[box] = np.clip(np.rint(filled), LOWEST_HU, HIGHEST_HU).astype(np.int16)
            masks[box][body_field(nodule, *grid_points(kji_to_lps, box)) < 0] = number
    return CTVolume(voxels, kji_to_lps, volume.info, volume.warnings), masks


def insert_into_preprocessed(
    image: np.ndarray,
    kji_to_lps: np.ndarray,
    nodules: Sequence[SyntheticNodule],
    quality: ImageQuality,
    preset: Preset = DEFAULT,
) -> np.ndarray:
    """A copy of the networks' image (Z, Y, X) uint8, or of a part of it, with nodules: quick enough for training.

    `kji_to_lps` is the affine of `image`, so that of a part begins where the part does; `quality` is that of the whole
    image, measured once for a scan (`preprocessed_image_quality`). What was filled with tissue stays filled.
    """
    low, high = preset.window_hu
    result = image.copy()
    for nodule in nodules:
        box = nodule_box(nodule, kji_to_lps, image.shape, _margin_mm(kji_to_lps, quality))
        grey = result[box]
        if grey.size:
            filled = _filled(from_grey(grey, preset), nodule, kji_to_lps, box, quality, WORKING_PART_MM)
            new = np.clip(np.rint((filled - low) * (255 / (high - low))), 0, 255).astype(np.uint8)
            result[box] = np.where(grey == preset.tissue_value, grey, new)
    return result


def _margin_mm(kji_to_lps: np.ndarray, quality: ImageQuality) -> float:
    return MARGIN_SIGMAS * max(quality.blur_mm_kji) + float(np.linalg.norm(kji_to_lps[:3, :3], axis=0).max())


def _filled(
    seen: np.ndarray, nodule: SyntheticNodule, kji_to_lps: np.ndarray, box: Box, quality: ImageQuality, part_mm: float
) -> np.ndarray:
    """`seen`, float32 HU of the voxels in `box`, with the nodule."""
    spacing = np.linalg.norm(kji_to_lps[:3, :3], axis=0)
    steps = tuple(max(1, int(np.ceil(s / part_mm - 0.05))) for s in spacing)
    field, hu = nodule_fields(nodule, *grid_points(kji_to_lps, box, steps))
    share = coverage(field, float(np.max(spacing / steps)))
    blur = np.sqrt(np.maximum(np.square(quality.blur_mm_kji) - spacing**2 / 12, 0)) / spacing  # beyond the voxels' own

    def on_voxels(fine: np.ndarray) -> Any:
        if max(steps) > 1:
            k, j, i = seen.shape
            parts = fine.reshape(k, steps[0], j, steps[1], i, steps[2])
            fine = parts.mean(axis=(1, 3, 5), dtype=np.float32)
        return ndimage.gaussian_filter(fine, blur, mode="constant", truncate=MARGIN_SIGMAS)

    filled = on_voxels(share)
    substance = on_voxels(share * hu) / np.maximum(filled, 1e-6)
    replaced = (substance > ndimage.gaussian_filter(seen, SEEN_SMOOTH_VOXELS)) | (substance < CAVITY_BELOW_HU)
    white = np.random.default_rng([nodule.seed, 4]).standard_normal(seen.shape, dtype=np.float32)
    noise = ndimage.gaussian_filter(white, quality.grain_kji)
    noise *= np.float32(quality.noise_hu / noise.std())
    return np.asarray(seen + filled * np.where(replaced, substance + noise - seen, 0))


@dataclass(frozen=True)
class ScanPlaces:
    """The places (see `LungPlaces`) of one scan; `depths_mm` are on a grid of `STEP_MM`, negative outside the lungs."""

    low_lps_mm: Point
    high_lps_mm: Point
    vessels: np.ndarray
    bronchi: np.ndarray
    depths_mm: np.ndarray
    kji_to_lps: np.ndarray
    lesions: tuple[tuple[Point, float], ...]

    def depth_mm(self, points: np.ndarray) -> np.ndarray:
        """Way to the pleura, (N,); negative outside the lungs and too near to a known lesion."""
        index = world_to_index(self.kji_to_lps, points)
        depth: np.ndarray = ndimage.map_coordinates(self.depths_mm, index.T, order=1, mode="nearest")
        for center, radius_mm in self.lesions:
            gap = np.linalg.norm(np.asarray(points) - center, axis=1) - radius_mm
            depth = np.where(gap < NEAR_LESION * depth, -STEP_MM, depth)
        return depth

    def upper(self, points: np.ndarray) -> np.ndarray:
        """Whether points lie in the upper half of the lungs by height: the lobes themselves are unknown."""
        return np.asarray(np.asarray(points)[:, 2] > (self.low_lps_mm[2] + self.high_lps_mm[2]) / 2)


def places_of_scan(
    volume: CTVolume, lungs: np.ndarray, *, exclusion_regions: Sequence[tuple[Point, float]] = ()
) -> ScanPlaces:
    """The places of a scan in canonical order, given its lung labels (K, J, I).

    Vessels are the dense strands well within the lungs, bronchi the airways below the carina; neither pleura nor
    airway counts as lung. The `exclusion_regions` are balls (centre in LPS mm, radius in mm) around known lesions.
    """
    spacing = volume.spacing_mm_kji
    box = bounding_box(lungs > 0, np.ceil(AROUND_MM / spacing).astype(int))
    size = [side.stop - side.start for side in box]
    steps = STEP_MM / spacing
    samples = [np.arange(0, n - 1 + 1e-6, step) for n, step in zip(size, steps, strict=True)]
    grid = np.diag([*steps, 1.0])
    grid[:3, 3] = [side.start for side in box]
    kji_to_lps = volume.kji_to_lps @ grid

    shape = tuple(map(len, samples))
    hu = ndimage.affine_transform(volume.voxels[box].astype(np.float32), steps, output_shape=shape, order=1)
    labels = lungs[box][np.ix_(*(np.rint(s).astype(int) for s in samples))]
    closed = _closed(labels > 0)
    airways = _airways(hu, labels == 0)
    hilum = ndimage.binary_opening(closed & (labels == 0), iterations=HILUM_VOXELS)
    closed &= ~(airways | hilum)
    depths = STEP_MM * (ndimage.distance_transform_edt(closed) - 0.5)
    inside = index_to_world(kji_to_lps, np.argwhere(closed))
    return ScanPlaces(
        low_lps_mm=as_point(inside.min(axis=0)),
        high_lps_mm=as_point(inside.max(axis=0)),
        vessels=_vessels(hu, depths, kji_to_lps),
        bronchi=_bronchi(airways, kji_to_lps),
        depths_mm=depths.astype(np.float32),
        kji_to_lps=kji_to_lps,
        lesions=tuple(exclusion_regions),
    )


def _closed(lungs: np.ndarray) -> np.ndarray:
    """Lungs with the gaps filled that vessels and bronchi leave in them."""
    reach = CLOSING_MM / STEP_MM
    pad = int(np.ceil(reach)) + 1
    grown = ndimage.distance_transform_edt(~np.pad(lungs, pad)) <= reach
    shrunk = ndimage.distance_transform_edt(grown) > reach
    return np.asarray(shrunk[pad:-pad, pad:-pad, pad:-pad] | lungs)


def _vessels(hu: np.ndarray, depths_mm: np.ndarray, kji_to_lps: np.ndarray) -> np.ndarray:
    """(M, 4) x, y, z and radius of points in the middle of vessels."""
    dense = (ndimage.gaussian_filter(hu, SMOOTH_VOXELS) > VESSEL_ABOVE_HU) & (depths_mm > 0)
    ridge, radius = _ridge(dense)
    ridge &= (depths_mm > VESSEL_DEPTH_MM) & (radius <= VESSEL_RADIUS_MM)
    found = _points(ridge, radius, kji_to_lps)
    return found[:: len(found) // MOST_VESSELS + 1]


def _airways(hu: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Trachea and bronchi, with the lumens that run on from them into the lung labels; empty where none are found."""
    labels, count = ndimage.label((hu < AIRWAY_BELOW_HU) & outside)
    volume_mm3 = np.bincount(labels.ravel(), minlength=count + 1) * STEP_MM**3
    volume_mm3[0] = 0
    for axis in (1, 2):  # the air around the body
        for face in (0, -1):
            volume_mm3[np.unique(labels.take(face, axis=axis))] = 0
    airway = int(np.argmax(np.where(volume_mm3 <= AIRWAY_MM3[1], volume_mm3, 0)))
    if volume_mm3[airway] < AIRWAY_MM3[0]:
        return np.zeros(hu.shape, dtype=bool)
    tubes = np.asarray(labels == airway)
    labels, _ = ndimage.label((ndimage.gaussian_filter(hu, SMOOTH_VOXELS) < LUMEN_BELOW_HU) | tubes)
    run_on = np.asarray(labels == labels[tubes][0])
    return run_on if run_on.sum() <= MOST_RUN_ON * tubes.sum() else tubes


def _bronchi(airways: np.ndarray, kji_to_lps: np.ndarray) -> np.ndarray:
    """(M, 4) the same of the airways below the carina; none where there are no airways or no carina."""
    columns = [np.flatnonzero(level.any(axis=0)) for level in airways]
    wide = [k for k, at in enumerate(columns) if len(at) and STEP_MM * (at[-1] - at[0]) > TRACHEA_WIDTH_MM]
    below = airways.copy()
    below[wide[-1] + 1 if wide else 0 :] = False
    return _points(*_ridge(below), kji_to_lps)


def _ridge(tubes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which voxels lie furthest inside, and how far inside each voxel lies in mm."""
    radius = STEP_MM * np.maximum(ndimage.distance_transform_edt(tubes) - 0.5, 0)
    return tubes & (radius >= ndimage.maximum_filter(radius, 3)), radius


def _points(where: np.ndarray, radius_mm: np.ndarray, kji_to_lps: np.ndarray) -> np.ndarray:
    """(M, 4) x, y, z, radius of the chosen voxels."""
    return np.column_stack([index_to_world(kji_to_lps, np.argwhere(where)), radius_mm[where]])
