"""Synthetic nodules (see `phantom`) put where nodules can be in a real lung, with the blur and noise of its scan."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..phantom.insertion import insert_into_preprocessed
from ..phantom.places import LungPlaces
from ..phantom.population import POPULATIONS, draw_nodule
from ..phantom.scan_look import ScanLook, look_of_preprocessed
from ..phantom.scan_places import places_of_scan
from ..phantom.shapes import Point
from ..preset import Preset
from ..volume import CTVolume, index_to_world
from .case_store import TrainingCase
from .preparing import to_working

_PLACES = POPULATIONS["dsb"].place_shares
_POINTS = 100


class _Known(NamedTuple):
    """What is found out of a scan once."""

    look: ScanLook
    places: LungPlaces


class PlacesWithin:
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
        self.low_lps_mm: Point = tuple(np.maximum(self._low, places.low_lps_mm))
        self.high_lps_mm: Point = tuple(np.minimum(self._high, places.high_lps_mm))
        self.vessels = places.vessels[self._inside(places.vessels[:, :3])]
        self.bronchi = places.bronchi[self._inside(places.bronchi[:, :3])]

    def depth_mm(self, points: np.ndarray) -> np.ndarray:
        """Way to the pleura in mm; negative outside the lungs and outside the box."""
        return np.where(self._inside(points), self._places.depth_mm(points), -1.0)

    def upper(self, points: np.ndarray) -> np.ndarray:
        """Whether points lie in an upper lobe."""
        return self._places.upper(points)

    def _inside(self, points: np.ndarray) -> np.ndarray:
        return ((points >= self._low) & (points <= self._high)).all(axis=1)


class LungInserter:
    """An `Inserter` for the cases of a store of some preset; what it finds out of a case it finds out once."""

    def __init__(self, preset: Preset) -> None:
        self._preset = preset
        self._known: dict[str, _Known] = {}

    def __call__(
        self,
        rng: np.random.Generator,
        case: TrainingCase,
        crop: np.ndarray,
        start_kji: np.ndarray,
        diameter_mm: float,
        margin: float,
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Insert a nodule; see `Inserter`."""
        look, places = self._of(case)
        scan = case.scan
        reach = margin + diameter_mm / scan.spacing_mm / 2
        low, high = start_kji + reach, start_kji + len(crop) - 1 - reach
        if (low > high).any():
            low = high = start_kji + (len(crop) - 1) / 2
        within = PlacesWithin(places, low, high, scan.kji_to_lps)
        if not _has_lung(rng, within):
            return None
        place = rng.choice(list(_PLACES), p=np.array(list(_PLACES.values())))
        nodule = draw_nodule(rng, within, diameter_mm, place=place)
        if nodule is None:
            return None
        of_crop = scan.kji_to_lps.copy()
        of_crop[:3, 3] += scan.kji_to_lps[:3, :3] @ start_kji
        painted = insert_into_preprocessed(crop, of_crop, [nodule], look, self._preset)
        return painted, to_working(np.array([[*nodule.center_lps_mm, nodule.diameter_mm]]), scan)[0]

    def _of(self, case: TrainingCase) -> _Known:
        known = self._known.get(case.name)
        if known is None:  # threads that come for the same case find out the same
            known = self._known.setdefault(case.name, _known(case, self._preset))
        return known


def _has_lung(rng: np.random.Generator, places: LungPlaces) -> bool:
    """Whether some of a few points lie in the lungs: spares the search where hardly any would."""
    if not np.less(places.low_lps_mm, places.high_lps_mm).all():
        return False
    points = rng.uniform(places.low_lps_mm, places.high_lps_mm, (_POINTS, 3))
    return bool((places.depth_mm(points) > 0).any())


def _known(case: TrainingCase, preset: Preset) -> _Known:
    scan, (low, high) = case.scan, preset.window_hu
    hu = (scan.image * ((high - low) / 255) + low).astype(np.int16)
    centers = index_to_world(scan.kji_to_lps, case.keep_away[:, :3])
    keep_away = [
        ((float(x), float(y), float(z)), float(radius))
        for (x, y, z), radius in zip(centers, case.keep_away[:, 3] * scan.spacing_mm, strict=True)
    ]
    places = places_of_scan(CTVolume(hu, scan.kji_to_lps), scan.lungs, keep_away=keep_away)
    return _Known(look_of_preprocessed(scan, preset), places)
