"""Where nodules can be put into a real scan, found out from its lung labels and its vessels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...preprocessing.lung_mask import bounding_box
from ...volume import CTVolume, index_to_world, world_to_index
from ..shapes import Point

STEP_MM = 2.0  # of the grid that all is looked at on
CLOSING_MM = 7.0  # lungs are closed by this much: the pleura runs straight past the vessels of the hilum
AROUND_MM = 12.0
HILUM_VOXELS = 2  # tissue in the closed gaps that is thicker than twice this stays outside the lungs
VESSEL_ABOVE_HU, VESSEL_DEPTH_MM, VESSEL_RADIUS_MM = -600.0, 4.0, 5.0
SMOOTH_MM = 1.2
MOST_VESSELS = 4000  # points; more are thinned out
AIRWAY_BELOW_HU, AIRWAY_MM3 = -880.0, (2_000.0, 80_000.0)
LUMEN_BELOW_HU, MOST_RUN_ON = -935.0, 1.6  # what runs on into the lungs; more than this share is no airway
TRACHEA_WIDTH_MM = 30.0  # airways in a slice reach further from right to left than this below the carina
NEAR_LESION = 1.6  # points nearer to a lesion than this many times their depth are no places
NO_POINTS = np.empty((0, 4))


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
        depth = ndimage.map_coordinates(self.depths_mm, index.T, order=1, mode="nearest")
        for center, radius_mm in self.lesions:
            gap = np.linalg.norm(np.asarray(points) - center, axis=1) - radius_mm
            depth = np.where(gap < NEAR_LESION * depth, -STEP_MM, depth)
        return depth

    def upper(self, points: np.ndarray) -> np.ndarray:
        """Whether points lie in the upper half of the lungs by height: the lobes themselves are not told apart."""
        return np.asarray(points)[:, 2] > (self.low_lps_mm[2] + self.high_lps_mm[2]) / 2


def places_of_scan(
    volume: CTVolume, lungs: np.ndarray, *, exclusion_regions: Sequence[tuple[Point, float]] = ()
) -> ScanPlaces:
    """The places of a scan.

    Vessels are the dense strands well within the lungs, bronchi the airways below the carina; neither pleura nor
    airway counts as lung.

    Parameters
    ----------
    volume
        In canonical order.
    lungs
        (K, J, I) lung labels on the scan's grid.
    exclusion_regions
        Balls (centre in LPS mm, radius in mm) around known lesions.
    """
    spacing = volume.spacing_mm_kji
    box = bounding_box(lungs > 0, np.ceil(AROUND_MM / spacing).astype(int))
    size = [side.stop - side.start for side in box]
    steps = STEP_MM / spacing
    samples = [np.arange(0, n - 1 + 1e-6, step) for n, step in zip(size, steps, strict=True)]
    grid = np.diag([*steps, 1.0])
    grid[:3, 3] = [side.start for side in box]
    kji_to_lps = volume.kji_to_lps @ grid

    hu = ndimage.affine_transform(
        volume.voxels[box].astype(np.float32), steps, output_shape=list(map(len, samples)), order=1
    )
    nearest = np.ix_(*(np.rint(s).astype(int) for s in samples))
    labels = lungs[box][nearest]
    closed = _closed(labels > 0)
    airways = _airways(hu, labels == 0)
    hilum = ndimage.binary_opening(closed & (labels == 0), iterations=HILUM_VOXELS)
    closed &= ~(airways | hilum)
    depths = STEP_MM * (ndimage.distance_transform_edt(closed) - 0.5)
    inside = index_to_world(kji_to_lps, np.argwhere(closed))
    return ScanPlaces(
        low_lps_mm=_point(inside.min(axis=0)),
        high_lps_mm=_point(inside.max(axis=0)),
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
    padded = np.pad(lungs, pad)
    grown = ndimage.distance_transform_edt(~padded) <= reach
    shrunk = ndimage.distance_transform_edt(grown) > reach
    inner = tuple(slice(pad, -pad) for _ in range(3))
    return shrunk[inner] | lungs


def _vessels(hu: np.ndarray, depths_mm: np.ndarray, kji_to_lps: np.ndarray) -> np.ndarray:
    dense = (ndimage.gaussian_filter(hu, SMOOTH_MM / STEP_MM) > VESSEL_ABOVE_HU) & (depths_mm > 0)
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
    tubes = labels == airway
    lumens = (ndimage.gaussian_filter(hu, SMOOTH_MM / STEP_MM) < LUMEN_BELOW_HU) | tubes
    labels, _ = ndimage.label(lumens)
    run_on = labels == labels[tubes][0]
    return run_on if run_on.sum() <= MOST_RUN_ON * tubes.sum() else tubes


def _bronchi(airways: np.ndarray, kji_to_lps: np.ndarray) -> np.ndarray:
    """Ridge points of the airways below the carina; none where there are no airways or no carina."""
    columns = [np.flatnonzero(level.any(axis=0)) for level in airways]
    wide = [k for k, at in enumerate(columns) if len(at) and STEP_MM * (at[-1] - at[0]) > TRACHEA_WIDTH_MM]
    if not wide:
        return NO_POINTS
    tubes = airways.copy()
    tubes[wide[-1] + 1 :] = False
    ridge, radius = _ridge(tubes)
    return _points(ridge, radius, kji_to_lps)


def _ridge(tubes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which voxels lie furthest inside, and how far inside each voxel lies in mm."""
    radius = STEP_MM * np.maximum(ndimage.distance_transform_edt(tubes) - 0.5, 0)
    return tubes & (radius >= ndimage.maximum_filter(radius, 3)), radius


def _points(where: np.ndarray, radius_mm: np.ndarray, kji_to_lps: np.ndarray) -> np.ndarray:
    """(M, 4) x, y, z, radius of the chosen voxels."""
    return np.column_stack([index_to_world(kji_to_lps, np.argwhere(where)), radius_mm[where]])


def _point(xyz: np.ndarray) -> Point:
    return (float(xyz[0]), float(xyz[1]), float(xyz[2]))
