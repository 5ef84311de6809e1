"""Painting into Hounsfield units, with soft edges: fields, solids, and very many thin tubes at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .fields import Solid

_BATCH = 250_000  # voxels looked at together
_SIDES = np.array([1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 26, 34, 48, 64, 96, 128, 256])  # of windows, in voxels


@dataclass(frozen=True)
class Canvas:
    """Hounsfield units under the brush."""

    hu: np.ndarray  # float32, shape (K, J, I); painted in place
    z: np.ndarray  # ascending coordinates of the voxel centres along k, mm, float32
    y: np.ndarray
    x: np.ndarray
    edge_mm: float  # over this width a painted edge goes from nothing to all

    def patch(
        self, bounds: tuple[np.ndarray, np.ndarray], grow_mm: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The part of `hu` around a box (low, high x, y, z), and its x, y, z, which broadcast against each other."""
        low, high = (end + sign * (grow_mm + self.edge_mm) for end, sign in zip(bounds, (-1, 1), strict=True))
        i, j, k = (slice(*np.searchsorted(c, (low[n], high[n]))) for n, c in enumerate((self.x, self.y, self.z)))
        return self.hu[k, j, i], self.x[i][None, None, :], self.y[j][None, :, None], self.z[k][:, None, None]

    def paint(self, solid: Solid, value: float, *, grow_mm: float = 0.0, brighten: bool = False) -> None:
        """Fill `solid`, grown by `grow_mm`; `brighten` leaves whatever is already denser than `value`."""
        patch, x, y, z = self.patch(solid.bounds(), grow_mm)
        if patch.size:
            change = value - patch
            share = coverage(solid.field(x, y, z) - grow_mm, self.edge_mm)
            patch += share * (np.maximum(change, 0) if brighten else change)


def coverage(field: Any, edge_mm: float) -> Any:
    """Share of a voxel that a solid fills, from its field: 0 outside, 1 inside, even in between."""
    share = field * (-1 / edge_mm)
    share += 0.5
    np.maximum(share, 0, out=share)
    return np.minimum(share, 1, out=share)


def blend(hu: np.ndarray, field: Any, value: Any, edge_mm: float) -> None:
    """Paint the inside of `field` with `value` over the whole of `hu` (float32, same shape), in place."""
    share = coverage(field, edge_mm)
    share *= value - hu
    hu += share


@dataclass(frozen=True)
class Strands:
    """Round-ended tubes: `start`, `end` (N, 3) x, y, z and their radii (N,), mm; a ball ends where it starts."""

    start: np.ndarray
    end: np.ndarray
    start_radius: np.ndarray
    end_radius: np.ndarray

    def pick(self, chosen: np.ndarray) -> Strands:
        """Some of them, by mask or numbers."""
        return Strands(self.start[chosen], self.end[chosen], self.start_radius[chosen], self.end_radius[chosen])

    def grown(self, by_mm: np.ndarray | float) -> Strands:
        """The same with radii that are `by_mm` (N,) greater."""
        return Strands(self.start, self.end, self.start_radius + by_mm, self.end_radius + by_mm)


def joined(strands: Iterable[Strands]) -> Strands:
    """All of several groups; none of no group."""
    parts = [(s.start, s.end, s.start_radius, s.end_radius) for s in strands]
    parts = parts or [(np.empty((0, 3)), np.empty((0, 3)), np.empty(0), np.empty(0))]
    return Strands(*map(np.concatenate, zip(*parts, strict=True)))


def paint_strands(canvas: Canvas, strands: Strands, value_hu: float, around_hu: float) -> None:
    """Paint tubes into what surrounds them, `around_hu`: brighter where `value_hu` is the greater, else darker.

    Tubes thinner than a voxel keep their mass: what they lose in brightness they have in width.
    """
    pieces = _cut(strands)
    axes = canvas.x, canvas.y, canvas.z
    radius = np.maximum(pieces.start_radius, pieces.end_radius)[:, None] + canvas.edge_mm / 2
    low, high = np.minimum(pieces.start, pieces.end) - radius, np.maximum(pieces.start, pieces.end) + radius
    first, last = (np.empty(low.shape, dtype=np.int64) for _ in range(2))
    for axis, centres in enumerate(axes):
        step = float(centres[1] - centres[0]) if len(centres) > 1 else 1.0
        first[:, axis] = np.ceil((low[:, axis] - centres[0]) / step - 1e-6)
        last[:, axis] = np.floor((high[:, axis] - centres[0]) / step + 1e-6)
    seen = ((last >= 0) & (first < [len(c) for c in axes]) & (last >= first)).all(axis=1)
    sides = np.searchsorted(_SIDES, last - first + 1)
    kind = np.where(seen, sides @ [len(_SIDES) ** 2, len(_SIDES), 1], -1)  # pieces of a kind share the size of windows
    order = np.argsort(kind, kind="stable")
    order = order[np.count_nonzero(~seen) :]
    for chosen in np.split(order, np.flatnonzero(np.diff(kind[order])) + 1):
        if len(chosen):
            size = _SIDES[sides[chosen[0]]]
            for part in np.array_split(chosen, -(-len(chosen) * int(np.prod(size)) // _BATCH)):
                _paint_batch(canvas, pieces.pick(part), first[part], size, value_hu, around_hu)


def _cut(strands: Strands) -> Strands:
    """In pieces about as long as they are thick, so that small windows hold them."""
    length = np.linalg.norm(strands.end - strands.start, axis=1)
    thick = np.maximum(strands.start_radius, strands.end_radius)
    count = np.maximum(np.ceil(length / (2.0 * thick + 1.0)), 1).astype(int)
    owner = np.repeat(np.arange(len(count)), count)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    low, high = number / count[owner], (number + 1) / count[owner]
    start, radius = strands.start[owner], strands.start_radius[owner]
    way, swell = strands.end[owner] - start, strands.end_radius[owner] - radius
    return Strands(start + way * low[:, None], start + way * high[:, None], radius + swell * low, radius + swell * high)


def _paint_batch(
    canvas: Canvas, pieces: Strands, first: np.ndarray, size: np.ndarray, value_hu: float, around_hu: float
) -> None:
    """Paint pieces in windows of `size` (x, y, z) voxels that begin at `first` (N, 3)."""
    offset, index, valid, along = [], [], [], []
    way = (pieces.end - pieces.start).astype(np.float32)
    length2 = (way**2).sum(axis=1) + np.float32(1e-6)
    for axis, centres in enumerate((canvas.x, canvas.y, canvas.z)):
        shape = [-1, *(int(size[axis]) if n == axis else 1 for n in (2, 1, 0))]
        at = first[:, axis, None] + np.arange(size[axis])
        valid.append(((at >= 0) & (at < len(centres))).reshape(shape))
        at = np.clip(at, 0, len(centres) - 1)
        away = (centres[at] - pieces.start[:, axis, None]).astype(np.float32)
        offset.append(away.reshape(shape))
        index.append(at.reshape(shape))
        along.append((away * (way[:, axis] / length2)[:, None]).reshape(shape))
    share = along[0] + along[1] + along[2]
    column = (slice(None), None, None, None)
    t = np.clip(share, 0, 1)
    distance = offset[0] ** 2 + offset[1] ** 2 + offset[2] ** 2
    distance = distance + t * (t - 2 * share) * length2[column]
    np.sqrt(np.maximum(distance, 0, out=distance), out=distance)
    swell = (pieces.end_radius - pieces.start_radius).astype(np.float32)
    distance -= t * swell[column]
    radius = pieces.start_radius.astype(np.float32)
    cover = 0.5 - (distance - radius[column]) / np.float32(canvas.edge_mm)
    thin = np.maximum(radius + swell / 2, 0) ** 2
    np.clip(cover, 0, 1, out=cover)
    cover *= (thin / (thin + canvas.edge_mm**2 / 12))[column]
    painted = cover > 0
    for inside in valid:
        if not inside.all():
            painted &= inside
    rows, columns = canvas.hu.shape[1:]
    flat = ((index[2] * rows + index[1]) * columns + index[0])[painted]
    value = np.float32(around_hu) + cover[painted] * np.float32(value_hu - around_hu)
    combine = np.maximum if value_hu > around_hu else np.minimum
    combine.at(canvas.hu.reshape(-1), flat, value)
