"""Crops of nodules with the readers' rating as target, put together from a bank of real nodules and background scans.

Each crop is a pure function of the seed, the step and its number in the step's batch. The background is cut out first,
turned, mirrored and shifted, and the nodule is put into the crop, so that neither is interpolated twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import affine_transform

from ...classification.classifier import crop, crop_location, crop_start
from ...datasets.nodule_bank import BankNodule
from ...detection.location import location_scale
from ...phantom.insertion import insert_into_preprocessed
from ...phantom.nodules.population import LungPlaces
from ...phantom.real_nodules import PlacedNodule, insert_real_nodules, place_real_nodule
from ...phantom.scanner.image_quality import ImageQuality
from ...preset import Preset
from ...volume import world_to_index
from ..cases.real_nodules import cube_image, draw_lacking, draw_point, draw_turn, place_lacking
from ..cases.store import TrainingCase
from ..detector.insertion import known_scan
from ..engine.validation import Batch

TARGETS = {1: 0.03, 2: 0.2, 3: 0.5, 4: 0.8, 5: 0.97}  # of the readers' ratings
NO_NODULE = 0.01
SIZE_SLOPE = 1.8  # by how much the rating's logit rises with ln(diameter), other ratings equal: fitted to the bank
FALSE_ALARM_RADIUS = 5.0
NODULE_REACH = 1.0  # diameters around a scan's own nodules in which nothing is learned
TRIES = 6


TRAITS = ("texture", "spiculation", "lobulation", "margin", "sphericity", "subtlety")  # 1 to 5, as the readers saw them
UNKNOWN_TRAITS = (float("nan"),) * (len(TRAITS) + 4)
CALCIFICATION_ABSENT = 6
TYPICAL_DIAMETER_MM, HU_PER_TRAIT = 10.0, 200.0


class Rated(NamedTuple):
    """image (S, S, S) uint8; location (3, S/4, S/4, S/4) float32; target, the suspicion from 0 to 1.

    traits: what else is known of a nodule, see `traits_of`; NaN where it is not.
    """

    image: np.ndarray
    location: np.ndarray
    target: float
    traits: tuple[float, ...] = UNKNOWN_TRAITS


@dataclass(frozen=True)
class CropAugmentation:
    """How crops are changed in training; shares are those of the crops that are changed so."""

    scales: tuple[float, float] = (0.87, 1.15)  # of the nodules
    turned_share: float = 0.6
    turned_degrees: float = 12.0  # about each axis
    shift_voxels: float = 1.0
    shift_radii: float = 0.15
    resampled_share: float = 0.5
    resampled_mm_k: tuple[float, float] = (0.6, 2.5)
    resampled_mm_ji: tuple[float, float] = (0.6, 1.3)
    grey_offset: float = 3.0
    contrast: float = 0.03
    noise_grey: float = 3.0


class Background(NamedTuple):
    """A scan to put nodules into, what is known of it, and the detector's false alarms (N, 3) in working voxels.

    Its own nodules are regions to keep away from.
    """

    case: TrainingCase
    quality: ImageQuality
    places: LungPlaces
    false_alarms: np.ndarray

    @staticmethod
    def of(case: TrainingCase, centers: np.ndarray, preset: Preset) -> Background:
        """Of centres of proposals (N, 3) those that lie in no region to keep away from are false alarms."""
        own = case.nodules * (1, 1, 1, NODULE_REACH)
        regions = np.concatenate([case.exclusion_regions, own.reshape(-1, 4)])
        case = replace(case, exclusion_regions=regions)
        gaps = np.linalg.norm(centers[:, None] - regions[None, :, :3], axis=2) - regions[None, :, 3]
        return Background(case, *known_scan(case, preset), centers[(gaps > 0).all(axis=1)])


def cut(
    background: Background, center_kji: np.ndarray, turn: np.ndarray | None, preset: Preset
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A crop of `preset.crop_size` around a point, its location crop, and the crop's affine (4, 4) to LPS mm.

    Parameters
    ----------
    turn
        (3, 3) offsets in the crop to offsets in the scan: a turn and a mirror; None to cut out whole voxels.
    """
    scan, size = background.case.scan, preset.crop_size
    start, to_scan = crop_start(center_kji, preset), np.eye(4)
    scale = location_scale(preset, scan.image.shape, scan.lung_ends_kji)
    location = crop_location(start, scan.image.shape, scale, preset)
    if turn is None:
        image, to_scan[:3, 3] = crop(scan.image, start, preset), start
    else:
        to_scan[:3, :3], to_scan[:3, 3] = turn, center_kji - turn @ np.full(3, (size - 1) / 2)
        image = affine_transform(scan.image, turn, to_scan[:3, 3], (size,) * 3, order=1, cval=preset.crop_padding)
    return image, location, scan.kji_to_lps @ to_scan


def resampled(image: np.ndarray, spacings: Sequence[float], phases: Sequence[float], filled: int) -> np.ndarray:
    """An image (S, S, S) of 1 mm voxels as if it had been scanned with other ones, linear there and back.

    Voxels of the value `filled` stay.
    """
    result = image.astype(np.float32)
    for axis, (spacing, phase) in enumerate(zip(spacings, phases, strict=True)):
        size = image.shape[axis]
        coarse = np.arange(phase * spacing - spacing, size - 1 + 2 * spacing, spacing)
        way = _linear(np.clip(coarse, 0, size - 1), size)
        back = _linear((np.arange(size) - coarse[0]) / spacing, len(coarse))
        result = np.moveaxis(np.tensordot(back @ way, result, axes=(1, axis)), 0, axis)
    return np.where(image == filled, image, np.clip(np.rint(result), 0, 255)).astype(np.uint8)


def _linear(positions: np.ndarray, size: int) -> np.ndarray:
    """(P, size) float32 weights of linear interpolation at positions."""
    below = np.clip(np.floor(positions).astype(int), 0, size - 2)
    weights = np.zeros((len(positions), size), dtype=np.float32)
    rows, share = np.arange(len(positions)), positions - below
    weights[rows, below], weights[rows, below + 1] = 1 - share, share
    return weights


def target_of(malignancy: int, scale: float = 1.0) -> float:
    """The suspicion of a nodule rated 1 to 5 that was made larger by a factor."""
    logit = np.log(TARGETS[malignancy] / (1 - TARGETS[malignancy])) + SIZE_SLOPE * np.log(scale)
    return float(1 / (1 + np.exp(-logit)))


def traits_of(nodule: BankNodule, scale: float = 1.0) -> tuple[float, ...]:
    """What the readers saw and what its voxels say of a nodule that was made larger by a factor.

    `TRAITS` from -1 to 1; whether it is calcified, 0 or 1; mean and 95th percentile of its HU, in 200 HU; and
    ln(diameter / 10 mm).
    """
    hu, mask = nodule.decode()
    ratings = ((getattr(nodule, trait) - 3) / 2 for trait in TRAITS)
    noted = nodule.calcification
    calcified = float("nan") if noted is None else float(noted < CALCIFICATION_ABSENT)
    density = (float(np.mean(hu[mask])) / HU_PER_TRAIT, float(np.percentile(hu[mask], 95)) / HU_PER_TRAIT)
    return (*ratings, calcified, *density, float(np.log(nodule.diameter_mm * scale / TYPICAL_DIAMETER_MM)))


class RatedCrops:
    """Draws crops for training.

    Parameters
    ----------
    nodules
        Of the bank, cubes among them.
    shares
        Of nodules, cubes, synthetic nodules, false alarms and plain lung.
    preset
        Its `crop_size` is that of the crops.
    real_background_share
        How often a crop is of a real scan where there are synthetic patients beside.
    """

    def __init__(
        self,
        backgrounds: Sequence[Background],
        nodules: Sequence[BankNodule],
        shares: tuple[float, float, float, float, float],
        augmentation: CropAugmentation,
        preset: Preset,
        seed: int,
        real_background_share: float = 1.0,
    ) -> None:
        self._augmentation, self._preset, self._seed = augmentation, preset, seed
        self._real = [one for one in backgrounds if not one.case.synthetic]
        self._synthetic_patients = [one for one in backgrounds if one.case.synthetic]
        self._real_share = real_background_share if self._synthetic_patients else 1.0
        self._nodules = [nodule for nodule in nodules if not nodule.is_cube]
        self._cubes = [nodule for nodule in nodules if nodule.is_cube]
        self._shares = np.cumsum(shares) / np.sum(shares)

    def batch(self, step: int, numbers: range) -> Batch:
        """image (B, 1, S, S, S) uint8, location (B, 3, S/4, S/4, S/4), target (B,), traits (B, 10) float32."""
        return collate([self.item(step, number) for number in numbers])

    def item(self, step: int, number: int) -> Rated:
        """One crop."""
        rng = np.random.default_rng([self._seed, step, number])
        backgrounds = self._real if rng.random() < self._real_share else self._synthetic_patients
        background = backgrounds[int(rng.integers(len(backgrounds)))]
        kind = int(np.searchsorted(self._shares, rng.random(), side="right"))
        found = None
        if kind == 0:
            found = self._with_nodule(rng, background)
        elif kind == 1 and self._cubes:
            found = self._of_cube(rng, background)
        elif kind == 2:
            found = self._synthetic(rng, background)
        elif kind == 3 and len(background.false_alarms):
            center = background.false_alarms[rng.integers(len(background.false_alarms))]
            found = self._without_nodule(rng, background, center)
        if found is None:
            found = self._without_nodule(rng, background, draw_voxel(rng, background))
        return found._replace(image=self._altered(rng, found.image))

    def _cut(
        self, rng: np.random.Generator, background: Background, center_kji: np.ndarray, radius: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        how = self._augmentation
        shift = rng.uniform(-1, 1, 3) * (how.shift_voxels + how.shift_radii * radius)
        turn = draw_turn(rng, how.turned_degrees) if rng.random() < how.turned_share else None
        return cut(background, center_kji + shift, turn, self._preset)

    def _with_nodule(self, rng: np.random.Generator, background: Background) -> Rated | None:
        nodule = self._nodules[rng.integers(len(self._nodules))]
        for _ in range(TRIES):
            placed = place_real_nodule(rng, nodule, background.places, self._augmentation.scales)
            if placed is not None:
                center = center_of(placed, background)
                image, location, affine = self._cut(rng, background, center, placed.diameter_mm / 2)
                image = insert_real_nodules(image, affine, [placed], background.quality, self._preset)
                return Rated(
                    image, location, target_of(nodule.malignancy, placed.scale), traits_of(nodule, placed.scale)
                )
        return None

    def _of_cube(self, rng: np.random.Generator, background: Background) -> Rated:
        nodule = self._cubes[rng.integers(len(self._cubes))]
        turn = draw_turn(rng, self._augmentation.turned_degrees)
        shift = rng.uniform(-1, 1, 3) * self._augmentation.shift_voxels
        image = cube_image(nodule, turn, shift, self._preset.crop_size, self._preset)
        _, location, _ = self._cut(rng, background, draw_voxel(rng, background), 0.0)
        return Rated(image, location, target_of(nodule.malignancy), traits_of(nodule))

    def _synthetic(self, rng: np.random.Generator, background: Background) -> Rated | None:
        sort, diameter = draw_lacking(rng)
        nodule = place_lacking(rng, sort, diameter, background.places)
        center_kji = world_to_index(background.case.scan.kji_to_lps, np.array([nodule.center_lps_mm]))[0]
        image, location, affine = self._cut(rng, background, center_kji, diameter / 2)
        image = insert_into_preprocessed(image, affine, [nodule], background.quality, self._preset)
        return Rated(image, location, sort.suspicion)

    def _without_nodule(self, rng: np.random.Generator, background: Background, center_kji: np.ndarray) -> Rated:
        image, location, _ = self._cut(rng, background, center_kji, FALSE_ALARM_RADIUS)
        return Rated(image, location, NO_NODULE)

    def _altered(self, rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
        """Resampled, mirrored, brighter or darker, noisier; filled voxels stay."""
        how, filled = self._augmentation, image == self._preset.tissue_value
        if rng.random() < how.resampled_share:
            spacings = [rng.uniform(*how.resampled_mm_k), *rng.uniform(*how.resampled_mm_ji, 2)]
            image = resampled(image, spacings, rng.random(3).tolist(), self._preset.tissue_value)
        offset, contrast = rng.uniform(-1, 1) * how.grey_offset, 1 + rng.uniform(-1, 1) * how.contrast
        noise = max(rng.uniform(-1, 1), 0) * how.noise_grey
        changed = image * np.float32(contrast) + np.float32(offset)
        if noise:
            changed += np.float32(noise) * rng.standard_normal(image.shape, dtype=np.float32)
        image = np.where(filled, image, np.clip(np.rint(changed), 0, 255)).astype(np.uint8)
        flips = tuple(axis for axis in range(3) if rng.random() < 0.5)
        return np.ascontiguousarray(np.flip(image, flips))


def collate(rows: Sequence[Rated]) -> Batch:
    """Crops as tensors."""
    return {
        "image": torch.from_numpy(np.stack([row.image for row in rows])[:, None]),
        "location": torch.from_numpy(np.stack([row.location for row in rows])),
        "target": torch.tensor([row.target for row in rows], dtype=torch.float32),
        "traits": torch.tensor([row.traits for row in rows], dtype=torch.float32),
    }


def center_of(placed: PlacedNodule, background: Background) -> np.ndarray:
    """A placed nodule's middle in working voxels, (3,)."""
    center: np.ndarray = world_to_index(background.case.scan.kji_to_lps, np.array([placed.center_lps_mm]))[0]
    return center


def draw_voxel(rng: np.random.Generator, background: Background) -> np.ndarray:
    """A random place in the lungs, (3,) in working voxels."""
    point = draw_point(rng, background.places, 0.0, np.inf)
    voxel: np.ndarray = world_to_index(background.case.scan.kji_to_lps, np.array([point]))[0]
    return voxel


def shown(
    placed: PlacedNodule,
    background: Background,
    preset: Preset,
    center_kji: np.ndarray | None = None,
    turn: np.ndarray | None = None,
) -> Rated:
    """A placed nodule as the classifier would see it, or with a crop of another middle and turn."""
    center = center_of(placed, background) if center_kji is None else center_kji
    image, location, affine = cut(background, center, turn, preset)
    image = insert_real_nodules(image, affine, [placed], background.quality, preset)
    return Rated(image, location, target_of(placed.nodule.malignancy, placed.scale))


def without_nodule(background: Background, center_kji: np.ndarray, preset: Preset) -> Rated:
    """A place of a scan as it is."""
    image, location, _ = cut(background, center_kji, None, preset)
    return Rated(image, location, NO_NODULE)
