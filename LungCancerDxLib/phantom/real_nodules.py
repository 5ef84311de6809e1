"""Real nodules of a bank put into lungs that exist: turned, mirrored, scaled, blended in over 1 to 2 mm.

A nodule brings its own voxels, and a rim of its own surroundings with the roots of its spicules. One that touches the
chest wall comes by its outline alone. It, and one on a vessel, is turned so that the attached side is attached again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import affine_transform, distance_transform_edt, gaussian_filter
from scipy.spatial.transform import Rotation

from ..datasets.nodule_bank import BankNodule
from ..preset import DEFAULT, Preset
from ..volume import world_to_index
from .fields import Point, as_point
from .insertion import SEEN_SMOOTH_VOXELS
from .nodules.population import LungPlaces, find_place
from .scanner.image_quality import ImageQuality

FREE_RIM_MM, WALL_RIM_MM = 2.0, 0.0  # from the outline to where half of a voxel is the nodule's: with its spicules
FREE_BLEND_MM, WALL_BLEND_MM = 2.0, 1.0
SCALES = (0.8, 1.25)
TILT_DEGREES = 12.0  # out of the plane of the slices: no more, as slices are thick
DENSE_ABOVE_HU, SHELL_MM = -400.0, (4.0, 9.0)
WALL_SHARE = 0.25  # of the shell that is dense; a vessel makes less of it
SUNK_MM = 0.5  # a nodule on the wall or a vessel reaches into it
FLAT_NORMAL = 0.6  # walls that face up or down more than this meet no nodule: what its slices touched is not known
PLACE_TRIES, PLACE_POINTS = 20, 200
APART_MM, APART_TRIES = 15.0, 40  # between the surfaces of two nodules; a nodule's chances for it
NATIVE_BLUR_MM, NATIVE_NOISE_HU = 0.7, 25.0  # of the scans that the nodules come from, along j and i
OUTLINE_MARGIN_MM = 4.0


@dataclass(frozen=True)
class PlacedNodule:
    """A nodule with its place in a patient.

    Parameters
    ----------
    center_lps_mm
        Where the middle of its outline lies.
    lps_to_nodule
        (3, 3) offsets x, y, z in the patient to offsets k, j, i in the nodule, both in mm: turn, mirror and scale.
    scale
        How much larger it is than in its own patient.
    seed
        Of the noise that is added where the scan has more than the nodule.
    """

    nodule: BankNodule
    center_lps_mm: Point
    lps_to_nodule: np.ndarray
    scale: float
    seed: int

    @property
    def diameter_mm(self) -> float:
        """As it is in the patient."""
        return self.nodule.diameter_mm * self.scale


def place_real_nodule(
    rng: np.random.Generator,
    nodule: BankNodule,
    places: LungPlaces,
    scales: tuple[float, float] = SCALES,
    exclusion_regions: Sequence[tuple[Point, float]] = (),
) -> PlacedNodule | None:
    """A random place that suits a nodule, or None where the lungs have none.

    Free ones go anywhere away from pleura, bronchi and larger vessels, attached ones onto the wall or onto a vessel.

    Parameters
    ----------
    exclusion_regions
        Balls (centre in LPS mm, radius in mm) that the nodule's surface stays out of.
    """
    scale = float(np.exp(rng.uniform(*np.log(scales))))
    mirror = np.where(rng.random(3) < 0.5, -1.0, 1.0)  # of k, j, i
    tilt = Rotation.from_rotvec(np.radians(rng.uniform(-TILT_DEGREES, TILT_DEGREES, 3) * (0, 1, 1))).as_matrix()
    angle, seed = rng.uniform(0, 2 * np.pi), int(rng.integers(2**31))
    diameter = nodule.diameter_mm * scale
    if not nodule.is_attached:
        center = find_place(rng, places, diameter, "isolated", exclusion_regions)
    else:
        side_kji, reach_mm, on_wall = attached_side(nodule)
        side_kji, reach_mm = side_kji * mirror, reach_mm * scale
        found = (_on_wall if on_wall else _on_vessel)(rng, places, diameter, reach_mm, exclusion_regions)
        if found is None:
            return None
        center, toward_xyz = found
        angle = np.arctan2(side_kji[2], side_kji[1]) - np.arctan2(toward_xyz[0], toward_xyz[1])
    if center is None:
        return None
    turn = Rotation.from_rotvec([angle, 0, 0]).as_matrix()  # about k; offsets k, j, i
    lps_to_nodule = np.diag(mirror) @ tilt @ _in_plane(turn) / scale
    return PlacedNodule(nodule, center, lps_to_nodule, scale, seed)


def place_apart(rng: np.random.Generator, nodules: Sequence[BankNodule], places: LungPlaces) -> list[PlacedNodule]:
    """Nodules in their own size at places well apart, the largest first; those that find none are left out."""
    placed: list[PlacedNodule] = []
    for nodule in sorted(nodules, key=lambda nodule: -nodule.diameter_mm):
        taken = [(one.center_lps_mm, one.diameter_mm / 2 + APART_MM) for one in placed]
        tries = (place_real_nodule(rng, nodule, places, (1.0, 1.0), taken) for _ in range(APART_TRIES))
        found = next((one for one in tries if one is not None), None)
        if found is not None:
            placed.append(found)
    return placed


def _in_plane(turn_kji: np.ndarray) -> np.ndarray:
    """A turn of offsets k, j, i as one that takes offsets x, y, z."""
    return turn_kji[:, ::-1]


def attached_side(nodule: BankNodule) -> tuple[np.ndarray, float, bool]:
    """Which way from a nodule's middle what it is attached to lies.

    Returns
    -------
    Unit vector k, j, i within the slice; the way from the middle to the outline along it in mm; whether it is a wall,
    not a vessel.
    """
    hu, mask = nodule.decode()
    spacing = np.array(nodule.spacing_mm_kji)
    away = distance_transform_edt(~mask, sampling=spacing)
    shell = (away > SHELL_MM[0]) & (away < SHELL_MM[1])
    dense = shell & (hu > DENSE_ABOVE_HU)
    middle = np.argwhere(mask).mean(axis=0)
    offsets = (np.argwhere(dense) - middle) * spacing
    unit = offsets / np.maximum(np.linalg.norm(offsets, axis=1, keepdims=True), 1e-6)
    mean = unit.mean(axis=0) if len(unit) else np.zeros(3)
    share = dense.sum() / max(shell.sum(), 1)
    side = mean * (0, 1, 1)
    length = float(np.linalg.norm(side))
    side = side / length if length > 1e-3 else np.array([0.0, 0.0, 1.0])
    along = ((np.argwhere(mask) - middle) * spacing) @ side
    return side, float(np.percentile(along, 95)), bool(share > WALL_SHARE)


def _on_wall(
    rng: np.random.Generator,
    places: LungPlaces,
    diameter_mm: float,
    reach_mm: float,
    exclusion_regions: Sequence[tuple[Point, float]],
) -> tuple[Point, np.ndarray] | None:
    """A centre as deep in the lungs as the nodule reaches towards the wall, and the way there (3,)."""
    depth_mm = max(reach_mm - SUNK_MM, 0.5)
    for _ in range(PLACE_TRIES):
        points = rng.uniform(places.low_lps_mm, places.high_lps_mm, (PLACE_POINTS, 3))
        for center, ball_mm in exclusion_regions:
            points = points[np.linalg.norm(points - center, axis=1) >= diameter_mm / 2 + ball_mm]
        for point in points[np.abs(places.depth_mm(points) - depth_mm) < 0.5]:
            ahead, behind = (places.depth_mm(point + sign * np.eye(3)) for sign in (1, -1))
            wall = behind - ahead
            wall = wall / max(float(np.linalg.norm(wall)), 1e-6)
            if abs(wall[2]) < FLAT_NORMAL and np.linalg.norm(wall) > 0.5:
                return as_point(point), wall
    return None


def _on_vessel(
    rng: np.random.Generator,
    places: LungPlaces,
    diameter_mm: float,
    reach_mm: float,
    exclusion_regions: Sequence[tuple[Point, float]],
) -> tuple[Point, np.ndarray] | None:
    """A centre beside a vessel at its own height, so that the nodule just reaches it, and the way there (3,)."""
    if len(places.vessels) == 0:
        return None
    on = places.vessels[rng.integers(len(places.vessels), size=PLACE_POINTS)]
    angle = rng.uniform(0, 2 * np.pi, PLACE_POINTS)
    away = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(PLACE_POINTS)])
    points = on[:, :3] + away * (reach_mm + on[:, 3:] - SUNK_MM)
    fits = places.depth_mm(points) >= diameter_mm / 2 + 1.0
    for center, ball_mm in exclusion_regions:
        fits &= np.linalg.norm(points - center, axis=1) >= diameter_mm / 2 + ball_mm
    if not fits.any():
        return None
    n = int(np.argmax(fits))
    return as_point(points[n]), -away[n]


def insert_real_nodules(
    image: np.ndarray,
    kji_to_lps: np.ndarray,
    placed: Sequence[PlacedNodule],
    quality: ImageQuality,
    preset: Preset = DEFAULT,
) -> np.ndarray:
    """A copy of the networks' image, or of a part of it, with nodules in it.

    Denser tissue stays: vessels run on through ground glass, and a wall has no hole where a nodule sits on it.

    Parameters
    ----------
    image
        (Z, Y, X) uint8. What was filled with tissue stays filled.
    kji_to_lps
        (4, 4) affine of `image`, which may be turned and mirrored.
    quality
        Of the scan: its blur and noise are added where they exceed the nodule's.
    """
    low, high = preset.window_hu
    per_hu = 255 / (high - low)
    result = image.copy()
    for one in placed:
        box, to_nodule = _box(one, kji_to_lps, image.shape)
        grey = result[box]
        if not grey.size:
            continue
        hu, share = _shown(one, to_nodule, box, grey.shape)
        spacing = np.linalg.norm(kji_to_lps[:3, :3], axis=0)
        native = np.array([one.nodule.spacing_mm_kji[0] / 6**0.5, NATIVE_BLUR_MM, NATIVE_BLUR_MM]) * one.scale
        blur = np.sqrt(np.maximum(np.square(quality.blur_mm_kji) - native**2, 0)) / spacing
        rng = np.random.default_rng([one.seed, 5])
        noise = gaussian_filter(rng.standard_normal(grey.shape, dtype=np.float32), quality.grain_kji)
        more_noise = np.sqrt(max(quality.noise_hu**2 - NATIVE_NOISE_HU**2, 0.0)) / max(float(noise.std()), 1e-6)
        source = (gaussian_filter(hu, blur) + np.float32(more_noise) * noise - low) * per_hu
        there = grey.astype(np.float32)
        smooth = gaussian_filter(there, SEEN_SMOOTH_VOXELS)
        change = np.where(source > smooth, source - there, 0) * share
        new = np.clip(np.rint(there + change), 0, 255).astype(np.uint8)
        result[box] = np.where(grey == preset.tissue_value, grey, new)
    return result


def placed_mask(one: PlacedNodule, kji_to_lps: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The readers' outline of a placed nodule on an image's grid, bool: where it covers half of a voxel or more."""
    box, to_nodule = _box(one, kji_to_lps, shape)
    mask = np.zeros(shape, dtype=bool)
    matrix = to_nodule[:3, :3]
    offset = matrix @ [side.start for side in box] + to_nodule[:3, 3]
    share = one.nodule.mask.astype(np.float32)
    mask[box] = affine_transform(share, matrix, offset, mask[box].shape, order=1, mode="grid-constant") >= 0.5
    return mask


def _box(one: PlacedNodule, kji_to_lps: np.ndarray, shape: tuple[int, ...]) -> tuple[tuple[slice, ...], np.ndarray]:
    """The voxels of an image that a nodule may touch, and the affine (4, 4) from the image's index to the nodule's."""
    mask, spacing = one.nodule.mask, np.array(one.nodule.spacing_mm_kji)
    inside = np.argwhere(mask)
    middle = inside.mean(axis=0)
    to_nodule = np.eye(4)
    to_nodule[:3, :3] = (one.lps_to_nodule / spacing[:, None]) @ kji_to_lps[:3, :3]
    center = world_to_index(kji_to_lps, np.array([one.center_lps_mm]))[0]
    to_nodule[:3, 3] = middle - to_nodule[:3, :3] @ center
    reach_mm = float(np.linalg.norm((inside - middle) * spacing, axis=1).max()) + spacing.max() / 2
    reach = (reach_mm + OUTLINE_MARGIN_MM) * one.scale / float(np.linalg.norm(kji_to_lps[:3, 0]))
    first = np.clip(np.floor(center - reach), 0, shape).astype(int)
    last = np.clip(np.ceil(center + reach) + 1, 0, shape).astype(int)
    return tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True)), to_nodule


def _shown(
    one: PlacedNodule, to_nodule: np.ndarray, box: tuple[slice, ...], shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """HU of the nodule's voxels on the image's grid, and the share of each that is the nodule's, float32."""
    hu, mask = one.nodule.decode()
    spacing = one.nodule.spacing_mm_kji
    pad = 2
    mask, hu = np.pad(mask, pad), np.pad(hu, pad, mode="edge").astype(np.float32)
    depth = distance_transform_edt(mask, sampling=spacing) - distance_transform_edt(~mask, sampling=spacing)
    on_wall = one.nodule.is_attached and attached_side(one.nodule)[2]
    rim, blend = (WALL_RIM_MM, WALL_BLEND_MM) if on_wall else (FREE_RIM_MM, FREE_BLEND_MM)
    share = np.clip(0.5 + (depth + rim) / blend, 0, 1).astype(np.float32)
    matrix = to_nodule[:3, :3]
    offset = matrix @ [side.start for side in box] + to_nodule[:3, 3] + pad
    shown = affine_transform(hu, matrix, offset, shape, order=1, mode="nearest")
    filled = affine_transform(share, matrix, offset, shape, order=1)
    return shown, filled
