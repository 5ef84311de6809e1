"""N-Net with its loss, as the engine trains it."""

from __future__ import annotations

import torch
from torch import nn

from ..detection.whole_scan import normalised
from ..models.untrained import initialise
from ..networks.nnet import BOX_FIELDS, NNet
from ..preset import Preset
from .losses import Losses, detector_loss
from .recipe import Recipe

_HEAD_GAIN = 0.1


class DetectorWithLoss(nn.Module):
    """A batch of `DetectorItems` to its losses."""

    def __init__(self, net: NNet, recipe: Recipe) -> None:
        super().__init__()
        self.net = net
        self.recipe = recipe

    def forward(self, batch: dict[str, torch.Tensor]) -> Losses:
        image = normalised(batch["image"], torch.float32).contiguous(memory_format=torch.channels_last_3d)
        output = self.net(image, batch["location"])
        return detector_loss(output, batch["labels"], batch["positives"], batch["targets"], self.recipe)


def new_detector(preset: Preset, recipe: Recipe, seed: int) -> NNet:
    """N-Net with random weights from a seed: logits near the `initial_logit`, boxes near their anchors."""
    net = NNet(preset)
    initialise(net, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        *_, weight, bias = net.output.parameters()
        weight.mul_(_HEAD_GAIN)
        bias.view(-1, BOX_FIELDS)[:, 0] = recipe.initial_logit
    return net
