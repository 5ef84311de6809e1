"""Section V at test time: the malignancy of each nodule, and of a blank one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..compute import Compute, Computed, exact_arithmetic, finite, is_out_of_memory, ready_to_run
from ..detection.location import location_scale
from ..detection.whole_scan import normalised
from ..errors import OutOfMemoryError
from ..networks.cnet import CENTRAL_CELLS, CaseScore, CNet, central_max
from ..networks.nnet import STRIDE
from ..preprocessing import Preprocessed
from ..preset import Preset
from ..progress import Progress, silent
from .crops import crop, crop_location, crop_start

_CROPS_AT_ONCE = {"cuda": 5}  # a processor gains nothing from more than one


@dataclass(frozen=True)
class NoduleScores:
    """features: (N, 128) float32 of each nodule. malignancy: (N,) float64, None where the join has none of its own."""

    features: np.ndarray
    malignancy: np.ndarray | None
    warnings: tuple[str, ...] = ()


def classify_nodules(
    scan: Preprocessed,
    centers_kji: np.ndarray,
    net: CNet,
    preset: Preset,
    compute: Compute,
    progress: Progress = silent,
) -> NoduleScores:
    """Score nodules at centres (N, 3) in working voxels, one by one: no score depends on the others.

    Raises
    ------
    OutOfMemoryError
        After falling back to the processor.
    """
    scale = location_scale(preset, scan.image.shape, scan.lung_ends_kji)
    inputs = []
    for center in centers_kji:
        start = crop_start(center, preset)
        inputs.append((crop(scan.image, start, preset), crop_location(start, scan.image.shape, scale, preset)))
    return _score(inputs, net, preset, compute, progress)


def classify_blank(net: CNet, preset: Preset, compute: Compute) -> NoduleScores:
    """Score the blank image that stands for a missing proposal: zeros, in the image and in the location."""
    image = np.zeros((preset.crop_size,) * 3, dtype=np.uint8)
    location = np.zeros((3,) + (preset.crop_size // STRIDE,) * 3, dtype=np.float32)
    return _score([(image, location)], net, preset, compute, silent)


def case_probability(features: np.ndarray, net: CNet) -> float:
    """The case's probability from the features (N, 128) of the nodules that count, by the network's own join."""
    return float(_join(features, net).probability)


def _score(
    inputs: list[tuple[np.ndarray, np.ndarray]], net: CNet, preset: Preset, compute: Compute, progress: Progress
) -> NoduleScores:
    features, warnings, _ = finite(
        lambda way: _within_memory(inputs, net, preset, way, progress), compute, "classifier"
    )
    malignancy = _join(features, net).malignancy
    return NoduleScores(features, None if malignancy is None else malignancy[0].double().numpy(), warnings)


def _within_memory(
    inputs: list[tuple[np.ndarray, np.ndarray]], net: CNet, preset: Preset, compute: Compute, progress: Progress
) -> Computed:
    try:
        return Computed(_features(inputs, net, preset, compute, progress), (), compute)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if compute.device.type == "cpu":
            raise OutOfMemoryError("Not enough memory to classify a nodule; close other programs.") from error
    warnings = (f"The {compute.device.type} device ran out of memory; nodules were classified on the processor.",)
    compute = compute.on_cpu()
    return Computed(_features(inputs, net, preset, compute, progress), warnings, compute)


def _join(features: np.ndarray, net: CNet) -> CaseScore:
    """The last two layers, which are so small that they always run on the processor in float32."""
    with exact_arithmetic():
        return net.score(torch.from_numpy(features)[None], torch.ones(1, len(features), dtype=torch.bool))


def _features(
    inputs: list[tuple[np.ndarray, np.ndarray]], net: CNet, preset: Preset, compute: Compute, progress: Progress
) -> np.ndarray:
    backbone = ready_to_run(net.NoduleNet, preset, compute)
    features = np.empty((len(inputs), net.fc1.in_features), dtype=np.float32)
    at_once = _CROPS_AT_ONCE.get(compute.device.type, 1)
    with exact_arithmetic():
        for first in range(0, len(inputs), at_once):
            progress("classifying nodules", first / len(inputs))
            images, locations = (np.stack(arrays) for arrays in zip(*inputs[first : first + at_once], strict=True))
            grey = torch.from_numpy(images[:, None]).to(compute.device)
            seen = grey.to(compute.dtype) if preset.classifier_input == "raw" else normalised(grey, compute.dtype)
            where = torch.from_numpy(locations).to(compute.device, compute.dtype)
            central = central_max(backbone.features(seen, where, CENTRAL_CELLS))
            features[first : first + at_once] = central.float().cpu().numpy()
    progress("classifying nodules", 1.0)
    return features
