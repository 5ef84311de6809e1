"""A convolution of one channel as one of three, for inference: processors take half the time for it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


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
        return self.convolution(columns.contiguous(memory_format=torch.channels_last_3d))


def replace_single_channels(net: nn.Module) -> None:
    """Replace, in place, every padded 3x3x3 convolution of one channel."""
    for module in list(net.modules()):
        for name, part in list(module.named_children()):
            if isinstance(part, nn.Conv3d) and part.in_channels == 1 and part.padding == (1, 1, 1):
                setattr(module, name, ShiftedColumns(part))
