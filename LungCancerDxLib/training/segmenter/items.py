"""Crops with outlines: real nodules in their own surroundings and in other lungs, synthetic ones, and lungs without.

Each crop is a pure function of the seed, the step and its number in the step's batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from ...datasets.nodule_bank import BankNodule
from ...phantom.fields import Point, as_point
from ...phantom.insertion import insert_into_preprocessed, places_of_scan
from ...phantom.nodules.nodule import Kind, Margin, SyntheticNodule, body_field, core_field, grid_points
from ...phantom.nodules.population import KINDS, LungPlaces
from ...phantom.real_nodules import insert_real_nodules, place_real_nodule, placed_mask
from ...phantom.scanner.image_quality import ImageQuality, scan_image_quality
from ...preprocessing import preprocess
from ...preprocessing.working_grid import from_grey, to_grey
from ...preset import DEFAULT
from ...segmentation.crop import CROP_SIZE, Crop
from ...volume import CTVolume, index_to_world
from ..cases.real_nodules import draw_turn
from ..classifier.rated_crops import resampled
from ..engine.validation import Batch
from .recipe import SegmenterRecipe

UNMASKED = replace(DEFAULT, tissue_value=-1)  # the networks' grey values of a scan of which nothing was filled
READERS_MARGIN_MM = (
    0.4  # readers outline the outer edge: by so much more than partial volumes make, of 300 free nodules
)
SOLID_TEXTURE, GLASS_TEXTURE = 5, 1  # whose cores are known: all of them, and nothing
# How often, kind, margins, diameters in mm, depth of the centre in radii
SYNTHETIC: tuple[tuple[float, Kind, tuple[Margin, ...], tuple[float, float], tuple[float, float]], ...] = (
    (0.28, "solid", ("smooth", "lobulated", "spiculated"), (3.0, 30.0), (0.5, 9.0)),
    (0.22, "solid", ("lobulated", "spiculated"), (28.0, 100.0), (0.1, 1.2)),
    (0.20, "part-solid", ("smooth", "lobulated"), (6.0, 45.0), (0.7, 9.0)),
    (0.17, "ground-glass", ("smooth", "lobulated"), (4.0, 45.0), (0.7, 9.0)),
    (0.06, "calcified", ("smooth",), (3.0, 20.0), (0.5, 9.0)),
    (0.07, "cavitated", ("lobulated", "spiculated"), (12.0, 60.0), (0.3, 9.0)),
)
ALARM_MM = (3.5, 16.0)  # diameters of proposals that are none
TRIES, POINTS = 6, 400


class Outlined(NamedTuple):
    """A crop and its outlines.

    hu (S, S, S) int16; target and known (2, S, S, S) bool, of whole nodule and core: where they are, and where that is
    known; diameter_mm of the proposal and spacing_mm of the voxels.
    """

    hu: np.ndarray
    target: np.ndarray
    known: np.ndarray
    diameter_mm: float
    spacing_mm: float


class Background(NamedTuple):
    """A scan to put nodules into: the CT in canonical order, and what is known of it."""

    volume: CTVolume
    quality: ImageQuality
    places: LungPlaces
    exclusion_regions: tuple[tuple[Point, float], ...]

    @staticmethod
    def of(volume: CTVolume, exclusion_regions: Sequence[tuple[Point, float]] = ()) -> Background:
        """Find its lungs, and measure it.

        Raises
        ------
        NoLungsError
        """
        volume = volume.canonical()
        lungs = preprocess(volume, DEFAULT).lungs.labels
        places = places_of_scan(volume, lungs, exclusion_regions=exclusion_regions)
        return Background(volume, scan_image_quality(volume, lungs), places, tuple(exclusion_regions))

    def grey(self, crop: Crop) -> np.ndarray:
        """(S, S, S) uint8, what a crop shows of it."""
        return to_grey(crop.hu(self.volume), UNMASKED)

    def quality_of(self, crop: Crop) -> ImageQuality:
        """Its quality with the noise's grain in the crop's voxels, interpolated ones."""
        spacing = self.volume.spacing_mm_kji
        k, j, i = (np.sqrt(np.square(self.quality.grain_kji) + 1 / 6) * spacing / crop.spacing_mm).tolist()
        return replace(self.quality, grain_kji=(k, j, i))

    def gap_mm(self, points: np.ndarray) -> np.ndarray:
        """Way from LPS points (..., 3) to the nearest region to keep away from."""
        gaps = [np.linalg.norm(points - center, axis=-1) - radius for center, radius in self.exclusion_regions]
        nearest: np.ndarray = np.minimum.reduce([np.full(points.shape[:-1], np.inf), *gaps])
        return nearest

    def draw_point(self, rng: np.random.Generator, low_mm: float, high_mm: float, away_mm: float = 0.0) -> np.ndarray:
        """A random point (3,) at a depth in the lungs, or the nearest to it of many; away from regions to keep from."""
        points = rng.uniform(self.places.low_lps_mm, self.places.high_lps_mm, (POINTS, 3))
        depth = self.places.depth_mm(points)
        off = np.where(depth < 0, np.inf, np.maximum(low_mm - depth, 0) + np.maximum(depth - high_mm, 0))
        point: np.ndarray = points[np.argmin(np.where(self.gap_mm(points) < away_mm, np.inf, off))]
        return point


class OutlinedCrops:
    """Draws crops for training.

    Parameters
    ----------
    nodules
        Of the bank, cubes among them.
    """

    def __init__(
        self, backgrounds: Sequence[Background], nodules: Sequence[BankNodule], recipe: SegmenterRecipe, seed: int
    ) -> None:
        self._backgrounds, self._recipe, self._seed = backgrounds, recipe, seed
        self._nodules = [nodule for nodule in nodules if not nodule.is_cube]
        self._cubes = [nodule for nodule in nodules if nodule.is_cube]
        shares = [
            recipe.own * bool(self._nodules),
            recipe.inserted * bool(self._nodules),
            recipe.cubes * bool(self._cubes),
            recipe.synthetic,
            recipe.none,
        ]
        self._shares = np.cumsum(shares) / np.sum(shares)

    def batch(self, step: int, numbers: range) -> Batch:
        """See `collate`."""
        return collate([self.item(step, number) for number in numbers])

    def item(self, step: int, number: int) -> Outlined:
        """One crop."""
        rng = np.random.default_rng([self._seed, step, number])
        background = self._backgrounds[int(rng.integers(len(self._backgrounds)))]
        kind = int(np.searchsorted(self._shares, rng.random(), side="right"))
        found = None
        if kind in (0, 2):
            among = self._nodules if kind == 0 else self._cubes
            found = own(rng, among[rng.integers(len(among))], background, self._recipe)
        elif kind == 1:
            found = inserted(rng, self._nodules[rng.integers(len(self._nodules))], background, self._recipe)
        elif kind == 3:
            found = synthetic(rng, background, self._recipe)
        return self._altered(rng, found or without(rng, background, self._recipe))

    def _altered(self, rng: np.random.Generator, crop: Outlined) -> Outlined:
        """Resampled, brighter or darker, noisier, mirrored."""
        recipe, hu = self._recipe, crop.hu.astype(np.float32)
        if rng.random() < recipe.resampled_share:
            low, high = np.log(recipe.resampled_mm)
            spacings = np.exp(rng.uniform(low, high, 2))[[0, 1, 1]] / crop.spacing_mm  # through and within the slices
            hu = from_grey(resampled(to_grey(hu, UNMASKED), spacings.tolist(), rng.random(3).tolist(), -1), UNMASKED)
        change, offset = 1 + rng.uniform(-1, 1) * recipe.contrast, rng.uniform(-1, 1) * recipe.offset_hu
        noise = max(rng.uniform(-1, 1), 0) * recipe.noise_hu
        hu = hu * np.float32(change) + np.float32(offset)
        hu += np.float32(noise) * rng.standard_normal(hu.shape, dtype=np.float32)
        flips = tuple(axis for axis in (-3, -2, -1) if rng.random() < 0.5)
        hu, target, known = (np.flip(array, flips) for array in (hu, crop.target, crop.known))
        return crop._replace(hu=np.rint(hu).astype(np.int16), target=target, known=known)


def collate(rows: Sequence[Outlined]) -> Batch:
    """hu (B, 1, S, S, S) int16, target and known (B, 2, S, S, S) bool, diameter_mm and spacing_mm (B,) float32."""
    return {
        "hu": torch.from_numpy(np.stack([row.hu for row in rows])[:, None]),
        "target": torch.from_numpy(np.stack([row.target for row in rows])),
        "known": torch.from_numpy(np.stack([row.known for row in rows])),
        "diameter_mm": torch.tensor([row.diameter_mm for row in rows], dtype=torch.float32),
        "spacing_mm": torch.tensor([row.spacing_mm for row in rows], dtype=torch.float32),
    }


def proposal(
    rng: np.random.Generator, center_lps_mm: np.ndarray, diameter_mm: float, turn: np.ndarray, recipe: SegmenterRecipe
) -> Crop:
    """The crop of a proposal that is off as a detector's is, or of a point that a user set."""
    shift = rng.uniform(-1, 1, 3) * (recipe.shift_mm + recipe.shift_share * diameter_mm)
    box_mm = diameter_mm * float(np.exp(rng.uniform(*np.log(recipe.box_scales))))
    by_user = rng.random() < recipe.user_share and 0.3 < diameter_mm / recipe.user_mm < 2.5
    return Crop.around(center_lps_mm + shift, recipe.user_mm if by_user else box_mm, turn)


def _turn(rng: np.random.Generator, recipe: SegmenterRecipe) -> np.ndarray:
    return draw_turn(rng, recipe.turned_degrees if rng.random() < recipe.turned_share else 0.0)


def own(rng: np.random.Generator, nodule: BankNodule, background: Background, recipe: SegmenterRecipe) -> Outlined:
    """A nodule of the bank with what was cut out with it; beyond it lies another lung, and no outline is known."""
    hu, mask = nodule.decode()
    scale = float(np.exp(rng.uniform(*np.log(recipe.scales))))
    in_plane: np.ndarray = Rotation.from_rotvec([rng.uniform(0, 2 * np.pi), 0, 0]).as_matrix()
    crop = proposal(rng, np.zeros(3), nodule.diameter_mm * scale, in_plane @ _turn(rng, recipe), recipe)
    affine = np.eye(4)
    affine[:3, :3] = np.diag(nodule.spacing_mm_kji)[::-1] * scale  # offsets k, j, i to x, y, z
    affine[:3, 3] = -affine[:3, :3] @ np.argwhere(mask).mean(axis=0)
    share = crop.sample(np.ones(mask.shape, np.float32), affine)
    target = crop.sample(mask.astype(np.float32), affine) >= 0.5
    radius = crop.diameter_mm / 2
    elsewhere = Crop.around(background.draw_point(rng, radius, np.inf, 2 * radius), crop.diameter_mm)
    image = share * crop.sample(hu, affine, None) + (1 - share) * elsewhere.hu(background.volume)
    return _outlined(image, target, share >= 0.5, crop, core_of_texture(target, nodule.texture))


def inserted(
    rng: np.random.Generator, nodule: BankNodule, background: Background, recipe: SegmenterRecipe
) -> Outlined | None:
    """A nodule of the bank in another patient's lung."""
    for _ in range(TRIES):
        placed = place_real_nodule(rng, nodule, background.places, recipe.scales, background.exclusion_regions)
        if placed is not None:
            center = np.array(placed.center_lps_mm)
            crop = proposal(rng, center, placed.diameter_mm, _turn(rng, recipe), recipe)
            grey, quality = background.grey(crop), background.quality_of(crop)
            grey = insert_real_nodules(grey, crop.kji_to_lps, [placed], quality, UNMASKED)
            target = placed_mask(placed, crop.kji_to_lps, grey.shape)
            known = _known(background, crop)
            return _outlined(from_grey(grey, UNMASKED), target, known, crop, core_of_texture(target, nodule.texture))
    return None


def synthetic(rng: np.random.Generator, background: Background, recipe: SegmenterRecipe) -> Outlined:
    """A synthetic nodule, up to a mass broadly on pleura, fissure or mediastinum; the wall stays as it is."""
    chances = np.array([row[0] for row in SYNTHETIC])
    _, kind, margins, diameters, depths = SYNTHETIC[rng.choice(len(SYNTHETIC), p=chances / chances.sum())]
    diameter = float(np.exp(rng.uniform(*np.log(diameters))))
    center = background.draw_point(rng, depths[0] * diameter / 2, depths[1] * diameter / 2, diameter / 2 + 5)
    margin, hu = margins[rng.integers(len(margins))], float(rng.uniform(*KINDS[kind][2]))
    nodule = SyntheticNodule(as_point(center), diameter, hu, kind, margin, "pleura", seed=int(rng.integers(2**31)))
    crop = proposal(rng, center, diameter, _turn(rng, recipe), recipe)
    before, quality = background.grey(crop), background.quality_of(crop)
    after = insert_into_preprocessed(before, crop.kji_to_lps, [nodule], quality, UNMASKED)
    points = _points(crop)
    depth = background.places.depth_mm(points.reshape(-1, 3)).reshape(before.shape)
    within = np.clip(0.5 + depth / 2, 0, 1)
    image = from_grey(before, UNMASKED) * (1 - within) + from_grey(after, UNMASKED) * within
    xyz = grid_points(crop.kji_to_lps, (slice(0, CROP_SIZE),) * 3)
    target = (body_field(nodule, *xyz) < READERS_MARGIN_MM) & (depth > 0)
    core_depth = core_field(nodule, *xyz)
    if kind == "part-solid" and core_depth is not None:
        core = target & (core_depth < 0)
    else:
        core = target if kind != "ground-glass" else np.zeros_like(target)
    return _outlined(image, target, _known(background, crop), crop, (core, np.ones_like(core)))


def without(rng: np.random.Generator, background: Background, recipe: SegmenterRecipe) -> Outlined:
    """A vessel, the pleura or plain lung, where there is no nodule."""
    diameter, chance = float(np.exp(rng.uniform(*np.log(ALARM_MM)))), rng.random()
    center = background.draw_point(rng, 0.0, 2.0 if chance < 0.25 else np.inf, diameter)
    vessels = background.places.vessels
    if chance > 0.5 and len(vessels):
        some = vessels[rng.integers(len(vessels), size=POINTS), :3]
        some = some[background.gap_mm(some) > diameter]
        center = some[0] if len(some) else center
    crop = Crop.around(center, diameter, _turn(rng, recipe))
    image = crop.hu(background.volume)
    empty = np.zeros(image.shape, dtype=bool)
    return _outlined(image, empty, _known(background, crop), crop, (empty, ~empty))


def core_of_texture(target: np.ndarray, texture: int) -> tuple[np.ndarray, np.ndarray]:
    """The core of a nodule by the readers' texture, and where it is known: within one of a mixed texture it is not."""
    core = target if texture == SOLID_TEXTURE else np.zeros_like(target)
    return core, ~target if GLASS_TEXTURE < texture < SOLID_TEXTURE else np.ones_like(target)


def _outlined(
    image: np.ndarray, target: np.ndarray, known: np.ndarray, crop: Crop, core: tuple[np.ndarray, np.ndarray]
) -> Outlined:
    both, where = np.stack([target, core[0]]), np.stack([known, known & core[1]])
    return Outlined(np.rint(image).astype(np.int16), both, where, crop.diameter_mm, crop.spacing_mm)


def _points(crop: Crop) -> np.ndarray:
    """(S, S, S, 3) LPS mm of a crop's voxels."""
    return index_to_world(crop.kji_to_lps, np.moveaxis(np.indices((CROP_SIZE,) * 3), 0, -1))


def _known(background: Background, crop: Crop) -> np.ndarray:
    """(S, S, S) bool: all but the regions to keep away from."""
    middle = index_to_world(crop.kji_to_lps, np.full(3, (CROP_SIZE - 1) / 2))
    if background.gap_mm(middle) > CROP_SIZE * crop.spacing_mm:
        return np.ones((CROP_SIZE,) * 3, dtype=bool)
    return background.gap_mm(_points(crop)) > 0
