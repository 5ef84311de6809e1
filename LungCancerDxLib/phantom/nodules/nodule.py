"""A lung nodule of known place, size, density and texture, and what it shows on a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any, Literal

import numpy as np

from ...volume import world_to_index
from ..canvas import Canvas, coverage
from ..fields import Point, Tube, as_point

Kind = Literal["solid", "part-solid", "ground-glass", "calcified", "cavitated"]
Margin = Literal["smooth", "lobulated", "spiculated"]
Place = Literal["isolated", "vessel", "pleura", "bronchus"]
Box = tuple[slice, slice, slice]
Noises = tuple[tuple[float, float, bool], ...]

POLAR_STEPS, AROUND_STEPS = 46, 90  # of an outline: 4 degrees
WAVES = 16  # of a noise
STRETCH = 0.13  # standard deviation of the logarithm of a half-axis
# Waves per radian, strength as a share of the radius, and whether it is folded into lobes.
NOISES: dict[Margin, Noises] = {
    "smooth": ((1.2, 0.05, False),),
    "lobulated": ((1.2, 0.07, False), (1.9, 0.16, True)),
    "spiculated": ((1.5, 0.10, False), (3.2, 0.09, False), (7.0, 0.05, False)),
}
GLASS_NOISES: Noises = ((2.0, 0.08, False), (4.5, 0.06, False))  # ground glass is never quite round

CORE_HU, CAVITY_HU = 25.0, -970.0  # of a part-solid and within a cavitated one
CORE_SHARE, CAVITY_SHARE = (0.35, 0.65), (0.40, 0.68)  # their diameter, of the nodule's
CAVITY_BELOW_HU = -880.0  # what is less dense than this replaces denser tissue
OFF_CENTRE = 0.22  # of the radius: how far a core or cavity lies off the middle
INNER_EDGE_MM = 1.2  # over which a core or cavity ends
TEXTURE_HU = {"solid": 10.0, "cavitated": 10.0, "part-solid": 60.0, "ground-glass": 60.0, "calcified": 60.0}
TEXTURES_PER_MM = (0.5, 1.1)  # radians; a coarse and a fine one
GLASS_SOFTNESS = 2.5  # the edge of ground glass is this much wider than others
LUNG_HU = -850.0
SPICULE_HU_SHARE = 0.9  # what a spicule keeps of the contrast to the lung
SPICULES, SPICULE_SHARE = (34, 58), (0.15, 0.65)  # number; length as a share of the diameter, at most LONGEST_MM
LONGEST_MM, TAG_MM = 9.0, 11.0
SPICULES_UP_TO_MM = 15.0  # larger ones have more of them
SPICULE_BASE_MM, SPICULE_TIP_MM = (0.7, 1.7), 0.25
LEAN = 0.25  # of its length: how far its tip may lie off the straight way out
NEAR_MM = 2.0  # beyond it a spicule leaves the field alone
BURIED_MM = 1.0  # spicules begin within the body
_STRAIGHT = 1e-9  # a share of a voxel below which an axis does not move a coordinate


@dataclass(frozen=True)
class SyntheticNodule:
    """One nodule, independent of any grid.

    `center_lps_mm` is the centre of mass (x, y, z) of its body and `diameter_mm` that of the ball of the body's volume;
    spicules are no part of the body. `hu` are the Hounsfield units of its substance: the ground glass of a part-solid
    one, the wall of a cavitated one. `kind`, `margin` and `place` say what it is made of, how it ends and what it lies
    on. The `seed` is that of outline, spicules and texture: the same nodule is the same on every grid.
    """

    center_lps_mm: Point
    diameter_mm: float
    hu: float = 40.0
    kind: Kind = "solid"
    margin: Margin = "smooth"
    place: Place = "isolated"
    upper_lobe: bool = False
    seed: int = 0


def nodule_fields(nodule: SyntheticNodule, x: Any, y: Any, z: Any) -> tuple[Any, Any]:
    """The nodule with its spicules at points x, y, z in LPS mm, arrays that broadcast against each other.

    Returns about the signed distance to the surface in mm, negative inside, and the Hounsfield units of what is there.
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


def core_field(nodule: SyntheticNodule, x: Any, y: Any, z: Any) -> Any | None:
    """The same of the solid core of a part-solid nodule; None where it is of another kind."""
    inner = _inner_of(nodule) if nodule.kind == "part-solid" else None
    if inner is None:
        return None
    outline, offset, _ = inner
    x, y, z = _from_center(nodule, x, y, z)
    return outline.field(x - offset[0], y - offset[1], z - offset[2])


def nodule_bounds(nodule: SyntheticNodule) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest corner (x, y, z) of a box around body and spicules, LPS mm."""
    reach = outline_of(nodule).reach_mm
    low, high = np.full(3, -reach), np.full(3, reach)
    for tube in spicules_of(nodule):
        ends = tube.bounds()
        low, high = np.minimum(low, ends[0]), np.maximum(high, ends[1])
    return low + nodule.center_lps_mm, high + nodule.center_lps_mm


def paint_nodules(canvas: Canvas, nodules: Sequence[SyntheticNodule]) -> None:
    """Add nodules to the patient (LPS mm).

    Denser tissue stays, so vessels run on through ground glass; only a cavity empties it.
    """
    for nodule in nodules:
        patch, x, y, z = canvas.patch(nodule_bounds(nodule))
        if patch.size:
            field, hu = nodule_fields(nodule, x, y, z)
            change = hu - patch
            kept = np.where(hu < CAVITY_BELOW_HU, change, np.maximum(change, 0))
            patch += coverage(field, canvas.edge_mm) * kept


def nodule_mask(nodule: SyntheticNodule, kji_to_lps: np.ndarray, shape_kji: tuple[int, ...]) -> np.ndarray:
    """The voxels whose centres lie in the nodule's body (spicules are no part of it), bool (K, J, I)."""
    mask = np.zeros(shape_kji, dtype=bool)
    box = nodule_box(nodule, kji_to_lps, shape_kji)
    if mask[box].size:
        mask[box] = body_field(nodule, *grid_points(kji_to_lps, box)) < 0
    return mask


def nodule_box(
    nodule: SyntheticNodule, kji_to_lps: np.ndarray, shape_kji: tuple[int, ...], margin_mm: float = 0.0
) -> Box:
    """The voxels that hold the nodule with its spicules and a margin, within the grid; may be empty."""
    low, high = nodule_bounds(nodule)
    corners = np.array(list(product(*zip(low - margin_mm, high + margin_mm, strict=True))))
    index = world_to_index(kji_to_lps, corners)
    first = np.clip(np.floor(index.min(axis=0)).astype(int), 0, shape_kji)
    end = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, 0, shape_kji)
    k, j, i = (slice(*ends) for ends in np.column_stack([first, end]).tolist())
    return k, j, i


def grid_points(
    kji_to_lps: np.ndarray, box: Box, steps_kji: tuple[int, ...] = (1, 1, 1)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """LPS mm (x, y, z) of the voxels in a box, each cut into `steps_kji` parts along its axes.

    The three broadcast to the box's shape times the steps; along an axis that does not move a coordinate its size is 1.
    """
    index = []
    for axis, (side, steps) in enumerate(zip(box, steps_kji, strict=True)):
        along = side.start - 0.5 + (np.arange((side.stop - side.start) * steps) + 0.5) / steps
        index.append(along.reshape([-1 if a == axis else 1 for a in range(3)]))
    points = []
    for row in kji_to_lps[:3]:
        moving = [axis for axis in range(3) if abs(row[axis]) > _STRAIGHT * np.abs(kji_to_lps[:3, axis]).max()]
        points.append(sum((row[axis] * index[axis] for axis in moving), np.full((1, 1, 1), row[3])))
    return points[0], points[1], points[2]


@dataclass(frozen=True)
class Outline:
    """A body around its centre of mass, by the way to its surface from a pole within."""

    radius_mm: np.ndarray  # (POLAR_STEPS, AROUND_STEPS) by angle from z and angle around z from x
    pole_mm: np.ndarray  # (x, y, z) where the directions start, seen from the centre of mass

    @property
    def reach_mm(self) -> float:
        """Radius of a ball around the centre of mass that holds the body."""
        return float(self.radius_mm.max() + np.linalg.norm(self.pole_mm))

    def field(self, x: Any, y: Any, z: Any) -> Any:
        """About the signed distance to the surface in mm, negative inside; x, y, z from the centre of mass."""
        dx, dy, dz = (c - float(p) for c, p in zip((x, y, z), self.pole_mm, strict=True))
        across = dx * dx + dy * dy
        distance = np.sqrt(across + dz * dz)
        polar = np.arctan2(np.sqrt(across), dz) * ((POLAR_STEPS - 1) / np.pi)
        around = np.arctan2(dy, dx) * (AROUND_STEPS / (2 * np.pi)) % AROUND_STEPS
        return distance - self._radius(polar, np.broadcast_to(around, polar.shape))

    def surface_point(self, direction: np.ndarray) -> np.ndarray:
        """Where the ray from the pole in `direction` (unit x, y, z) leaves the body, from the centre of mass."""
        ahead = self.pole_mm + direction
        return np.asarray(self.pole_mm + (1 - float(self.field(*ahead))) * direction)

    def _radius(self, polar: np.ndarray, around: np.ndarray) -> Any:
        """Bilinear in the table; `polar` in 0..POLAR_STEPS-1, `around` in 0..AROUND_STEPS and periodic."""
        table = self.radius_mm.astype(np.float32).ravel()
        row = np.minimum(polar.astype(np.int32), POLAR_STEPS - 2)
        left = np.minimum(around.astype(np.int32), AROUND_STEPS - 1)
        right = np.where(left == AROUND_STEPS - 1, 0, left + 1)
        down, aside = (polar - row).astype(np.float32), (around - left).astype(np.float32)
        upper, lower = (
            table[start + left] * (1 - aside) + table[start + right] * aside
            for start in (row * AROUND_STEPS, (row + 1) * AROUND_STEPS)
        )
        return upper + down * (lower - upper)


@lru_cache(maxsize=64)
def outline_of(nodule: SyntheticNodule) -> Outline:
    """The nodule's body: as large as the ball of `diameter_mm`, its centre of mass at the nodule's centre."""
    rng = np.random.default_rng([nodule.seed, 0])
    ragged = GLASS_NOISES if nodule.kind in ("ground-glass", "part-solid") else ()
    return draw_outline(rng, nodule.diameter_mm, NOISES[nodule.margin] + ragged)


def draw_outline(rng: np.random.Generator, diameter_mm: float, noises: Noises) -> Outline:
    """An ellipsoid of random axes, bent by noises and scaled to the ball's volume."""
    polar = np.linspace(0, np.pi, POLAR_STEPS)[:, None]
    around = np.arange(AROUND_STEPS) * (2 * np.pi / AROUND_STEPS)
    flat = np.ones(AROUND_STEPS)
    directions = np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar) * flat], -1)
    axes, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    half_axes = np.exp(STRETCH * rng.standard_normal(3))
    radius = 1 / np.linalg.norm(directions @ axes / half_axes, axis=-1)
    for waves, strength, folded in noises:
        noise = plane_waves(rng, waves, *np.moveaxis(directions, -1, 0).astype(np.float32))
        if folded:  # round lobes with valleys between them
            noise = 1.5 * (np.sqrt(noise**2 + 0.02) - 0.8)
        radius = radius * np.exp(strength * np.clip(noise, -2.5, 2.5))
    share = np.sin(polar) / (np.sin(polar).sum() * AROUND_STEPS)  # of the sphere's surface
    radius *= diameter_mm / 2 / np.cbrt(np.sum(share * radius**3))
    volume = np.sum(share * radius**3) / 3
    centroid = np.einsum("pa,pac->c", share * radius**4 / 4, directions) / volume
    return Outline(radius, -centroid)


def plane_waves(rng: np.random.Generator, frequency: float, x: Any, y: Any, z: Any, count: int = WAVES) -> Any:
    """Smooth noise of mean 0 and standard deviation 1 at points; `frequency` in radians per unit of x, y, z."""
    vectors = frequency * rng.standard_normal((count, 3)).astype(np.float32)
    phases = rng.uniform(0, 2 * np.pi, count).astype(np.float32)
    noise: Any = 0.0
    for (a, b, c), phase in zip(vectors, phases, strict=True):
        noise = noise + np.cos(a * x + b * y + (c * z + phase))
    return noise * np.float32(np.sqrt(2 / count))


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
        strands.append(Tube(as_point(start), as_point(end), base, SPICULE_TIP_MM))
    return tuple(strands)


def _substance(nodule: SyntheticNodule, x: Any, y: Any, z: Any) -> Any:
    """Hounsfield units of the body, with its texture and its core or cavity."""
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
    return draw_outline(rng, diameter, NOISES["spiculated"]), as_point(offset), hu


def _join(field: np.ndarray, tube: Tube, x: Any, y: Any, z: Any) -> None:
    """Add a spicule to the field, in place, where it is near."""
    low, high = tube.bounds()
    box = [slice(0, size) for size in field.shape]
    for axis, c in enumerate((x, y, z)):
        near = (c > low[axis] - NEAR_MM) & (c < high[axis] + NEAR_MM)
        for n in np.flatnonzero(np.array(c.shape) > 1):
            where = np.flatnonzero(near.any(axis=tuple(o for o in range(c.ndim) if o != n)))
            first, end = (int(where[0]), int(where[-1]) + 1) if len(where) else (0, 0)
            box[n] = slice(max(box[n].start, first), min(box[n].stop, end))
    part = field[tuple(box)]
    if part.size:
        whole = slice(None)
        here = (c[tuple(b if n > 1 else whole for b, n in zip(box, c.shape, strict=True))] for c in (x, y, z))
        np.minimum(part, tube.field(*here), out=part)


def _from_center(nodule: SyntheticNodule, *xyz: Any) -> list[np.ndarray]:
    return [np.asarray(c - o, dtype=np.float32) for c, o in zip(xyz, nodule.center_lps_mm, strict=True)]


def _unit(rng: np.random.Generator) -> np.ndarray:
    vector = rng.standard_normal(3)
    return np.asarray(vector / np.linalg.norm(vector))
