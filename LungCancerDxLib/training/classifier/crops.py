"""A nodule's crop and its location crop as the classifier sees them in training: shifted, scaled, turned (V-E)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from ...classification.classifier import crop, crop_location, crop_start
from ...detection.location import location_scale
from ...preprocessing import WorkingScan
from ...preset import Preset
from ..detector.patches import draw_scale, mirrored
from .recipe import Augmentation

IN_ORDER = (0, 1, 2)


@dataclass(frozen=True)
class Pose:
    """How one crop is changed.

    Parameters
    ----------
    shift_kji
        (3,) voxels of the scan from the proposal's centre to the crop's middle.
    rotation
        (3, 3) orthonormal, offsets k, j, i of the crop to those of the scan; None for none.
    flipped
        Axes that are turned round afterwards.
    order
        Of the axes in the end.
    """

    shift_kji: np.ndarray
    scale: float = 1.0
    rotation: np.ndarray | None = None
    flipped: tuple[int, ...] = ()
    order: tuple[int, ...] = IN_ORDER


UNMOVED = Pose(np.zeros(3))  # as at test time


def draw_pose(rng: np.random.Generator, augmentation: Augmentation, diameter: float) -> Pose:
    """A random pose for a proposal of some diameter."""
    shift = rng.uniform(-1, 1, 3) * augmentation.shift * diameter / 2
    flipped = tuple(axis for axis in augmentation.flipped_axes if rng.random() < 0.5)
    order = tuple(int(axis) for axis in rng.permutation(3)) if augmentation.swapped_axes else IN_ORDER
    scale = draw_scale(rng, augmentation.scale, augmentation.scaled_diameters, diameter)
    return Pose(shift, scale, draw_rotation(rng, augmentation.rotation), flipped, order)


def draw_rotation(rng: np.random.Generator, kind: Literal["none", "in plane", "any"]) -> np.ndarray | None:
    """A rotation (3, 3) of offsets k, j, i: uniform over all of them, or about k by 0 to 180 degrees."""
    if kind == "none":
        return None
    if kind == "in plane":
        return np.asarray(Rotation.from_rotvec([rng.uniform(0, np.pi), 0, 0]).as_matrix())
    return np.asarray(Rotation.from_quat(rng.standard_normal(4)).as_matrix())


def posed_crop(
    scan: WorkingScan, center_kji: np.ndarray, pose: Pose, augmentation: Augmentation, preset: Preset
) -> tuple[np.ndarray, np.ndarray]:
    """The crop (S, S, S) uint8 around a proposal and its location crop (3, S/4, S/4, S/4) float32, in a pose.

    Without a change they are those of inference. Scaled or rotated crops are interpolated linearly.
    """
    middle = center_kji + pose.shift_kji
    start = crop_start(middle, preset)
    if pose.scale == 1 and pose.rotation is None:
        image = crop(scan.image, start, preset)
    else:
        image = _interpolated(scan.image, middle, pose, preset)
    scale = location_scale(preset, scan.image.shape, scan.lung_ends_kji)
    location = _shrunk(crop_location(start, scan.image.shape, scale, preset), pose.scale)
    if augmentation.turned_location:
        location = mirrored(location, pose.flipped).transpose(0, *(axis + 1 for axis in pose.order))
    return mirrored(image, pose.flipped).transpose(pose.order), location


def _interpolated(image: np.ndarray, middle_kji: np.ndarray, pose: Pose, preset: Preset) -> np.ndarray:
    matrix = (np.eye(3) if pose.rotation is None else pose.rotation) / pose.scale
    offset = middle_kji - matrix @ np.full(3, (preset.crop_size - 1) / 2)
    size = (preset.crop_size,) * 3
    return np.asarray(affine_transform(image, matrix, offset, size, order=1, cval=preset.crop_padding))


def _shrunk(location: np.ndarray, scale: float) -> np.ndarray:
    """The location crop of a scaled crop: it covers less of the lungs the larger all in it appears."""
    if scale == 1:
        return location
    middle = location.mean(axis=(1, 2, 3), keepdims=True)
    return np.asarray(middle + (location - middle) / np.float32(scale))
