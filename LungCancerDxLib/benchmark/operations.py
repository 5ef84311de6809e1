"""Counting the floating-point operations of convolutions, where nearly all of them are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from ..networks.nnet import DEEPEST_STRIDE, STRIDE, NNet
from ..preset import Preset

_CONVOLUTIONS = (nn.Conv3d, nn.ConvTranspose3d)


@dataclass
class Counted:
    """flop: operations so far, 2 a multiply-add. seconds: nothing is timed here; whoever counts does."""

    flop: float = 0.0


@contextmanager
def counting() -> Iterator[Counted]:
    """Count the operations of every 3D convolution that runs in the block, in any network."""
    counted = Counted()

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        if isinstance(module, _CONVOLUTIONS):
            places = inputs[0] if isinstance(module, nn.ConvTranspose3d) else output
            counted.flop += 2.0 * places[0, 0].numel() * len(places) * module.weight.numel()

    handle = register_module_forward_hook(count)
    try:
        yield counted
    finally:
        handle.remove()


def detector_flop(preset: Preset, shape_kji: tuple[int, ...]) -> float:
    """Operations of N-Net over a box of voxels, each computed once and nothing beside it."""
    size = 2 * DEEPEST_STRIDE
    return _flop_of_cube(preset, size, None) / size**3 * float(np.prod(shape_kji))


def crop_flop(preset: Preset, central: int | None = None) -> float:
    """Operations of C-Net's backbone over one crop: the whole map, or its central cells only."""
    return _flop_of_cube(preset, preset.crop_size, central)


def _flop_of_cube(preset: Preset, size: int, central: int | None) -> float:
    """Counted on tensors without content."""
    with torch.device("meta"), counting() as counted:
        net = NNet(preset).eval()
        image, place = torch.empty(1, 1, *(size,) * 3), torch.empty(1, 3, *(size // STRIDE,) * 3)
        features = net.features(image, place, central)
        if central is None:
            net.head(features)
    return counted.flop
