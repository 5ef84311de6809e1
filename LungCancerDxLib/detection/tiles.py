"""N-Net over a scan in the published tiles (section IV-G), for parity with the paper and the 2017 code.

Seen from the whole scan this is inexact: what the network sees reaches further than the margin.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import torch

from ..networks.nnet import STRIDE, NNet
from ..preset import Preset, TileGrid
from ..runtime.device import Compute, exact_arithmetic
from ..runtime.progress import Progress, silent
from .location import LocationScale
from .whole_scan import normalised

NOT_COMPUTED = -1e6


def tile_origins(shape_kji: tuple[int, ...], core: int) -> list[tuple[int, ...]]:
    """First core voxel of every tile, the grid anchored at voxel 0."""
    return list(product(*(range(0, n, core) for n in shape_kji)))


def tile_of(array: np.ndarray, origin: tuple[int, ...], core: int, margin: int, fill: int | None) -> np.ndarray:
    """A core with its margins out of the last three axes of an array; beyond it `fill`, or its edge for None."""
    wanted = [np.arange(start - margin, start + core + margin) for start in origin]
    sizes = array.shape[-3:]
    k, j, i = np.ix_(*(np.clip(w, 0, n - 1) for w, n in zip(wanted, sizes, strict=True)))
    tile = array[..., k, j, i]
    if fill is not None:
        beyond = [(w < 0) | (w >= n) for w, n in zip(wanted, sizes, strict=True)]
        tile[..., beyond[0], :, :] = fill
        tile[..., :, beyond[1], :] = fill
        tile[..., :, :, beyond[2]] = fill
    return tile


def tiled_output(
    net: NNet,
    image: np.ndarray,
    location: LocationScale,
    preset: Preset,
    compute: Compute,
    progress: Progress = silent,
) -> np.ndarray:
    """Network output of a scan cut into the preset's tiles.

    Parameters
    ----------
    net
        On the device and of the type that `compute` names, in evaluation mode.
    image
        (Z, Y, X) uint8; padded with tissue at the far ends to whole cells.

    Returns
    -------
    (Z', Y', X', anchors, 5) float32, where Z' = ceil(Z / core) * core / 4 and so on: cells of the far padding stay in,
    as in the published code.
    """
    grid = preset.tile_grid
    assert grid is not None
    padded = np.pad(image, [(0, -n % STRIDE) for n in image.shape], constant_values=preset.tissue_value)
    cells = tuple(n // STRIDE for n in padded.shape)
    place = location.map(np.zeros(3), cells)
    origins = tile_origins(padded.shape, grid.core)
    core, margin = grid.core // STRIDE, grid.margin // STRIDE
    canvas = np.full([-(-n // grid.core) * core for n in padded.shape] + [net.anchors, 5], NOT_COMPUTED, np.float32)
    with exact_arithmetic():
        for n, origin in enumerate(origins):
            progress("detecting nodules", n / len(origins))
            first_cell = tuple(voxel // STRIDE for voxel in origin)
            seen, where = _tile_input(padded, place, location, grid, origin, preset)
            out = net(
                normalised(torch.from_numpy(seen).to(compute.device), compute.dtype)[None, None],
                torch.from_numpy(where)[None].to(compute.device, compute.dtype),
            )
            kept = slice(margin, margin + core)
            target = tuple(slice(start, start + core) for start in first_cell)
            canvas[target] = out[0, kept, kept, kept].float().cpu().numpy()
    progress("detecting nodules", 1.0)
    return canvas


def _tile_input(
    padded: np.ndarray,
    place: np.ndarray,
    location: LocationScale,
    grid: TileGrid,
    origin: tuple[int, ...],
    preset: Preset,
) -> tuple[np.ndarray, np.ndarray]:
    first_cell = tuple(voxel // STRIDE for voxel in origin)
    core, margin = grid.core // STRIDE, grid.margin // STRIDE
    if grid.padding == "edge":
        seen = tile_of(padded, origin, grid.core, grid.margin, None)
        return seen, tile_of(place, first_cell, core, margin, None)
    seen = tile_of(padded, origin, grid.core, grid.margin, preset.tissue_value)
    return seen, location.map(np.array(origin) - grid.margin, (core + 2 * margin,) * 3)
