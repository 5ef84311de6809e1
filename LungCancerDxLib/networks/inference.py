"""Networks made ready for inference: the same functions in fewer passes over memory, on the device and in the type."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import TypeVar

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..preset import Preset
from ..runtime.device import Compute

Net = TypeVar("Net", bound=nn.Module)


def fold_batch_norm(net: nn.Module) -> None:
    """Fold, in place, every batch norm that follows a convolution or deconvolution in the order of a module's parts.

    The network must be in evaluation mode. Best done in float32, before the weights take another type.
    """
    for module in net.modules():
        for (name, conv), (norm_name, norm) in pairwise(list(module.named_children())):
            if isinstance(conv, (nn.Conv3d, nn.ConvTranspose3d)) and isinstance(norm, nn.BatchNorm3d):
                transposed = isinstance(conv, nn.ConvTranspose3d)
                setattr(module, name, fuse_conv_bn_eval(conv, norm, transpose=transposed))
                setattr(module, norm_name, nn.Identity())


class ShiftedColumns(nn.Module):
    """The same function as a 3x3x3 convolution of one channel, whose three columns along i become channels."""

    def __init__(self, convolution: nn.Conv3d) -> None:
        super().__init__()
        self.convolution = nn.Conv3d(3, convolution.out_channels, (3, 3, 1), padding=(1, 1, 0))
        with torch.no_grad():
            self.convolution.weight.copy_(convolution.weight[:, 0].permute(0, 3, 1, 2).unsqueeze(-1))
        self.convolution.bias = convolution.bias

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        size, padded = image.shape[-1], functional.pad(image, (1, 1))
        columns = torch.cat([padded[..., shift : shift + size] for shift in range(3)], dim=1)
        output: torch.Tensor = self.convolution(columns.contiguous(memory_format=torch.channels_last_3d))
        return output


def replace_single_channels(net: nn.Module) -> None:
    """Replace, in place, every padded 3x3x3 convolution of one channel."""
    for module in list(net.modules()):
        for name, part in list(module.named_children()):
            if isinstance(part, nn.Conv3d) and part.in_channels == 1 and part.padding == (1, 1, 1):
                setattr(module, name, ShiftedColumns(part))


def prepare_for_inference(net: Net, preset: Preset, compute: Compute) -> Net:
    """A copy of a network for inference on the device and in the type asked for; the original keeps its precision.

    Where the preset says so the weights are rounded to bfloat16 whatever the type, so that types differ only in how
    they round the maps between layers: most of bfloat16's error is in the weights (docs/developers/speed-log.md).
    """
    copied = copy.deepcopy(net).eval()
    fold_batch_norm(copied)
    if preset.inference_weights == "bfloat16":
        copied.bfloat16().float()
    if compute.device.type == "cpu":
        replace_single_channels(copied)
    copied.to(compute.device, compute.dtype, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return copied
