"""A model by its name or folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from ..errors import ModelError
from ..names import LEAKY_NOISY_OR
from ..networks.cnet import CNet
from ..networks.nnet import BOX_FIELDS, NNet
from ..options import expanded_path
from ..preset import DEFAULT, Preset
from .bundle import Model, load_model, weights_digest
from .registry import CARD_FILE, DEFAULT_MODEL, MODEL_FOLDER, UNTRAINED_PRESETS, installed_models, model_folders
from .segmenter import SEGMENTER_FILE, Segmenter, load_segmenter

_SEED = 2017
_RESIDUAL_GAIN = 0.5  # keeps activations of the same size through the residual units
_HEAD_GAIN = 0.2  # boxes stay near their anchors
_RARE_LOGIT = -2.0  # most cells hold no nodule


def untrained_model(preset: Preset = DEFAULT, join: str = LEAKY_NOISY_OR, seed: int = _SEED) -> Model:
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


def find_model(name: str | None = None) -> Model:
    """The model of a name or folder; without one the default model, or an untrained one where there is no default.

    Raises
    ------
    ModelError
        Where there is no such model or it is damaged.
    """
    installed = installed_models()
    if name is None:
        return load_model(installed[DEFAULT_MODEL]) if DEFAULT_MODEL in installed else untrained_model()
    if name in installed:
        return load_model(installed[name])
    if name in UNTRAINED_PRESETS:
        return untrained_model(UNTRAINED_PRESETS[name])
    if (folder := expanded_path(name)).is_dir():
        return load_model(folder)
    raise ModelError(
        f"No model '{name}': it is neither a folder nor one of {', '.join([*installed, *UNTRAINED_PRESETS])}. "
        f"Models are looked for in {', '.join(str(folder) for folder in model_folders())}."
    )


def segmenter_of(model: Model) -> Segmenter | None:
    """A model's segmenter, or that of the default model; None where there is none.

    Raises
    ------
    ModelError
        Where it is damaged.
    """
    if model.segmenter is not None:
        return model.segmenter
    path = installed_models().get(DEFAULT_MODEL, Path()) / SEGMENTER_FILE
    return load_segmenter(path) if path.exists() else None


def model_or_run(name: str) -> Model:
    """A model by its name or folder, or that of a finished run.

    Raises
    ------
    ModelError
        Where there is none, or it is damaged.
    """
    in_run = expanded_path(name) / MODEL_FOLDER
    return find_model(str(in_run) if (in_run / CARD_FILE).exists() else name)
