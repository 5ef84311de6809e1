"""Residual units only where their output is wanted: layer by layer, in tiles, with nothing computed twice.

A layer computes the tiles that hold a cell which a later layer looks at. It reads them with a border of one cell from
the whole map of the layer before, so that no halo is recomputed; what lies outside the tiles is never looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from .blocks import ResidualUnit, without_padding

TILE = (4, 4, 8)  # cells; long along i, where the processors' convolutions want rows of eight
_TILES_AT_ONCE = {"cpu": 128, "cuda": 8192}


class TiledMap:
    """A map of (C, Z, Y, X) cells whose tiles are read with a border of one cell and written without it.

    Beyond its ends lie zeros, as convolutions with padding see them. Tiles are (N, 3) indices from `tiles_of`.
    """

    def __init__(self, channels: int, shape: Sequence[int], like: torch.Tensor) -> None:
        self.shape = tuple(shape)
        self._counts = [-(-n // t) for n, t in zip(shape, TILE, strict=True)]
        size = [n * t + 2 for n, t in zip(self._counts, TILE, strict=True)]
        self._cells = like.new_zeros(*size, channels)

    @property
    def cells(self) -> torch.Tensor:
        """The map itself, (Z, Y, X, C), to write whole."""
        return self._cells[1 : 1 + self.shape[0], 1 : 1 + self.shape[1], 1 : 1 + self.shape[2]]

    def bordered(self, tiles: torch.Tensor) -> torch.Tensor:
        """(N, C, 6, 6, 10), channels last in memory."""
        *steps, channel = self._cells.stride()
        seen = self._cells.as_strided(
            (*self._counts, *(t + 2 for t in TILE), self._cells.shape[-1]),
            (*(t * s for t, s in zip(TILE, steps, strict=True)), *steps, channel),
        )
        return seen[tuple(tiles.T)].movedim(-1, 1)

    def write(self, tiles: torch.Tensor, values: torch.Tensor) -> None:
        """Values (N, C, 4, 4, 8)."""
        inner = self._cells[1:-1, 1:-1, 1:-1]
        for axis, (count, tile) in enumerate(zip(self._counts, TILE, strict=True)):
            inner = inner.unflatten(2 * axis, (count, tile))
        inner.permute(0, 2, 4, 1, 3, 5, 6)[tuple(tiles.T)] = values.movedim(1, -1)

    def end(self) -> None:
        """Zeros again beyond the ends, where tiles reached over them."""
        for axis, n in enumerate(self.shape):
            self._cells.narrow(axis, n + 1, self._cells.shape[axis] - n - 1).zero_()


def tiles_of(wanted: torch.Tensor) -> torch.Tensor:
    """Indices (N, 3) of the tiles that hold a wanted cell, from (Z, Y, X) bool."""
    return functional.max_pool3d(wanted[None, None].float(), TILE, TILE, ceil_mode=True)[0, 0].nonzero()


def residual_units_where(
    units: nn.Sequential, source: TiledMap, wanted: torch.Tensor, report: Callable[[float], None]
) -> TiledMap:
    """What residual units give for the wanted cells, (Z, Y, X) bool; elsewhere the map means nothing.

    `report` is told the share of the work that is done and may raise to stop it.
    """
    seen = [wanted]
    for _ in range(2 * len(units) - 1):
        seen.append(functional.max_pool3d(seen[-1][None, None].float(), 3, 1, 1)[0, 0] > 0)
    layers = [tiles_of(cells) for cells in reversed(seen)]
    total, done = sum(map(len, layers)), 0
    for n, unit in enumerate(cast(Sequence[ResidualUnit], units)):
        first, second = layers[2 * n : 2 * n + 2]
        middle = TiledMap(unit.conv1.out_channels, source.shape, source.cells)
        for tiles in in_chunks(first):
            middle.write(tiles, unit.relu(unit.bn1(without_padding(unit.conv1)(source.bordered(tiles)))))
            done += len(tiles)
            report(done / total)
        middle.end()
        target = TiledMap(unit.conv2.out_channels, source.shape, source.cells)
        for tiles in in_chunks(second):
            out = unit.bn2(without_padding(unit.conv2)(middle.bordered(tiles)))
            out += unit.shortcut(source.bordered(tiles)[..., 1:-1, 1:-1, 1:-1])
            target.write(tiles, unit.relu(out))
            done += len(tiles)
            report(done / total)
        target.end()
        source = target
    return source


def pointwise_where(layers: nn.Module, source: TiledMap, wanted: torch.Tensor, canvas: TiledMap) -> None:
    """Write layers of 1x1x1 convolutions into a canvas, in the tiles that hold a wanted cell."""
    for tiles in in_chunks(tiles_of(wanted)):
        canvas.write(tiles, layers(source.bordered(tiles)[..., 1:-1, 1:-1, 1:-1]))


def in_chunks(tiles: torch.Tensor) -> Iterator[torch.Tensor]:
    """Tiles in parts that the device does at once; on a processor they stay in its cache."""
    return iter(tiles.split(_TILES_AT_ONCE.get(tiles.device.type, 128)))
