"""Finding a point in the lungs where a nodule of a given size and place can lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .nodule import Place
from .places import LungPlaces
from .shapes import Point

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


def find_place(
    rng: np.random.Generator,
    places: LungPlaces,
    diameter_mm: float,
    place: Place,
    keep_away: Sequence[tuple[Point, float]] = (),
) -> Point | None:
    """A centre (x, y, z) in LPS mm for a nodule at a place, or None where the lungs have no room for it.

    - isolated: its surface `ISOLATED_FREE_MM` or more from the pleura, clear of the bronchi and of larger vessels;
    - vessel: on a vessel, its surface within the lung;
    - pleura: its centre `PLEURAL_DEPTH` radii deep;
    - bronchus: beside a bronchus, its centre `BRONCHIAL_DEPTH` radii deep or more.

    Parameters
    ----------
    keep_away
        Balls (centre in LPS mm, radius in mm) that the nodule's surface stays out of.
    """
    radius = diameter_mm / 2
    for _ in range(TRIES):
        points = _candidates(rng, places, radius, place)
        if len(points) == 0:
            return None
        for center, ball_mm in keep_away:
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
            return (float(points[0][0]), float(points[0][1]), float(points[0][2]))
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
    return on[:, :3] + away[:, None] * directions


def _clearance(points: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """(N,) way from each point (N, 3) to the nearest surface of the lines (M, 4)."""
    if len(lines) == 0 or len(points) == 0:
        return np.full(len(points), np.inf)
    return np.min(np.linalg.norm(points[:, None] - lines[None, :, :3], axis=2) - lines[:, 3], axis=1)
