"""A mask as runs of voxels along its rows, and their connected components.

A lung has a hundred times fewer runs than voxels, so that components, their sizes and moments come that much cheaper
than from a label volume, and are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]
Neighbour = tuple[int, int, int]
"""Offset in slices and rows to a row in which neighbours lie, and how far they may lie to the side of a run."""

PIXELS: tuple[Neighbour, ...] = ((0, 1, 1),)
"""Neighbours within a slice: faces and corners."""

FACES: tuple[Neighbour, ...] = ((0, 1, 0), (1, 0, 0))
FACES_AND_EDGES: tuple[Neighbour, ...] = ((0, 1, 1), (1, 0, 1), (1, 1, 0), (1, -1, 0))
ALL: tuple[Neighbour, ...] = ((0, 1, 1), (1, 0, 1), (1, 1, 1), (1, -1, 1))


@dataclass(frozen=True)
class Runs:
    """The runs of a mask in the order of its memory.

    Parameters
    ----------
    shape
        (K, J, I) of the mask.
    first, last
        (N,) flat index of the first and of the last voxel of each run.
    """

    shape: tuple[int, int, int]
    first: Ints
    last: Ints

    @staticmethod
    def of(mask: np.ndarray) -> Runs:
        """The runs of a mask (K, J, I) bool."""
        k, j, i = mask.shape
        change = np.zeros((k, j, i + 1), dtype=bool)  # before each voxel, and after the last one of a row
        if i:
            change[..., 0], change[..., -1] = mask[..., 0], mask[..., -1]
            np.not_equal(mask[..., 1:], mask[..., :-1], out=change[..., 1:-1])
        flat = np.flatnonzero(change)
        flat -= flat // (i + 1)
        return Runs((k, j, i), flat[::2], flat[1::2] - 1)

    @cached_property
    def row(self) -> Ints:
        """(N,) number of the row, over all slices."""
        return self.first // self.shape[2]

    @cached_property
    def size(self) -> Ints:
        """(N,) voxels of each run."""
        return self.last - self.first + 1

    @property
    def k(self) -> Ints:
        """(N,) number of the slice."""
        return self.row // self.shape[1]

    def below(self, end: int) -> Runs:
        """The runs of the slices before this one."""
        count = np.searchsorted(self.first, end * self.shape[1] * self.shape[2])
        return Runs(self.shape, self.first[:count], self.last[:count])

    def in_slice(self, k: int) -> tuple[Runs, slice]:
        """The runs of one slice as a mask of its own (1, J, I), and which they are here."""
        size = self.shape[1] * self.shape[2]
        here = slice(*np.searchsorted(self.first, [k * size, (k + 1) * size]))
        return Runs((1, *self.shape[1:]), self.first[here] - k * size, self.last[here] - k * size), here

    def holding(self, points_kji: np.ndarray) -> np.ndarray:
        """Which runs hold any of these voxels (M, 3)."""
        flat = np.ravel_multi_index(tuple(points_kji.T), self.shape)
        run = np.searchsorted(self.first, flat, "right") - 1
        return np.unique(run[(run >= 0) & (flat <= self.last[run])]) if len(self.first) else run[:0]

    def at_border(self, axis: int, side: int) -> Bools:
        """(N,) bool: which runs touch the first (0) or the last (-1) plane across an axis."""
        along = self.k, self.row % self.shape[1], (self.last if side else self.first) % self.shape[2]
        return np.equal(along[axis], self.shape[axis] - 1 if side else 0)

    def components(self, neighbours: Sequence[Neighbour]) -> Components:
        """The connected components of the mask."""
        _, rows, columns = self.shape
        k, j = np.divmod(self.row, rows)
        width = columns + 2  # so that a step to the side does not reach the next row, and
        place = (k * (rows + 1) + j) * width  # an empty row keeps the slices apart
        first = place + self.first - self.row * columns
        last = first + self.size - 1
        shifts = [((dk * (rows + 1) + dj) * width, side) for dk, dj, side in neighbours]
        count, of_run = connected_components(_touching(first, last, shifts), directed=False)
        return Components(self, int(count), of_run)

    def paint(self, values: np.ndarray) -> np.ndarray:
        """(K, J, I) array of the values' type: each run filled with its value (N,), zero elsewhere."""
        lengths = np.empty(2 * len(self.first) + 1, dtype=np.intp)
        lengths[1::2] = self.size
        lengths[0:-1:2] = self.first - np.concatenate([[0], self.last[:-1] + 1])
        lengths[-1] = np.prod(self.shape) - (self.last[-1] + 1 if len(self.last) else 0)
        alternating = np.zeros(len(lengths), dtype=values.dtype)
        alternating[1::2] = values
        return np.repeat(alternating, lengths).reshape(self.shape)


@dataclass(frozen=True)
class Components:
    """Connected components: which one each run belongs to, (N,) in 0..count-1."""

    runs: Runs
    count: int
    of_run: np.ndarray

    @cached_property
    def size(self) -> np.ndarray:
        """(count,) voxels of each component."""
        return self.sums(self.runs.size).astype(np.intp)

    def sums(self, of_runs: np.ndarray) -> np.ndarray:
        """(count,) sums over each component's runs, float64."""
        return np.bincount(self.of_run, of_runs, minlength=self.count)

    def choose(self, runs: np.ndarray) -> np.ndarray:
        """(count,) bool: the components of these runs (numbers, or bool for each run)."""
        chosen = np.zeros(self.count, dtype=bool)
        chosen[self.of_run[runs]] = True
        return chosen

    def mask(self, chosen: np.ndarray) -> np.ndarray:
        """(K, J, I) bool: the components chosen by a mask (count,)."""
        return self.runs.paint(chosen[self.of_run])


def _touching(first: np.ndarray, last: np.ndarray, shifts: Sequence[tuple[int, int]]) -> csr_array:
    """(N, N) graph of the runs that, moved by one of the shifts, overlap another or miss it by at most `side`."""
    low = np.stack([np.searchsorted(last, first + (shift - side), "left") for shift, side in shifts], axis=-1)
    high = np.stack([np.searchsorted(first, last + (shift + side), "right") for shift, side in shifts], axis=-1)
    count = np.maximum(high - low, 0).ravel()
    end = np.concatenate([[0], np.cumsum(count)])
    touched = np.arange(end[-1]) - np.repeat(end[:-1] - low.ravel(), count)
    return csr_array((np.ones(len(touched)), touched, end[:: len(shifts)].copy()), shape=(len(first), len(first)))
