"""Section V at test time: the malignancy of each nodule and of a blank one, and what they add up to for the case."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import expit

from ..detection.location import LocationScale, location_grid, location_scale
from ..detection.proposals import Proposals
from ..detection.whole_scan import normalised
from ..errors import OutOfMemoryError, UsageError
from ..evidence import Evidence, combine, expected
from ..names import FEATURE_COMBINING
from ..networks.cnet import CENTRAL_CELLS, CNet, CNetOutput, central_max
from ..networks.inference import prepare_for_inference
from ..networks.nnet import STRIDE
from ..preprocessing import WorkingScan
from ..preprocessing.working_grid import cut_out
from ..preset import Preset
from ..runtime.device import Compute, Computed, exact_arithmetic, is_out_of_memory, run_with_float32_fallback
from ..runtime.progress import Progress, silent

_CROPS_AT_ONCE = {"cuda": 5}  # a processor gains nothing from more than one


def crop_start(center_kji: np.ndarray, preset: Preset) -> np.ndarray:
    """First voxel of the crop around a centre (3,), which may lie outside the image: (3,) int."""
    if preset.crop_start == "truncated":
        return np.trunc(center_kji - preset.crop_size / 2).astype(int)
    return np.rint(center_kji - (preset.crop_size - 1) / 2).astype(int)


def crop(image: np.ndarray, start_kji: np.ndarray, preset: Preset) -> np.ndarray:
    """The cube of `crop_size` from a start voxel, `crop_padding` beyond the image: (S, S, S) uint8, S = crop_size."""
    return cut_out(image, start_kji, preset.crop_size, preset.crop_padding)


def crop_location(
    start_kji: np.ndarray, image_shape_kji: tuple[int, ...], scale: LocationScale, preset: Preset
) -> np.ndarray:
    """Location map (3, S/4, S/4, S/4) float32 of a crop, S = crop_size.

    The paper's location is the same as in the detector. The published code measures crops differently: from the crop's
    first voxel, not below 0, to its last, as fractions of the image with the padding that the crop needed.
    """
    cells = preset.crop_size // STRIDE
    if preset.location == "lung ends -1 to 1":
        return scale.map(start_kji, (cells,) * 3)
    first = np.maximum(start_kji, 0)
    added = np.maximum(-start_kji, 0) + np.maximum(first + preset.crop_size - image_shape_kji, 0)
    size = np.array(image_shape_kji) + added
    return location_grid(
        [np.linspace(f / n - 0.5, f / n - 0.5 + preset.crop_size / n, cells) for f, n in zip(first, size, strict=True)]
    )


@dataclass(frozen=True)
class NoduleScores:
    """features: (N, 128) float32 of each nodule. malignancy: (N,) float64, None where the join has none of its own."""

    features: np.ndarray
    malignancy: np.ndarray | None
    warnings: tuple[str, ...] = ()


def classify_nodules(
    scan: WorkingScan,
    centers_kji: np.ndarray,
    net: CNet,
    preset: Preset,
    compute: Compute,
    progress: Progress = silent,
) -> NoduleScores:
    """Score nodules at centres (N, 3) in working voxels, one by one: no score depends on the others.

    With `preset.shifted_crops` a nodule's features are the mean of those of its crop and of one that lies half a stride
    aside, as the maps that are pooled see other voxels there; with `preset.mirrored_crops` of these and of the same in
    the mirrored patient (left and right exchanged): any scan gets a steadier score.

    Raises
    ------
    OutOfMemoryError
        After falling back to the processor.
    """
    scale = location_scale(preset, scan.image.shape, scan.lung_ends_kji)
    inputs = []
    for shift in (0, STRIDE // 2) if preset.shifted_crops else (0,):
        for center in centers_kji:
            start = crop_start(center, preset) + shift
            inputs.append((crop(scan.image, start, preset), crop_location(start, scan.image.shape, scale, preset)))
    if preset.mirrored_crops:
        inputs += [mirrored_crop(*seen) for seen in inputs]
    return _score(inputs, len(centers_kji), net, preset, compute, progress)


def mirrored_crop(image: np.ndarray, location: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A crop and its location crop in the mirrored patient, whose location rises along the axis, too."""
    location = location[..., ::-1].copy()
    location[2] *= -1
    return image[..., ::-1], location


def classify_blank(net: CNet, preset: Preset, compute: Compute) -> NoduleScores:
    """Score the blank image that stands for a missing proposal: zeros, in the image and in the location."""
    image = np.zeros((preset.crop_size,) * 3, dtype=np.uint8)
    location = np.zeros((3,) + (preset.crop_size // STRIDE,) * 3, dtype=np.float32)
    return _score([(image, location)], 1, net, preset, compute, silent)


def case_probability(features: np.ndarray, net: CNet) -> float:
    """The case's probability from the features (N, 128) of the nodules that count, by the network's own join."""
    return float(_join(features, net).probability)


def _score(
    inputs: list[tuple[np.ndarray, np.ndarray]],
    count: int,
    net: CNet,
    preset: Preset,
    compute: Compute,
    progress: Progress,
) -> NoduleScores:
    """Scores of so many nodules, each seen in as many ways as there are inputs for it."""
    features, warnings, _ = run_with_float32_fallback(
        lambda way: _within_memory(inputs, net, preset, way, progress), compute, "classifier"
    )
    if len(inputs) > count:
        features = features.reshape(-1, count, features.shape[1]).mean(axis=0)
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


def _join(features: np.ndarray, net: CNet) -> CNetOutput:
    """The last two layers, which are so small that they always run on the processor in float32."""
    with exact_arithmetic():
        return net.score(torch.from_numpy(features)[None], torch.ones(1, len(features), dtype=torch.bool))


def _features(
    inputs: list[tuple[np.ndarray, np.ndarray]], net: CNet, preset: Preset, compute: Compute, progress: Progress
) -> np.ndarray:
    backbone = prepare_for_inference(net.NoduleNet, preset, compute)
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


@dataclass(frozen=True)
class ScoredCase:
    """What the classifier says of a case.

    Parameters
    ----------
    malignancy
        P_i of every proposal in order, then of every point; None where it was not asked for or the join has none.
    scored
        How many of the proposals, from the best on, count.
    evidence
        The case's score, and the shares of the proposals that count.
    leak, blank_malignancy, blank_count
        Pd of Eq. 5 and what the blanks add, None and 0 where there are none.
    """

    malignancy: tuple[float | None, ...]
    scored: int
    evidence: Evidence
    leak: float | None
    blank_malignancy: float | None
    blank_count: int
    warnings: tuple[str, ...]


def score_case(
    scan: WorkingScan,
    proposals: Proposals,
    points_kji: np.ndarray,
    net: CNet,
    preset: Preset,
    compute: Compute,
    also: Collection[int] = (),
    progress: Progress = silent,
    *,
    weighted_by_confidence: bool = False,
) -> ScoredCase:
    """Classify the nodules that count (the best five above the threshold) and join them.

    Parameters
    ----------
    proposals
        Best first.
    points_kji
        (M, 3) further spots to classify, in working voxels; they do not count.
    also
        Ranks (from 1) of further nodules to classify, which do not count either. The points, whose ranks follow those
        of the proposals, are classified anyway.
    weighted_by_confidence
        Join what `evidence.expected` makes of the malignancies.

    Raises
    ------
    OutOfMemoryError, ModelError
    UsageError
        For a rank that this case does not have.
    """
    scored = int((proposals.logit[: preset.scored_nodules] > preset.score_above_logit).sum())
    _check_ranks(also, len(proposals) + len(points_kji))
    counted_alone = net.join == FEATURE_COMBINING  # it scores no nodule by itself
    asked = {rank - 1 for rank in also if rank <= len(proposals)}
    classified = sorted({*range(scored), *(() if counted_alone else asked)})
    centers_kji = np.concatenate([proposals.center_kji[classified], points_kji[:0] if counted_alone else points_kji])
    nodules = classify_nodules(scan, centers_kji, net, preset, compute, progress)
    blank_count = preset.scored_nodules - scored if preset.blanks_scored else 0
    blank = classify_blank(net, preset, compute) if blank_count else None
    blank_malignancy = None if blank is None or blank.malignancy is None else float(blank.malignancy[0])
    warnings = nodules.warnings + (blank.warnings if blank else ())
    if counted_alone and (also or len(points_kji)):
        warnings += ("This model scores the case as a whole: what was asked for alone has no score of its own.",)
    leak = None if net.leak is None else net.leak.item()
    if nodules.malignancy is None:
        features = nodules.features[:scored]
        if blank is not None:
            features = np.concatenate([features, np.repeat(blank.features, blank_count, axis=0)])
        evidence = Evidence(case_probability(features, net), (None,) * scored, None, None)
        known = [None] * (len(classified) + len(points_kji))
    else:
        known = nodules.malignancy.tolist()
        counted = known[:scored]
        if weighted_by_confidence:
            counted = list(map(expected, counted, expit(proposals.logit[:scored]).tolist()))
        evidence = combine(net.join, counted, leak, blank_malignancy, blank_count)
    of_proposal = dict(zip(classified, known, strict=False))
    malignancy = (*(of_proposal.get(n) for n in range(len(proposals))), *known[len(classified) :])
    return ScoredCase(malignancy, scored, evidence, leak, blank_malignancy, blank_count, warnings)


def _check_ranks(ranks: Collection[int], listed: int) -> None:
    unknown = sorted(rank for rank in ranks if not 1 <= rank <= listed)
    if unknown:
        there = f"its nodules have the ranks 1 to {listed}" if listed else "no nodules were found in it"
        raise UsageError(f"This case has no nodule of rank {', '.join(map(str, unknown))}: {there}.")
