"""Nodules as people have them: how many, how large, of which kind and where.

Sizes follow the two sets of the paper's Fig. 2a: "luna" many small nodules, "dsb" larger ones with a tail beyond 40 mm.
No patient has more than `MOST_BIG` nodules of `BIG_MM` or more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import numpy as np

from ..fields import Point, as_point
from .nodule import Kind, Margin, Place, SyntheticNodule

Population = Literal["luna", "dsb"]
T = TypeVar("T")

BIG_MM, MOST_BIG = 6.0, 4
APART_MM = 6.0  # between the surfaces of two nodules

TRIES, POINTS_PER_TRY = 30, 300
ISOLATED_FREE_MM = 4.0  # from its surface to the pleura
INNER_FREE_MM = 1.0  # the same of a nodule on a vessel
PLEURAL_DEPTH = (0.75, 0.92)  # of the centre, in radii: it rests on the pleura with a broad foot
ON_VESSEL = (0.3, 1.0)  # from the vessel's centre line to the nodule's centre, in radii
ON_BRONCHUS = (0.5, 1.0)  # from the bronchus' surface to the nodule's centre, in radii
BRONCHIAL_DEPTH = 0.7  # at least, in radii: it may reach into the hilum
CLEAR_OF_BRONCHI_MM = 2.0  # an isolated nodule's surface from a bronchus' surface
FREE_OF_VESSEL = 0.5  # in radii: a vessel this near to an isolated nodule's centre would make it a vascular one
LARGE_VESSEL_MM = 2.5  # radius from which a vessel counts there; smaller ones are everywhere


@dataclass(frozen=True)
class PopulationShape:
    """The distributions of one set."""

    count_shares: tuple[float, ...]  # probability of 0, 1, 2 ... nodules in a patient
    median_mm: float  # of the log-normal diameter, before it is cut to `range_mm`
    log_spread: float
    range_mm: tuple[float, float]
    place_shares: dict[Place, float]  # probability of each place


POPULATIONS: dict[Population, PopulationShape] = {
    "luna": PopulationShape(
        count_shares=(0.32, 0.34, 0.17, 0.09, 0.05, 0.03),
        median_mm=6.55,
        log_spread=0.58,
        range_mm=(3.2, 34.0),
        place_shares={"isolated": 0.50, "vessel": 0.26, "pleura": 0.23, "bronchus": 0.01},
    ),
    "dsb": PopulationShape(
        count_shares=(0.35, 0.27, 0.17, 0.12, 0.06, 0.03),
        median_mm=10.45,
        log_spread=0.70,
        range_mm=(3.5, 65.0),
        place_shares={"isolated": 0.40, "vessel": 0.25, "pleura": 0.25, "bronchus": 0.10},
    ),
}
# Of each kind: probability where the diameter allows it, range of diameters in mm, and range of HU.
KINDS: dict[Kind, tuple[float, tuple[float, float], tuple[float, float]]] = {
    "solid": (0.64, (0.0, np.inf), (15.0, 65.0)),
    "part-solid": (0.11, (6.0, 45.0), (-650.0, -450.0)),
    "ground-glass": (0.13, (4.5, 40.0), (-680.0, -480.0)),
    "calcified": (0.07, (0.0, 20.0), (250.0, 650.0)),
    "cavitated": (0.05, (12.0, np.inf), (10.0, 50.0)),
}
# Probability of a margin at small and at large diameters, and the diameter halfway between them, mm.
LOBULATED_SHARES, LOBULATED_HALFWAY_MM = (0.10, 0.55), 13.0
SPICULATED_SHARES, SPICULATED_HALFWAY_MM = (0.01, 0.70), 18.0
HALFWAY_STEEPNESS_MM = 2.0


class LungPlaces(Protocol):
    """What is known of a pair of lungs, at points (x, y, z) in LPS mm.

    `low_lps_mm` and `high_lps_mm` are the corners of a box that holds the lungs. `vessels` (M, 4), x, y, z and radius
    in mm, are points on the centre lines of vessels within the lungs; M may be 0. `bronchi` (M, 4) are the same of the
    main and lobar bronchi; the points themselves may lie outside the lungs.
    """

    @property
    def low_lps_mm(self) -> Point: ...

    @property
    def high_lps_mm(self) -> Point: ...

    @property
    def vessels(self) -> np.ndarray: ...

    @property
    def bronchi(self) -> np.ndarray: ...

    def depth_mm(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) to the way to the nearest pleura in mm, (N,); negative outside the lungs."""

    def upper(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) to whether each lies in an upper lobe, (N,) bool."""


def draw_nodules(
    rng: np.random.Generator, places: LungPlaces, *, population: Population = "dsb", count: int | None = None
) -> tuple[SyntheticNodule, ...]:
    """The nodules of one patient, by sizes, numbers and places as the `population` has them.

    A `count` replaces the drawn number. Fewer come where the lungs have no room, or where `MOST_BIG` are big.
    """
    shape = POPULATIONS[population]
    if count is None:
        count = int(rng.choice(len(shape.count_shares), p=shape.count_shares))
    drawn: list[SyntheticNodule] = []
    for _ in range(count):
        diameter = draw_diameter_mm(rng, population)
        if diameter >= BIG_MM and sum(nodule.diameter_mm >= BIG_MM for nodule in drawn) == MOST_BIG:
            continue
        place = _choose(rng, shape.place_shares)
        nodule = draw_nodule(rng, places, diameter, place=place, others=drawn)
        if nodule is not None:
            drawn.append(nodule)
    return tuple(drawn)


def draw_diameter_mm(rng: np.random.Generator, population: Population) -> float:
    """A diameter of the set's distribution."""
    shape = POPULATIONS[population]
    while True:
        diameter = shape.median_mm * float(np.exp(shape.log_spread * rng.standard_normal()))
        if shape.range_mm[0] <= diameter <= shape.range_mm[1]:
            return diameter


def draw_nodule(
    rng: np.random.Generator,
    places: LungPlaces,
    diameter_mm: float,
    *,
    place: Place = "isolated",
    others: Sequence[SyntheticNodule] = (),
) -> SyntheticNodule | None:
    """One nodule of a given diameter; kind and margin are drawn as they are likely at that size.

    It keeps `APART_MM` from the `others`. Where the lungs have no room for it at the given place it goes to another
    place; None where they have none at all.
    """
    kind = _choose(rng, {kind: share for kind, (share, (low, high), _) in KINDS.items() if low <= diameter_mm <= high})
    margin = _draw_margin(rng, diameter_mm, kind)
    hu, seed = float(rng.uniform(*KINDS[kind][2])), int(rng.integers(2**31))
    exclusion_regions = [(o.center_lps_mm, o.diameter_mm / 2 + APART_MM) for o in others]
    for where in dict.fromkeys([place, *POPULATIONS["dsb"].place_shares]):
        center = find_place(rng, places, diameter_mm, where, exclusion_regions)
        if center is not None:
            upper = bool(places.upper(np.array([center]))[0])
            return SyntheticNodule(center, diameter_mm, hu, kind, margin, where, upper, seed)
    return None


def find_place(
    rng: np.random.Generator,
    places: LungPlaces,
    diameter_mm: float,
    place: Place,
    exclusion_regions: Sequence[tuple[Point, float]] = (),
) -> Point | None:
    """A centre (x, y, z) in LPS mm for a nodule at a place, or None where the lungs have no room for it.

    - isolated: its surface `ISOLATED_FREE_MM` or more from the pleura, clear of the bronchi and of larger vessels;
    - vessel: on a vessel, its surface within the lung;
    - pleura: its centre `PLEURAL_DEPTH` radii deep;
    - bronchus: beside a bronchus, its centre `BRONCHIAL_DEPTH` radii deep or more.

    Its surface stays out of the `exclusion_regions`, balls (centre in LPS mm, radius in mm).
    """
    radius = diameter_mm / 2
    for _ in range(TRIES):
        points = _candidates(rng, places, radius, place)
        if len(points) == 0:
            return None
        for center, ball_mm in exclusion_regions:
            points = points[np.linalg.norm(points - center, axis=1) >= radius + ball_mm]
        depth = places.depth_mm(points)
        if place == "isolated":
            points = points[depth >= radius + ISOLATED_FREE_MM]
            points = points[_clearance(points, places.bronchi) >= radius + CLEAR_OF_BRONCHI_MM]
            large = places.vessels[places.vessels[:, 3] >= LARGE_VESSEL_MM]
            points = points[_clearance(points, large) >= FREE_OF_VESSEL * radius]
        elif place == "vessel":
            points = points[depth >= radius + INNER_FREE_MM]
        elif place == "pleura":
            points = points[(depth >= PLEURAL_DEPTH[0] * radius) & (depth <= PLEURAL_DEPTH[1] * radius)]
        else:
            points = points[depth >= BRONCHIAL_DEPTH * radius]
            points = points[_clearance(points, places.bronchi) >= ON_BRONCHUS[0] * radius]
        if len(points):
            return as_point(points[0])
    return None


def _candidates(rng: np.random.Generator, places: LungPlaces, radius_mm: float, place: Place) -> np.ndarray:
    """(N, 3) points to choose from: anywhere, or beside a vessel or bronchus."""
    if place in ("isolated", "pleura"):
        return rng.uniform(places.low_lps_mm, places.high_lps_mm, (POINTS_PER_TRY, 3))
    lines, reach = (places.vessels, ON_VESSEL) if place == "vessel" else (places.bronchi, ON_BRONCHUS)
    if len(lines) == 0:
        return np.empty((0, 3))
    on = lines[rng.integers(len(lines), size=POINTS_PER_TRY)]
    directions = rng.standard_normal((POINTS_PER_TRY, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    away = radius_mm * rng.uniform(*reach, POINTS_PER_TRY)
    if place == "bronchus":
        away = away + on[:, 3]
    return np.asarray(on[:, :3] + away[:, None] * directions)


def _clearance(points: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """(N,) way from each point (N, 3) to the nearest surface of the lines (M, 4)."""
    if len(lines) == 0 or len(points) == 0:
        return np.full(len(points), np.inf)
    return np.asarray(np.min(np.linalg.norm(points[:, None] - lines[None, :, :3], axis=2) - lines[:, 3], axis=1))


def _draw_margin(rng: np.random.Generator, diameter_mm: float, kind: Kind) -> Margin:
    """Larger nodules are more often lobulated or spiculated; ground glass and calcified ones are never spiculated."""
    may_have_spicules = kind not in ("ground-glass", "calcified")
    spiculated = may_have_spicules * _rising(diameter_mm, SPICULATED_SHARES, SPICULATED_HALFWAY_MM)
    lobulated = _rising(diameter_mm, LOBULATED_SHARES, LOBULATED_HALFWAY_MM)  # of those without spicules
    margins: dict[Margin, float] = {
        "spiculated": spiculated,
        "lobulated": (1 - spiculated) * lobulated,
        "smooth": (1 - spiculated) * (1 - lobulated),
    }
    return _choose(rng, margins)


def _rising(diameter_mm: float, shares: tuple[float, float], halfway_mm: float) -> float:
    return float(shares[0] + (shares[1] - shares[0]) / (1 + np.exp((halfway_mm - diameter_mm) / HALFWAY_STEEPNESS_MM)))


def _choose(rng: np.random.Generator, shares: dict[T, float]) -> T:
    probabilities = np.array(list(shares.values()))
    return list(shares)[int(rng.choice(len(probabilities), p=probabilities / probabilities.sum()))]
