"""The segmenter: a small 3D U-Net that outlines the nodule in the middle of a crop (ours; the paper outlines nothing).

Its norms are over the groups of a crop, so that an outline does not depend on what else is in the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn

CHANNELS = (16, 32, 48, 64)
WHOLE, CORE = 0, 1
"""The channels of the output: the whole nodule, and its solid core."""
_GROUPS = 4
_MIDDLE_HU, _HALF_WINDOW_HU = -300.0, 700.0  # -1000 to 400 HU become -1 to 1


class _Unit(nn.Module):
    """Two 3x3x3 convolutions with group norm, added to a shortcut (1x1x1 where the channels change), then ReLU."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(channels_in, channels_out, 3, padding=1)
        self.norm1 = nn.GroupNorm(_GROUPS, channels_out)
        self.conv2 = nn.Conv3d(channels_out, channels_out, 3, padding=1)
        self.norm2 = nn.GroupNorm(_GROUPS, channels_out)
        self.shortcut: Callable[[torch.Tensor], torch.Tensor] = (
            nn.Identity() if channels_in == channels_out else nn.Conv3d(channels_in, channels_out, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(out)) + self.shortcut(x))


class SegmenterNet(nn.Module):
    """Crops around proposals to the logits of whole nodule and solid core.

    Beside the image it sees a ball, one in the middle and a half at the proposal's surface, and the size of a voxel:
    what is meant, and how large it is.
    """

    def __init__(self) -> None:
        super().__init__()
        pairs = list(pairwise(CHANNELS))
        self.down = nn.ModuleList([_Unit(3, CHANNELS[0]), *(_Unit(fine, coarse) for fine, coarse in pairs)])
        self.pool = nn.MaxPool3d(2)
        self.up = nn.ModuleList(nn.ConvTranspose3d(coarse, fine, 2, stride=2) for fine, coarse in pairs)
        self.back = nn.ModuleList(_Unit(fine, fine) for fine, _ in pairs)
        self.output = nn.Conv3d(CHANNELS[0], 2, 1)

    def forward(self, hu: torch.Tensor, diameter_mm: torch.Tensor, spacing_mm: torch.Tensor) -> torch.Tensor:
        """HU (B, 1, S, S, S), S a multiple of 8, and sizes of proposals and voxels (B,) to logits (B, 2, S, S, S)."""
        x = _seen(hu, diameter_mm, spacing_mm).contiguous(memory_format=torch.channels_last_3d)
        maps = [self.down[0](x)]
        for unit in self.down[1:]:
            maps.append(unit(self.pool(maps[-1])))
        x = maps.pop()
        for up, back in zip(reversed(self.up), reversed(self.back), strict=True):
            x = back(up(x) + maps.pop())
        logits: torch.Tensor = self.output(x)
        return logits


def _seen(hu: torch.Tensor, diameter_mm: torch.Tensor, spacing_mm: torch.Tensor) -> torch.Tensor:
    """(B, 3, S, S, S): windowed image, ball, and the logarithm of the spacing."""
    image = ((hu - _MIDDLE_HU) / _HALF_WINDOW_HU).clamp(-1, 1)
    size = hu.shape[-1]
    square = (torch.arange(size, device=hu.device, dtype=hu.dtype) - (size - 1) / 2) ** 2
    far = square[:, None, None] + square[:, None] + square
    radius = (diameter_mm / (2 * spacing_mm)).view(-1, 1, 1, 1, 1)
    spacing = torch.log2(spacing_mm).view(-1, 1, 1, 1, 1)
    return torch.cat([image, torch.exp2(-far / radius**2), spacing.expand_as(image)], dim=1)
