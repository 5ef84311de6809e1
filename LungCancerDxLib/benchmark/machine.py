"""What the machine can do: the floors that the stages are measured against."""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch
from torch import nn

from ..compute import Compute, exact_arithmetic

_SHAPES = {24: (32, 208, 208), 128: (48, 52, 52)}  # maps as large as those that these channels have in N-Net
_COPIED_BYTES = 200_000_000


def convolution_flop_per_s(channels: int, compute: Compute, repeat: int) -> float:
    """Operations a second of one 3x3x3 convolution from and to `channels`, the median of some runs."""
    shape = _SHAPES[channels]
    layer = nn.Conv3d(channels, channels, 3, padding=1)
    layer = layer.to(compute.device, compute.dtype, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    image = torch.rand(1, channels, *shape, device=compute.device).to(compute.dtype)
    image = image.contiguous(memory_format=torch.channels_last_3d)
    flop = 2.0 * image[0, 0].numel() * layer.weight.numel()
    with exact_arithmetic():
        return flop / statistics.median(_seconds(layer, image, compute) for _ in range(repeat + 1))


def copied_bytes_per_s(repeat: int) -> float:
    """Bytes a second that one thread reads and writes in copying memory, the median of some runs."""
    source = np.ones(_COPIED_BYTES, np.uint8)
    target = np.ones(_COPIED_BYTES, np.uint8)
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        np.copyto(target, source)
        seconds.append(time.perf_counter() - start)
    return 2 * _COPIED_BYTES / statistics.median(seconds)


def _seconds(layer: nn.Module, image: torch.Tensor, compute: Compute) -> float:
    start = time.perf_counter()
    layer(image)
    synchronise(compute)
    return time.perf_counter() - start


def synchronise(compute: Compute) -> None:
    """Wait until a device has done what it was given."""
    if compute.device.type == "cuda":
        torch.cuda.synchronize()
