"""In which floating-point type a training computes: half precision where it is quick and right, float32 elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ...runtime.device import Compute, choose_compute, has_bfloat16

_SMALLEST_HALF_MAP = 4  # voxels along every axis
_CONVOLUTIONS = (torch.conv3d, torch.conv_transpose3d)


def training_compute(device: str = "auto", precision: str = "auto") -> Compute:
    """The device asked for and the type of its convolutions; weights are float32 whatever it is.

    "auto" is bfloat16 on processors and GPUs that have instructions for it, float16 with scaled losses on other GPUs,
    and float32 on other processors and MPS.

    Raises
    ------
    UsageError
        Where the device is not there or cannot compute in the asked-for type.
    """
    compute = choose_compute(device, precision)
    if precision != "auto":
        return compute
    if has_bfloat16(compute.device):
        return replace(compute, dtype=torch.bfloat16)
    return replace(compute, dtype=torch.float16) if compute.device.type == "cuda" else compute


@contextmanager
def autocast(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Within the block the layers that gain by it compute in a type, on a processor only those with maps large enough.

    oneDNN's bfloat16 convolutions are wrong on small maps where the processor has AVX512_BF16 but no AMX (torch 2.13):
    the gradient of a 3x3x3 kernel over a map two voxels deep is whatever was in memory, and so is the output of one of
    a single channel over a map one voxel deep. Patches of 32 voxels reach such maps.
    """
    half = dtype != torch.float32
    small_maps = _SmallMapsInFloat32() if half and device.type == "cpu" else nullcontext()
    with torch.autocast(device.type, dtype, enabled=half), small_maps:
        yield


class _SmallMapsInFloat32(TorchFunctionMode):
    """Convolutions of maps (..., Z, Y, X) under four voxels along some axis leave autocast."""

    def __torch_function__(self, function: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        """Call a function of torch."""
        if function not in _CONVOLUTIONS or min(arguments[0].shape[-3:]) >= _SMALLEST_HALF_MAP:
            return function(*arguments, **(options or {}))
        image, *rest = arguments
        with torch.autocast("cpu", enabled=False):
            return function(image.float(), *rest, **(options or {}))
