"""The residual unit that both networks are made of (Fig. 5b)."""

from __future__ import annotations

import copy

import torch
from torch import nn


class ResidualUnit(nn.Module):
    """Two 3x3x3 convolutions with batch norm, added to a shortcut (1x1x1 where the channels change), then ReLU.

    Shape: (B, C_in, Z, Y, X) to (B, C_out, Z, Y, X).
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(channels_in, channels_out, 3, padding=1)
        self.bn1 = nn.BatchNorm3d(channels_out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv3d(channels_out, channels_out, 3, padding=1)
        self.bn2 = nn.BatchNorm3d(channels_out)
        self.shortcut = (
            nn.Identity()
            if channels_in == channels_out
            else nn.Sequential(nn.Conv3d(channels_in, channels_out, 1), nn.BatchNorm3d(channels_out))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return self.relu(out)

    def unpadded(self, x: torch.Tensor) -> torch.Tensor:
        """The same without padding: what comes out is two voxels smaller at either end of each axis."""
        out = self.relu(self.bn1(_without_padding(self.conv1)(x)))
        out = self.bn2(_without_padding(self.conv2)(out))
        out += self.shortcut(x[..., 2:-2, 2:-2, 2:-2])
        return self.relu(out)


def _without_padding(convolution: nn.Conv3d) -> nn.Conv3d:
    """A convolution with the same weights that only goes where its kernel fits."""
    unpadded = copy.copy(convolution)
    unpadded.padding = (0, 0, 0)
    return unpadded


def residual_block(channels_in: int, channels_out: int, units: int) -> nn.Sequential:
    """`units` residual units in a row; the first changes the channels."""
    first = ResidualUnit(channels_in, channels_out)
    return nn.Sequential(first, *(ResidualUnit(channels_out, channels_out) for _ in range(units - 1)))


def upsampling(channels: int) -> nn.Sequential:
    """Deconvolution of stride 2 and kernel 2 (the feedback path of Fig. 5a)."""
    return nn.Sequential(
        nn.ConvTranspose3d(channels, channels, 2, stride=2), nn.BatchNorm3d(channels), nn.ReLU(inplace=True)
    )
