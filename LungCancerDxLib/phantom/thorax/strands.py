"""Very many thin tubes and small balls, painted at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..canvas import Canvas

_BATCH = 250_000  # voxels looked at together
_SIDES = np.array([1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 26, 34, 48, 64, 96, 128, 256])  # of windows, in voxels


@dataclass(frozen=True)
class Strands:
    """Round-ended tubes: `start`, `end` (N, 3) x, y, z and their radii (N,), mm; a ball ends where it starts."""

    start: np.ndarray
    end: np.ndarray
    start_radius: np.ndarray
    end_radius: np.ndarray

    def __len__(self) -> int:
        return len(self.start)

    def pick(self, chosen: np.ndarray) -> Strands:
        """Some of them, by mask or numbers."""
        return Strands(self.start[chosen], self.end[chosen], self.start_radius[chosen], self.end_radius[chosen])

    def grown(self, by_mm: np.ndarray | float, inside: bool = False) -> Strands:
        """The same with other radii: `by_mm` (N,) more, or less where `inside`."""
        sign = -1 if inside else 1
        return Strands(self.start, self.end, self.start_radius + sign * by_mm, self.end_radius + sign * by_mm)


def joined(strands: list[Strands]) -> Strands:
    """All of several groups."""
    return Strands(*(np.concatenate([getattr(s, name) for s in strands]) for name in Strands.__dataclass_fields__))


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
    way = strands.end - strands.start
    swell = strands.end_radius - strands.start_radius
    return Strands(
        strands.start[owner] + way[owner] * low[:, None],
        strands.start[owner] + way[owner] * high[:, None],
        strands.start_radius[owner] + swell[owner] * low,
        strands.start_radius[owner] + swell[owner] * high,
    )


def _paint_batch(
    canvas: Canvas, pieces: Strands, first: np.ndarray, size: np.ndarray, value_hu: float, around_hu: float
) -> None:
    axes = canvas.x, canvas.y, canvas.z
    offset, index, valid, along = [], [], [], []
    way = (pieces.end - pieces.start).astype(np.float32)
    length2 = (way**2).sum(axis=1) + np.float32(1e-6)
    shapes = [(-1, 1, 1, int(size[0])), (-1, 1, int(size[1]), 1), (-1, int(size[2]), 1, 1)]
    for axis, centres in enumerate(axes):
        at = first[:, axis, None] + np.arange(size[axis])
        inside = (at >= 0) & (at < len(centres))
        at = np.clip(at, 0, len(centres) - 1)
        d = (centres[at] - pieces.start[:, axis, None]).astype(np.float32)
        offset.append(d.reshape(shapes[axis]))
        index.append(at.reshape(shapes[axis]))
        valid.append(inside.reshape(shapes[axis]))
        along.append((d * (way[:, axis] / length2)[:, None]).reshape(shapes[axis]))
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
