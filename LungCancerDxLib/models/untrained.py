"""Networks with seeded random weights: everything runs, and no score means anything."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from ..networks.cnet import CNet
from ..networks.nnet import BOX_FIELDS, NNet
from ..networks.pooling import LeakyNoisyOr
from ..preset import DEFAULT, Preset
from .bundle import Model, weights_digest

_SEED = 2017
_RESIDUAL_GAIN = 0.5  # keeps activations of the same size through the residual units
_HEAD_GAIN = 0.2  # boxes stay near their anchors
_RARE_LOGIT = -2.0  # most cells hold no nodule


def untrained_model(preset: Preset = DEFAULT, join: str = LeakyNoisyOr.name, seed: int = _SEED) -> Model:
    """A model of the preset's architecture with outcome "none"; the same seed gives the same weights."""
    generator = torch.Generator().manual_seed(seed)
    detector, classifier = NNet(preset), CNet(preset, join)
    for net in (detector, classifier):
        initialise(net, generator)
    with torch.no_grad():
        *_, weight, bias = detector.output.parameters()
        weight.mul_(_HEAD_GAIN)
        bias.view(-1, BOX_FIELDS)[:, 0] = _RARE_LOGIT
    model = Model(f"untrained-{preset.name.lower()}", preset, "none", "nothing", detector, classifier)
    return replace(model, sha256=weights_digest(model))


def initialise(net: nn.Module, generator: torch.Generator) -> None:
    """He-scaled random weights, zero biases; the second convolution of each residual unit is scaled down."""
    for name, module in net.named_modules():
        if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d, nn.Linear)):
            fan_in = module.weight[0].numel() if not isinstance(module, nn.ConvTranspose3d) else module.in_channels
            gain = _RESIDUAL_GAIN if name.endswith("conv2") else 1.0
            with torch.no_grad():
                module.weight.normal_(0, gain * (2 / fan_in) ** 0.5, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
