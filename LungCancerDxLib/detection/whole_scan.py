"""N-Net over a whole scan: in one exact pass with memory bounded by slabs, or in the published tiles (section IV-G).

The tiles are for parity with the paper and the code of 2017: their seams change the answer. Of the exact pass only the
layers up to stride 4 hold large maps. They run in slabs along i, first those at full resolution and then those at
stride 2, each slab with a halo that covers all that its layers see. The layers at full resolution see but two voxels
further: little is computed twice. From stride 4 on the maps of a whole scan fit at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product

import numpy as np
import torch

from ..networks.nnet import ENTRY_HALO, STRIDE, NNet, descent_halo
from ..preset import Preset, TileGrid
from ..runtime.device import Compute, exact_arithmetic
from ..runtime.progress import Progress, part, silent
from .location import LocationScale

_STEM_SHARE, _ENTRY_SHARE = 0.4, 0.5  # of all operations, and of the stem's, for the progress
_THICKER_AT_STRIDE_2 = 2  # a slab of as many bytes: a quarter of the pixels in a plane, but more maps at once
_TRUNK_HALVINGS = {"forw2": 0, "forw3": 1, "forw4": 2, "back3": 1, "back2": 0}  # of each block, below stride 4
_WIDEST = 248  # voxels of a slab: bfloat16 convolutions of rows above 256 take 2.5 times as long a voxel
NOT_COMPUTED = -1e6  # logit of what no tile computes
_LIVE_MAPS = 2.5  # full-resolution maps of 24 channels that are alive at once in a slab


def normalised(grey: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """uint8 grey values to the detector's input, (grey - 128) / 128."""
    return (grey.to(dtype) - 128) / 128  # exact in every type


def slab_thickness(shape_kji: tuple[int, ...], dtype: torch.dtype, available_gb: float) -> int:
    """Voxels along i that a slab may have without its halo, so that the stem fits the room: a multiple of 4, or 4."""
    map_bytes_of_plane = shape_kji[0] * shape_kji[1] * 24 * dtype.itemsize
    entry_bytes = shape_kji[2] * map_bytes_of_plane / 8
    planes = int((available_gb * 1e9 - entry_bytes) / (map_bytes_of_plane * _LIVE_MAPS)) - 2 * ENTRY_HALO
    return max(min(planes, _WIDEST) // STRIDE * STRIDE, STRIDE)


def stem_in_slabs(
    net: NNet, image: torch.Tensor, slab: int, compute: Compute, progress: Progress = silent
) -> torch.Tensor:
    """`net.stem` of the whole image, slab by slab.

    Parameters
    ----------
    image
        (Z, Y, X) uint8 or float on the host, each axis a multiple of 4; uint8 is normalised slab by slab.
    slab
        Thickness along i in voxels without halo, a multiple of 4.

    Returns
    -------
    (1, 32, Z/4, Y/4, X/4) on the device.
    """

    def enter(grey: torch.Tensor) -> torch.Tensor:
        grey = grey.to(compute.device)
        return net.entry(normalised(grey, compute.dtype) if grey.dtype == torch.uint8 else grey.to(compute.dtype))

    entry = _in_slabs(enter, image[None, None], slab, ENTRY_HALO, part(progress, 0.0, _ENTRY_SHARE))
    thicker = slab * _THICKER_AT_STRIDE_2
    return _in_slabs(net.descent, entry, thicker, descent_halo(net), part(progress, _ENTRY_SHARE, 1.0))


def _in_slabs(
    layers: Callable[[torch.Tensor], torch.Tensor], source: torch.Tensor, slab: int, halo: int, progress: Progress
) -> torch.Tensor:
    """What layers that end in a pool of two give for a whole map (1, C, Z, Y, X); slab and halo are even."""
    size = source.shape[-1]
    whole: torch.Tensor | None = None
    for start in range(0, size, slab):
        progress("detecting nodules", start / size)
        low, end = max(start - halo, 0), min(start + slab, size)
        out = layers(source[..., low : min(end + halo, size)])
        if whole is None:
            whole = out.new_empty(*out.shape[:-1], size // 2).to(memory_format=torch.channels_last_3d)
        whole[..., start // 2 : end // 2] = out[..., (start - low) // 2 : (end - low) // 2]
        del out
    assert whole is not None  # an image has at least one plane
    return whole


def whole_scan_output(
    net: NNet,
    image: np.ndarray,
    location: LocationScale,
    preset: Preset,
    compute: Compute,
    slab: int,
    progress: Progress = silent,
) -> np.ndarray:
    """Network output of a whole scan.

    Parameters
    ----------
    net
        On the device and of the type that `compute` names, in evaluation mode.
    image
        (Z, Y, X) uint8.

    Returns
    -------
    (ceil(Z/4), ceil(Y/4), ceil(X/4), anchors, 5) float32.
    """
    cells = [-(-n // STRIDE) for n in image.shape]
    padding = [(0, -n % STRIDE) for n in image.shape]
    padded = np.pad(image, padding, constant_values=preset.tissue_value)
    padded_cells = tuple(n // STRIDE for n in padded.shape)
    with exact_arithmetic():
        place = torch.from_numpy(location.map(np.zeros(3), padded_cells))[None].to(compute.device, compute.dtype)
        stem = stem_in_slabs(net, torch.from_numpy(padded), slab, compute, part(progress, 0.0, _STEM_SHARE))
        with _watched_trunk(net, part(progress, _STEM_SHARE, 1.0)):
            output = net.head(net.trunk(stem, place))[0, : cells[0], : cells[1], : cells[2]].float().cpu()
    progress("detecting nodules", 1.0)
    return output.numpy()


@contextmanager
def _watched_trunk(net: NNet, progress: Progress) -> Iterator[None]:
    """Progress after every residual unit of the trunk, by the operations done; it may stop the work there."""
    costs = [
        (unit, sum(parameter.numel() for parameter in unit.parameters()) / 8**halvings)
        for name, halvings in _TRUNK_HALVINGS.items()
        for unit in getattr(net, name)
    ]
    total, done = sum(cost for _, cost in costs), 0.0

    def reporter(cost: float) -> Callable[..., None]:
        def report(*_: object) -> None:
            nonlocal done
            done += cost
            progress("detecting nodules", min(done / total, 1.0))

        return report

    handles = [unit.register_forward_hook(reporter(cost)) for unit, cost in costs]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


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
