"""N-Net and CaseNet written as plain functions of a published state dict, without a module or an attribute.

Weights are a dict from the published keys to tensors; how many units a block has is read off its keys.
"""

from __future__ import annotations

import torch
from torch.nn import functional

Weights = dict[str, torch.Tensor]

BLOCKS_GRT123 = {
    "forw1": (24, 32, 2),
    "forw2": (32, 64, 2),
    "forw3": (64, 64, 3),
    "forw4": (64, 64, 3),
    "back2": (131, 128, 3),
    "back3": (128, 64, 3),
}
"""Channels in, channels out and units of each residual block of the code published in 2017."""


def published_shapes(blocks: dict[str, tuple[int, int, int]] = BLOCKS_GRT123) -> dict[str, tuple[int, ...]]:
    """Key to shape of the N-Net state dict of 2017 (which has no `num_batches_tracked`)."""
    table: dict[str, tuple[int, ...]] = {}

    def weighted(name: str, *shape: int, outputs: int | None = None) -> None:
        table[f"{name}.weight"] = shape
        table[f"{name}.bias"] = (outputs or shape[0],)

    def normed(name: str, channels: int) -> None:
        weighted(name, channels)
        table[f"{name}.running_mean"] = table[f"{name}.running_var"] = (channels,)

    for conv, norm, channels_in in (("0", "1", 1), ("3", "4", 24)):
        weighted(f"preBlock.{conv}", 24, channels_in, 3, 3, 3)
        normed(f"preBlock.{norm}", 24)
    for block, (channels_in, channels, units) in blocks.items():
        for n in range(units):
            first = channels_in if n == 0 else channels
            weighted(f"{block}.{n}.conv1", channels, first, 3, 3, 3)
            normed(f"{block}.{n}.bn1", channels)
            weighted(f"{block}.{n}.conv2", channels, channels, 3, 3, 3)
            normed(f"{block}.{n}.bn2", channels)
            if first != channels:
                weighted(f"{block}.{n}.shortcut.0", channels, first, 1, 1, 1)
                normed(f"{block}.{n}.shortcut.1", channels)
    for path in ("path1", "path2"):
        weighted(f"{path}.0", 64, 64, 2, 2, 2)
        normed(f"{path}.1", 64)
    weighted("output.0", 64, 128, 1, 1, 1)
    weighted("output.2", 15, 64, 1, 1, 1)
    return table


def case_net_shapes() -> dict[str, tuple[int, ...]]:
    """The same for CaseNet: N-Net under `NoduleNet.`, two linear layers and the leak's logit."""
    own = {"baseline": (1,), "fc1.weight": (64, 128), "fc1.bias": (64,), "fc2.weight": (1, 64), "fc2.bias": (1,)}
    return {f"NoduleNet.{key}": shape for key, shape in published_shapes().items()} | own


def n_net_features(weights: Weights, image: torch.Tensor, location: torch.Tensor) -> torch.Tensor:
    """(B, 1, Z, Y, X) and (B, 3, Z/4, Y/4, X/4) to the last feature map, (B, 128, Z/4, Y/4, X/4)."""
    x = functional.relu(_norm(weights, "preBlock.1", _conv(weights, "preBlock.0", image)))
    x = functional.relu(_norm(weights, "preBlock.4", _conv(weights, "preBlock.3", x)))
    out1 = _block(weights, "forw1", _halved(x))
    out2 = _block(weights, "forw2", _halved(out1))
    out3 = _block(weights, "forw3", _halved(out2))
    out4 = _block(weights, "forw4", _halved(out3))
    comb3 = _block(weights, "back3", torch.cat([_doubled(weights, "path1", out4), out3], 1))
    return _block(weights, "back2", torch.cat([_doubled(weights, "path2", comb3), out2, location], 1))


def n_net(weights: Weights, image: torch.Tensor, location: torch.Tensor) -> torch.Tensor:
    """Image and location to (B, Z/4, Y/4, X/4, 3, 5): channel = anchor * 5 + field."""
    hidden = functional.relu(_conv(weights, "output.0", n_net_features(weights, image, location)))
    channels = _conv(weights, "output.2", hidden)
    anchors = [torch.stack([channels[:, 5 * anchor + field] for field in range(5)], -1) for anchor in range(3)]
    return torch.stack(anchors, -2)


def case_net(weights: Weights, crops: torch.Tensor, locations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Crops (B, K, 1, n, n, n) and locations (B, K, 3, n/4, n/4, n/4) to P (B,) and P_i (B, K)."""
    backbone = {key.removeprefix("NoduleNet."): w for key, w in weights.items() if key.startswith("NoduleNet.")}
    middle = locations.shape[-1] // 2
    cases, nodules = [], []
    for case_crops, case_locations in zip(crops, locations, strict=True):
        survival = 1 - torch.sigmoid(weights["baseline"][0])
        malignancy = []
        for crop, location in zip(case_crops, case_locations, strict=True):
            features = n_net_features(backbone, crop[None], location[None])[0]
            central = features[:, middle - 1 : middle + 1, middle - 1 : middle + 1, middle - 1 : middle + 1]
            hidden = functional.relu(weights["fc1.weight"] @ central.flatten(1).amax(1) + weights["fc1.bias"])
            p = torch.sigmoid(weights["fc2.weight"] @ hidden + weights["fc2.bias"])[0]
            survival = survival * (1 - p)
            malignancy.append(p)
        cases.append(1 - survival)
        nodules.append(torch.stack(malignancy))
    return torch.stack(cases), torch.stack(nodules)


def _conv(weights: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    kernel = weights[f"{name}.weight"]
    return functional.conv3d(x, kernel, weights[f"{name}.bias"], padding=kernel.shape[-1] // 2)


def _norm(weights: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    mean, variance, scale, shift = (
        weights[f"{name}.{key}"][:, None, None, None] for key in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / torch.sqrt(variance + 1e-5) * scale + shift


def _unit(weights: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    out = functional.relu(_norm(weights, f"{name}.bn1", _conv(weights, f"{name}.conv1", x)))
    out = _norm(weights, f"{name}.bn2", _conv(weights, f"{name}.conv2", out))
    if f"{name}.shortcut.0.weight" in weights:
        x = _norm(weights, f"{name}.shortcut.1", _conv(weights, f"{name}.shortcut.0", x))
    return functional.relu(out + x)


def _block(weights: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    n = 0
    while f"{name}.{n}.conv1.weight" in weights:
        x = _unit(weights, f"{name}.{n}", x)
        n += 1
    return x


def _halved(x: torch.Tensor) -> torch.Tensor:
    return functional.max_pool3d(x, 2)


def _doubled(weights: Weights, name: str, x: torch.Tensor) -> torch.Tensor:
    up = functional.conv_transpose3d(x, weights[f"{name}.0.weight"], weights[f"{name}.0.bias"], stride=2)
    return functional.relu(_norm(weights, f"{name}.1", up))
