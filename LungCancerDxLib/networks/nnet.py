"""N-Net, the nodule detector: a 3D U-Net with a region proposal head (section IV-B, Fig. 5)."""

from __future__ import annotations

import copy

import torch
from torch import nn

from ..preset import Preset


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
        return self._with_shortcut(self.bn2(self.conv2(out)), x)

    def unpadded(self, x: torch.Tensor) -> torch.Tensor:
        """The same without padding: what comes out is two voxels smaller at either end of each axis."""
        out = self.relu(self.bn1(_without_padding(self.conv1)(x)))
        return self._with_shortcut(self.bn2(_without_padding(self.conv2)(out)), x[..., 2:-2, 2:-2, 2:-2])

    def _with_shortcut(self, out: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        out += self.shortcut(x)
        activated: torch.Tensor = self.relu(out)
        return activated


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


STRIDE = 4  # voxels per output cell
FEATURE_CHANNELS = 128
ENTRY_HALO = 2  # voxels that an output of `entry` may see beyond its own: two convolutions
BOX_FIELDS = 5  # logit, dz, dy, dx, log(d / anchor)


class NNet(nn.Module):
    """Nodule proposals for a patch or a whole scan.

    The forward pass is steps that can be run apart: `entry` (full resolution, where nearly all memory goes) and
    `descent` (stride 2), together `stem`; `trunk` (everything from stride 4 on, with the location input) and `head`.
    Maps may have any size: where one is odd, the pool keeps its last cells and the way back is cut to fit.

    Attribute names and state-dict keys of preset `GRT123` are those of the checkpoints published in 2017.
    """

    def __init__(self, preset: Preset) -> None:
        super().__init__()
        units, back_units = preset.units_per_block, preset.units_per_back_block
        self.anchors = len(preset.anchors_mm)
        self.preBlock = nn.Sequential(
            nn.Conv3d(1, 24, 3, padding=1),
            nn.BatchNorm3d(24),
            nn.ReLU(inplace=True),
            nn.Conv3d(24, 24, 3, padding=1),
            nn.BatchNorm3d(24),
        )
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool3d(2, ceil_mode=True)
        self.forw1 = residual_block(24, 32, units[0])
        self.forw2 = residual_block(32, 64, units[1])
        self.forw3 = residual_block(64, 64, units[2])
        self.forw4 = residual_block(64, 64, units[3])
        self.path1 = upsampling(64)
        self.back3 = residual_block(64 + 64, 64, back_units)
        self.path2 = upsampling(64)
        self.back2 = residual_block(64 + 64 + 3, FEATURE_CHANNELS, back_units)
        self.drop = nn.Dropout3d(preset.detector_dropout)
        self.output = nn.Sequential(
            nn.Conv3d(FEATURE_CHANNELS, 64, 1), nn.ReLU(), nn.Conv3d(64, self.anchors * BOX_FIELDS, 1)
        )

    def entry(self, image: torch.Tensor) -> torch.Tensor:
        """(B, 1, Z, Y, X) to (B, 24, Z/2, Y/2, X/2)."""
        entry: torch.Tensor = self.relu(self.pool(self.preBlock(image)))  # in this order an eighth of the work
        return entry

    def descent(self, entry: torch.Tensor) -> torch.Tensor:
        """(B, 24, Z/2, Y/2, X/2) to (B, 32, Z/4, Y/4, X/4)."""
        stem: torch.Tensor = self.pool(self.forw1(entry))
        return stem

    def stem(self, image: torch.Tensor) -> torch.Tensor:
        """(B, 1, Z, Y, X) to (B, 32, Z/4, Y/4, X/4)."""
        return self.descent(self.entry(image))

    def trunk(self, stem: torch.Tensor, location: torch.Tensor, central: int | None = None) -> torch.Tensor:
        """Stem map and (B, 3, Z/4, Y/4, X/4) location map to the feature map (B, 128, Z/4, Y/4, X/4).

        With `central` only that many cells in the middle of each axis are wanted, and back2 computes only what they
        see; in training its batch norms see less of the crop then.
        """
        out2 = self.forw2(stem)
        out3 = self.forw3(self.pool(out2))
        out4 = self.forw4(self.pool(out3))
        back3 = self.back3(torch.cat((_cut(self.path1(out4), out3), out3), dim=1))
        location = location.contiguous(memory_format=torch.channels_last_3d)  # like the maps, or joining copies them
        joined = torch.cat((_cut(self.path2(back3), out2), out2, location), dim=1)
        seen = None if central is None else central + 4 * len(self.back2)  # two convolutions a unit
        if seen is None or min(joined.shape[2:]) < seen:
            features: torch.Tensor = self.back2(joined)
            return features if central is None else _middle(features, central)
        middle = _middle(joined, seen)
        for unit in self.back2:
            middle = unit.unpadded(middle)  # type: ignore[operator]
        return middle

    def head(self, features: torch.Tensor) -> torch.Tensor:
        """Feature map to (B, Z/4, Y/4, X/4, anchors, 5): logit, dz, dy, dx, log(d / anchor) per anchor."""
        boxes: torch.Tensor = self.output(self.drop(features)).movedim(1, -1)
        return boxes.reshape(*boxes.shape[:-1], self.anchors, BOX_FIELDS)

    def features(self, image: torch.Tensor, location: torch.Tensor, central: int | None = None) -> torch.Tensor:
        """Image (B, 1, Z, Y, X), normalised as the preset says, to (B, 128, Z/4, Y/4, X/4), or its middle."""
        return self.trunk(self.stem(image), location, central)

    def forward(self, image: torch.Tensor, location: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(image, location))


def _cut(features: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A map without the cells that it has more than another."""
    z, y, x = like.shape[2:]
    return features[:, :, :z, :y, :x]


def _middle(features: torch.Tensor, size: int) -> torch.Tensor:
    """The middle of a map (B, C, Z, Y, X), at most `size` cells along each axis."""
    for axis in (2, 3, 4):
        if features.shape[axis] > size:
            features = features.narrow(axis, (features.shape[axis] - size) // 2, size)
    return features


def descent_halo(net: NNet) -> int:
    """Voxels at stride 2 that an output of `descent` may see beyond its own: two convolutions a unit of forw1."""
    return 2 * len(net.forw1)
