"""Small digital scenes whose truth is known: lung, a flat chest wall, balls and vessels, blur and noise.

Shapes are signed distances (mm, negative inside); a voxel holds the mean over a finer grid within it.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from LungCancerDxLib.case import Nodule
from LungCancerDxLib.volume import CTVolume, index_to_world

LUNG_HU, WALL_HU, SOLID_HU, GLASS_HU, VESSEL_HU = -855.0, 45.0, 30.0, -600.0, 40.0
BLUR_MM, NOISE_HU = 0.5, 18.0
FINE = 3  # fine voxels along each edge of a voxel


@dataclass
class Scene:
    """A block of left lung around the origin of LPS, `half_mm` to each side; `wall_y_mm`: behind it is chest wall."""

    spacing_mm_kji: tuple[float, float, float] = (1.25, 0.7, 0.7)
    half_mm: float = 40.0
    wall_y_mm: float = 30.0
    seed: int = 0
    noise_hu: float = NOISE_HU
    rotation: np.ndarray = field(default_factory=lambda: np.eye(3))  # of the scan's axes
    shapes: list = field(default_factory=list)

    def ball(self, center_lps_mm, diameter_mm, hu=SOLID_HU):
        center = np.array(center_lps_mm)
        self.shapes.append((lambda p: np.linalg.norm(p - center, axis=-1) - diameter_mm / 2, hu))
        return self

    def vessel(self, point_lps_mm, direction, diameter_mm, hu=VESSEL_HU):
        point, axis = np.array(point_lps_mm), np.array(direction) / np.linalg.norm(direction)

        def distance(p):
            along = (p - point) @ axis
            return np.linalg.norm(p - point - along[..., None] * axis, axis=-1) - diameter_mm / 2

        self.shapes.append((distance, hu))
        return self

    def scan(self):
        """The CT and the lung labels (without the wall, and without what touches it) on its grid."""
        spacing = np.array(self.spacing_mm_kji)
        shape = np.ceil(2 * self.half_mm / spacing).astype(int)
        affine = np.eye(4)
        affine[:3, :3] = self.rotation @ (np.eye(3)[::-1] * spacing)
        affine[:3, 3] = -affine[:3, :3] @ ((shape - 1) / 2)
        points = _points(affine, shape)
        hu = self._hu(points)
        edge = self._near_an_edge(points, np.linalg.norm(spacing) / 2)
        offsets = (np.indices((FINE,) * 3).reshape(3, -1).T - (FINE - 1) / 2) / FINE @ affine[:3, :3].T
        hu[edge] = np.mean([self._hu(points[edge] + offset) for offset in offsets], axis=0)
        hu = ndimage.gaussian_filter(hu, [0, *(BLUR_MM / spacing[1:])])
        hu += np.random.default_rng(self.seed).normal(0, self.noise_hu, hu.shape)
        return CTVolume(np.round(hu).astype(np.int16), affine), self._lungs(affine, shape)

    def mask(self, volume, number=0):
        """The true mask of a shape on the scan's grid (voxel centres)."""
        return self.shapes[number][0](_points(volume.kji_to_lps, volume.shape_kji)) < 0

    def _hu(self, points):
        hu = np.where(points[..., 1] > self.wall_y_mm, WALL_HU, LUNG_HU)
        for distance, shape_hu in self.shapes:
            hu = np.where(distance(points) < 0, np.maximum(hu, shape_hu), hu)
        return hu

    def _near_an_edge(self, points, reach_mm):
        """Where a voxel may hold more than one tissue."""
        near = np.abs(points[..., 1] - self.wall_y_mm) <= reach_mm
        for distance, _ in self.shapes:
            near |= np.abs(distance(points)) <= reach_mm
        return near

    def _lungs(self, affine, shape):
        points = _points(affine, shape)
        dense = (self._hu(points) > -600) & (self._touching(points))
        lung = (points[..., 1] < self.wall_y_mm) & ~dense
        return lung.astype(np.uint8)

    def _touching(self, points):
        """Balls that reach the wall: a thresholded lung has a dent there."""
        dents = np.zeros(points.shape[:-1], dtype=bool)
        for distance, _ in self.shapes:
            inside = distance(points) < 0
            if (inside & (points[..., 1] > self.wall_y_mm - 1)).any():
                dents |= inside
        return dents


def _points(affine, shape):
    return index_to_world(affine, np.moveaxis(np.indices(tuple(shape)), 0, -1))


def proposal(center_lps_mm, box_diameter_mm, rank=1):
    source = "user" if box_diameter_mm is None else "detected"
    center = tuple(map(float, center_lps_mm))
    return Nodule(rank=rank, source=source, center_lps_mm=center, box_diameter_mm=box_diameter_mm, scored=True)


def ball_mm3(diameter_mm):
    return np.pi / 6 * diameter_mm**3


def dice(a, b):
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))
