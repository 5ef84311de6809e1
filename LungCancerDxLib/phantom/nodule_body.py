"""What a nodule is made of: its body, its spicules and their Hounsfield units, wherever they are asked for."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .nodule import SyntheticNodule
from .nodule_outline import NOISES, Outline, draw_outline, outline_of, plane_waves
from .shapes import Point, Tube

CORE_HU, CAVITY_HU = 25.0, -970.0  # of a part-solid and within a cavitated one
CORE_SHARE, CAVITY_SHARE = (0.35, 0.65), (0.40, 0.68)  # their diameter, of the nodule's
OFF_CENTRE = 0.22  # of the radius: how far a core or cavity lies off the middle
INNER_EDGE_MM = 1.2  # over which a core or cavity ends
TEXTURE_HU = {"solid": 10.0, "cavitated": 10.0, "part-solid": 60.0, "ground-glass": 60.0, "calcified": 60.0}
TEXTURES_PER_MM = (0.5, 1.1)  # radians; a coarse and a fine one
GLASS_SOFTNESS = 2.5  # the edge of ground glass is this much wider than others
SPICULE_HU_SHARE = 0.9  # what a spicule keeps of the contrast to the lung
LUNG_HU = -850.0
SPICULES, SPICULE_SHARE = (34, 58), (0.15, 0.65)  # number; length as a share of the diameter, at most LONGEST_MM
LONGEST_MM, TAG_MM = 9.0, 11.0
SPICULES_UP_TO_MM = 15.0  # larger ones have more of them
SPICULE_BASE_MM, SPICULE_TIP_MM = (0.7, 1.7), 0.25
LEAN = 0.25  # of its length: how far its tip may lie off the straight way out
NEAR_MM = 2.0  # beyond it a spicule leaves the field alone
BURIED_MM = 1.0  # spicules begin within the body


def nodule_fields(nodule: SyntheticNodule, x: Any, y: Any, z: Any) -> tuple[Any, Any]:
    """The nodule with its spicules at points.

    Parameters
    ----------
    x, y, z
        LPS mm, arrays that broadcast against each other.

    Returns
    -------
    field_mm, hu
        About the signed distance to the surface, negative inside, and the Hounsfield units of what is there.
    """
    x, y, z = _from_center(nodule, x, y, z)
    body = outline_of(nodule).field(x, y, z)
    if nodule.kind in ("ground-glass", "part-solid"):
        body = body / np.float32(GLASS_SOFTNESS)
    hu = _substance(nodule, x, y, z)
    spicules = spicules_of(nodule)
    if not spicules:
        return body, hu
    field = body.copy()
    for tube in spicules:
        _join(field, tube, x, y, z)
    spicule_hu = np.float32(LUNG_HU + SPICULE_HU_SHARE * (nodule.hu - LUNG_HU))
    return field, np.where(body > 0, np.minimum(hu, spicule_hu), hu)


def body_field(nodule: SyntheticNodule, x: Any, y: Any, z: Any) -> Any:
    """About the signed distance in mm to the surface of the body without spicules; x, y, z as in `nodule_fields`."""
    return outline_of(nodule).field(*_from_center(nodule, x, y, z))


def nodule_bounds(nodule: SyntheticNodule) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest corner (x, y, z) of a box around body and spicules, LPS mm."""
    reach = outline_of(nodule).reach_mm
    low, high = np.full(3, -reach), np.full(3, reach)
    for tube in spicules_of(nodule):
        ends = tube.bounds()
        low, high = np.minimum(low, ends[0]), np.maximum(high, ends[1])
    return low + nodule.center_lps_mm, high + nodule.center_lps_mm


@lru_cache(maxsize=64)
def spicules_of(nodule: SyntheticNodule) -> tuple[Tube, ...]:
    """Thin tapering strands that radiate from a spiculated body, one of them a long tag; mm from its centre."""
    if nodule.margin != "spiculated":
        return ()
    rng = np.random.default_rng([nodule.seed, 1])
    outline = outline_of(nodule)
    strands: list[Tube] = []
    count = int(rng.integers(*SPICULES) * max(1.0, nodule.diameter_mm / SPICULES_UP_TO_MM))
    for number in range(count):
        direction = _unit(rng)
        length = nodule.diameter_mm * float(rng.uniform(*SPICULE_SHARE))
        length = TAG_MM * float(rng.uniform(0.7, 1.0)) if number == 0 else min(length, LONGEST_MM)
        base = float(rng.uniform(*SPICULE_BASE_MM))
        start = outline.surface_point(direction) - BURIED_MM * direction
        end = start + length * direction + LEAN * length * _unit(rng)
        strands.append(Tube(_point(start), _point(end), base, SPICULE_TIP_MM))
    return tuple(strands)


def _substance(nodule: SyntheticNodule, x: Any, y: Any, z: Any) -> Any:
    rng = np.random.default_rng([nodule.seed, 2])
    texture = sum(plane_waves(rng, per_mm, x, y, z, 8) for per_mm in TEXTURES_PER_MM)
    hu = np.float32(nodule.hu) + np.float32(TEXTURE_HU[nodule.kind] / np.sqrt(2)) * texture
    inner = _inner_of(nodule)
    if inner is None:
        return hu
    outline, offset, inner_hu = inner
    field = outline.field(x - offset[0], y - offset[1], z - offset[2])
    return hu + np.clip(0.5 - field / INNER_EDGE_MM, 0, 1) * (np.float32(inner_hu) - hu)


@lru_cache(maxsize=64)
def _inner_of(nodule: SyntheticNodule) -> tuple[Outline, Point, float] | None:
    """The core of a part-solid or the cavity of a cavitated one: its outline, its place from the centre, its HU."""
    if nodule.kind not in ("part-solid", "cavitated"):
        return None
    rng = np.random.default_rng([nodule.seed, 3])
    share, hu = (CORE_SHARE, CORE_HU) if nodule.kind == "part-solid" else (CAVITY_SHARE, CAVITY_HU)
    diameter = nodule.diameter_mm * float(rng.uniform(*share))
    offset = OFF_CENTRE * nodule.diameter_mm / 2 * float(rng.uniform()) * _unit(rng)
    return draw_outline(rng, diameter, NOISES["spiculated"]), _point(offset), hu


def _join(field: np.ndarray, tube: Tube, x: Any, y: Any, z: Any) -> None:
    """Let `field` be its union with `tube`, which is worked out only for the points around it."""
    low, high = tube.bounds()
    ranges = [(0, size) for size in field.shape]
    for axis, c in enumerate((x, y, z)):
        near = (c > low[axis] - NEAR_MM) & (c < high[axis] + NEAR_MM)
        for n, size in enumerate(c.shape):
            if size > 1:
                where = np.flatnonzero(near.any(axis=tuple(o for o in range(c.ndim) if o != n)))
                first, last = (int(where[0]), int(where[-1]) + 1) if len(where) else (0, 0)
                ranges[n] = (max(ranges[n][0], first), min(ranges[n][1], last))
    box = tuple(slice(*ends) for ends in ranges)
    part = field[box]
    if part.size:
        here = [
            c[tuple(s if size > 1 else slice(None) for s, size in zip(box, c.shape, strict=True))] for c in (x, y, z)
        ]
        np.minimum(part, tube.field(*here), out=part)


def _from_center(nodule: SyntheticNodule, x: Any, y: Any, z: Any) -> tuple[Any, Any, Any]:
    return tuple(np.asarray(c - o, dtype=np.float32) for c, o in zip((x, y, z), nodule.center_lps_mm, strict=True))  # type: ignore[return-value]


def _unit(rng: np.random.Generator) -> np.ndarray:
    vector = rng.standard_normal(3)
    return vector / np.linalg.norm(vector)


def _point(vector: np.ndarray) -> Point:
    return (float(vector[0]), float(vector[1]), float(vector[2]))
