"""N-Net over a whole scan: in one exact pass with memory bounded by slabs, or in the published tiles (section IV-G).

The tiles are for parity with the paper and the code of 2017: their seams change the answer. Of the exact pass only the
layers up to stride 4 hold large maps. They run in slabs along i, first those at full resolution and then those at
stride 2, each slab with a halo that covers all that its layers see. The layers at full resolution see but two voxels
further: little is computed twice. From stride 4 on the maps of a whole scan fit at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

from ..networks.nnet import ENTRY_HALO, STRIDE, NNet, descent_halo
from ..preset import Preset
from ..runtime.device import Compute, exact_arithmetic
from ..runtime.progress import Progress, part, silent
from .location import LocationScale

_STEM_SHARE, _ENTRY_SHARE = 0.4, 0.5  # of all operations, and of the stem's, for the progress
_THICKER_AT_STRIDE_2 = 2  # a slab of as many bytes: a quarter of the pixels in a plane, but more maps at once
_TRUNK_HALVINGS = {"forw2": 0, "forw3": 1, "forw4": 2, "back3": 1, "back2": 0}  # of each block, below stride 4
_WIDEST = 248  # voxels of a slab: bfloat16 convolutions of rows above 256 take 2.5 times as long a voxel
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


def tiled_output(
    net: NNet,
    image: np.ndarray,
    location: LocationScale,
    preset: Preset,
    compute: Compute,
    progress: Progress = silent,
) -> np.ndarray:
    """Network output of a scan cut into the preset's tiles; their grid is anchored at voxel 0.

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
    core, margin = grid.core // STRIDE, grid.margin // STRIDE  # cells
    seen, where = _with_margins(image, location, preset)
    tiles = list(np.ndindex(*(-(-n // grid.core) for n in image.shape)))
    size = [(n + 1) * core for n in tiles[-1]]
    output = np.empty([*size, net.anchors, 5], np.float32)
    kept = slice(margin, margin + core)
    with exact_arithmetic():
        for n, tile in enumerate(tiles):
            progress("detecting nodules", n / len(tiles))
            voxels = tuple(slice(k * grid.core, (k + 1) * grid.core + 2 * grid.margin) for k in tile)
            cells = tuple(slice(k * core, (k + 1) * core + 2 * margin) for k in tile)
            grey = torch.from_numpy(seen[voxels]).to(compute.device)
            place = torch.from_numpy(where[:, *cells])[None].to(compute.device, compute.dtype)
            out = net(normalised(grey, compute.dtype)[None, None], place)[0, kept, kept, kept]
            output[tuple(slice(k * core, (k + 1) * core) for k in tile)] = out.float().cpu().numpy()
    progress("detecting nodules", 1.0)
    return output


def _with_margins(image: np.ndarray, location: LocationScale, preset: Preset) -> tuple[np.ndarray, np.ndarray]:
    """The image and its location map (3, ...) padded to whole tiles with their margins on all sides."""
    grid = preset.tile_grid
    assert grid is not None
    whole = np.pad(image, [(0, -n % STRIDE) for n in image.shape], constant_values=preset.tissue_value)
    padding = [(grid.margin, grid.margin - n % -grid.core) for n in whole.shape]
    if grid.padding == "tissue":
        seen = np.pad(whole, padding, constant_values=preset.tissue_value)
        k, j, i = (n // STRIDE for n in seen.shape)
        return seen, location.map(np.full(3, -grid.margin), (k, j, i))
    k, j, i = (n // STRIDE for n in whole.shape)
    cells = [(0, 0), *((low // STRIDE, high // STRIDE) for low, high in padding)]
    return np.pad(whole, padding, mode="edge"), np.pad(location.map(np.zeros(3), (k, j, i)), cells, mode="edge")
