"""Nodules put into a patch while it is made, the strongest ingredient where few scans have described nodules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

import numpy as np

from ...datasets.nodule_bank import BankNodule
from ...phantom.fields import Point, as_point
from ...phantom.insertion import insert_into_preprocessed, places_of_scan
from ...phantom.nodules.nodule import SyntheticNodule
from ...phantom.nodules.population import POPULATIONS, LungPlaces, draw_nodule
from ...phantom.real_nodules import PlacedNodule, insert_real_nodules, place_real_nodule
from ...phantom.scanner.image_quality import ImageQuality, preprocessed_image_quality
from ...preprocessing.working_grid import from_grey
from ...preset import Preset
from ...volume import CTVolume, index_to_world
from ..cases.prepare import to_working
from ..cases.real_nodules import draw_lacking, place_lacking
from ..cases.store import TrainingCase
from .recipe import Recipe

_TRIES = 4
_PLACES = POPULATIONS["dsb"].place_shares
_POINTS = 100
_SUBSOLID_WEIGHT = 2.5

Inserted = tuple[np.ndarray, np.ndarray]
"""The new crop (S, S, S) uint8 and the nodule's box (4,) k, j, i, d in voxels of the scan."""

Inserter = Callable[[np.random.Generator, TrainingCase, np.ndarray, np.ndarray, float, float], Inserted | None]
"""Puts one nodule into a piece of a scan, as `LungInserter` does; None where no place was found."""


def insert(
    rng: np.random.Generator,
    inserter: Inserter,
    case: TrainingCase,
    crop: np.ndarray,
    start_kji: np.ndarray,
    recipe: Recipe,
) -> tuple[np.ndarray, np.ndarray]:
    """A crop with a nodule, sometimes more, and their boxes (N, 4) in voxels of the scan; none where none fits.

    A nodule never touches another or an exclusion region.
    """
    boxes, count = np.zeros((0, 4)), 1
    while count < recipe.most_inserted and rng.random() < recipe.second_inserted:
        count += 1
    for _ in range(count):
        for _ in range(_TRIES):
            taken = np.concatenate([case.nodules, case.exclusion_regions * (1, 1, 1, 2), boxes])
            found = inserter(rng, case, crop, start_kji, draw_diameter(rng, recipe), recipe.margin)
            if found is not None and not _touches(found[1], taken):
                crop, boxes = found[0], np.concatenate([boxes, found[1][None]])
                break
    return crop, boxes


def draw_diameter(rng: np.random.Generator, recipe: Recipe) -> float:
    """A diameter in mm from the recipe's log-normal distribution, within its range."""
    median, spread = recipe.inserted_diameter
    return float(np.clip(median * np.exp(spread * rng.standard_normal()), *recipe.inserted_range))


def _touches(box: np.ndarray, others: np.ndarray) -> bool:
    distance = np.linalg.norm(others[:, :3] - box[:3], axis=1)
    return bool((distance < (box[3] + others[:, 3]) / 2).any())


class LungInserter:
    """An `Inserter` for the cases of a store of some preset.

    What it finds out of a case it keeps as long as the store keeps the case, so that a large cohort fits into memory.
    """

    def __init__(self, preset: Preset) -> None:
        self._preset = preset
        self._known: WeakKeyDictionary[TrainingCase, tuple[ImageQuality, LungPlaces]] = WeakKeyDictionary()

    def __call__(
        self,
        rng: np.random.Generator,
        case: TrainingCase,
        crop: np.ndarray,
        start_kji: np.ndarray,
        diameter_mm: float,
        margin: float,
    ) -> Inserted | None:
        """Insert a nodule of about this diameter.

        Parameters
        ----------
        crop
            (S, S, S) uint8, the scan's voxels from `start_kji` on, maybe with nodules inserted before; not changed.
        margin
            Voxels that the nodule's box keeps from every side of the crop, where it fits.
        """
        within = self._places_within(case, len(crop), start_kji, diameter_mm, margin)
        if not _has_lung(rng, within):
            return None
        place = rng.choice(list(_PLACES), p=np.array(list(_PLACES.values())))
        nodule = draw_nodule(rng, within, diameter_mm, place=place)
        return None if nodule is None else self._painted(case, crop, start_kji, nodule)

    def _known_scan(self, case: TrainingCase) -> tuple[ImageQuality, LungPlaces]:
        known = self._known.get(case)
        return known or self._known.setdefault(case, known_scan(case, self._preset))

    def _places_within(
        self, case: TrainingCase, size: int, start_kji: np.ndarray, diameter_mm: float, margin: float
    ) -> _PlacesWithin:
        """Where in a crop a nodule's centre may lie; its middle alone where the nodule is too large for the margin."""
        scan = case.scan
        reach = margin + diameter_mm / scan.spacing_mm / 2
        low, high = start_kji + reach, start_kji + size - 1 - reach
        if (low > high).any():
            low = high = start_kji + (size - 1) / 2
        return _PlacesWithin(self._known_scan(case)[1], low, high, scan.kji_to_lps)

    def _painted(
        self, case: TrainingCase, crop: np.ndarray, start_kji: np.ndarray, nodule: SyntheticNodule | PlacedNodule
    ) -> Inserted:
        """The crop with the nodule in its place, and the nodule's box."""
        quality, scan = self._known_scan(case)[0], case.scan
        crop_to_lps = scan.kji_to_lps.copy()
        crop_to_lps[:3, 3] = index_to_world(scan.kji_to_lps, start_kji)
        if isinstance(nodule, PlacedNodule):
            painted = insert_real_nodules(crop, crop_to_lps, [nodule], quality, self._preset)
        else:
            painted = insert_into_preprocessed(crop, crop_to_lps, [nodule], quality, self._preset)
        return painted, to_working(np.array([[*nodule.center_lps_mm, nodule.diameter_mm]]), scan)[0]


class BankInserter(LungInserter):
    """An `Inserter` of real nodules of a bank and, for the rest, of synthetic ones of sorts that it lacks.

    Their diameters are the bank's and the sorts', not the recipe's. Masses are no larger than the crop.

    Parameters
    ----------
    nodules
        Of the bank; subsolid ones, which are few, come more often than others.
    """

    def __init__(self, preset: Preset, nodules: Sequence[BankNodule], recipe: Recipe) -> None:
        super().__init__(preset)
        self._nodules, self._real_share, self._off_centre = nodules, recipe.real_share, recipe.off_centre
        weights = np.array([_SUBSOLID_WEIGHT if nodule.is_subsolid else 1.0 for nodule in nodules])
        self._chances = weights / weights.sum()

    def __call__(
        self,
        rng: np.random.Generator,
        case: TrainingCase,
        crop: np.ndarray,
        start_kji: np.ndarray,
        diameter_mm: float,
        margin: float,
    ) -> Inserted | None:
        """Insert a nodule, see `LungInserter`; its diameter is drawn here."""
        if rng.random() < self._real_share:
            nodule = self._nodules[rng.choice(len(self._nodules), p=self._chances)]
            within = self._places_in(case, crop, start_kji, nodule.diameter_mm, margin)
            tries = (place_real_nodule(rng, nodule, within) for _ in range(_TRIES))
            placed = next((one for one in tries if one is not None), None) if _has_lung(rng, within) else None
            return None if placed is None else self._painted(case, crop, start_kji, placed)
        sort, diameter_mm = draw_lacking(rng)
        diameter_mm = min(diameter_mm, len(crop) * case.scan.spacing_mm)
        within = self._places_in(case, crop, start_kji, diameter_mm, margin)
        if not _has_lung(rng, within):
            return None
        return self._painted(case, crop, start_kji, place_lacking(rng, sort, diameter_mm, within))

    def _places_in(
        self, case: TrainingCase, crop: np.ndarray, start_kji: np.ndarray, diameter_mm: float, margin: float
    ) -> _PlacesWithin:
        """`_places_within`, for a nodule that is too large for the margin some voxels around the middle."""
        most = (len(crop) - 1 - diameter_mm / case.scan.spacing_mm) / 2 - self._off_centre
        return self._places_within(case, len(crop), start_kji, diameter_mm, min(margin, most))


def known_scan(case: TrainingCase, preset: Preset) -> tuple[ImageQuality, LungPlaces]:
    """How a case was imaged, and where nodules may lie in it."""
    scan = case.scan
    hu = from_grey(scan.image, preset).astype(np.int16)
    centers = index_to_world(scan.kji_to_lps, case.exclusion_regions[:, :3])
    radii_mm = case.exclusion_regions[:, 3] * scan.spacing_mm
    regions = [(as_point(center), float(radius)) for center, radius in zip(centers, radii_mm, strict=True)]
    places = places_of_scan(CTVolume(hu, scan.kji_to_lps), case.lungs.labels, exclusion_regions=regions)
    return preprocessed_image_quality(scan, preset), places


class _PlacesWithin:
    """The places (see `LungPlaces`) of a scan that lie in a box of working voxels.

    Parameters
    ----------
    low_kji, high_kji
        The first and last voxel (3,) that a centre may have; `kji_to_lps` takes them to the patient.
    """

    def __init__(self, places: LungPlaces, low_kji: np.ndarray, high_kji: np.ndarray, kji_to_lps: np.ndarray) -> None:
        corners = index_to_world(kji_to_lps, np.stack([low_kji, high_kji]))
        self._places = places
        self._low, self._high = corners.min(axis=0), corners.max(axis=0)
        self.low_lps_mm: Point = as_point(np.maximum(self._low, places.low_lps_mm))
        self.high_lps_mm: Point = as_point(np.minimum(self._high, places.high_lps_mm))
        self.vessels = places.vessels[self._inside(places.vessels[:, :3])]
        self.bronchi = places.bronchi[self._inside(places.bronchi[:, :3])]

    def depth_mm(self, points: np.ndarray) -> np.ndarray:
        """Way to the pleura in mm; negative outside the lungs and outside the box."""
        return np.where(self._inside(points), self._places.depth_mm(points), -1.0)

    def upper(self, points: np.ndarray) -> np.ndarray:
        """Whether points lie in an upper lobe."""
        return self._places.upper(points)

    def _inside(self, points: np.ndarray) -> np.ndarray:
        return np.asarray(((points >= self._low) & (points <= self._high)).all(axis=1))


def _has_lung(rng: np.random.Generator, places: LungPlaces) -> bool:
    """Whether some of a few points lie in the lungs: spares the search where hardly any would."""
    if not np.less(places.low_lps_mm, places.high_lps_mm).all():
        return False
    points = rng.uniform(places.low_lps_mm, places.high_lps_mm, (_POINTS, 3))
    return bool((places.depth_mm(points) > 0).any())
