"""Features of crops by a backbone that is not trained, computed once: what a processor can afford."""

from __future__ import annotations

from dataclasses import asdict
from typing import NamedTuple

import numpy as np
import torch

from ..compute import Compute, exact_arithmetic, ready_to_run
from ..networks.cnet import CENTRAL_CELLS, central_max
from ..networks.nnet import FEATURE_CHANNELS, STRIDE, NNet
from ..preset import Preset
from ..progress import Progress, part, silent
from .classifier_cache import CaseCache
from .classifier_crops import UNMOVED, draw_pose, posed_crop
from .classifier_items import KnownCases, scorable
from .classifier_net import seen
from .classifier_recipe import Augmentation, ClassifierRecipe
from .proposals import of_nodules


class CaseFeatures(NamedTuple):
    """What a case's proposals look like to the backbone.

    Parameters
    ----------
    features
        (N, V, 128) float32 of V crops of each of N proposals: the first as at test time, the others augmented. Rotated
        and scaled crops are interpolated, thus smoother than those that the network meets in the end.
    logits, nodule
        (N,) of the proposals, and which of them show a described nodule.
    """

    features: np.ndarray
    logits: np.ndarray
    nodule: np.ndarray


def cached_features(
    cases: KnownCases,
    backbone: NNet,
    sha256: str,
    recipe: ClassifierRecipe,
    augmentation: Augmentation,
    preset: Preset,
    compute: Compute,
    seed: int,
    progress: Progress = silent,
) -> tuple[list[CaseFeatures], np.ndarray]:
    """The features of every case, kept beside the cases, and those of a blank (128,).

    Parameters
    ----------
    sha256
        Of what gave the backbone's weights and the proposals: features of others are not used.
    """
    decided_by = {
        "source": sha256,
        "augmentation": asdict(augmentation),
        "crops": recipe.cached_crops,
        "first crop": "as at test time",
        "proposals": recipe.cached_proposals,
        "preset": asdict(preset),
        "precision": compute.precision,
        "seed": seed,
    }
    cache, ready, found = CaseCache(cases.store, "features", decided_by), ready_to_run(backbone, preset, compute), []
    for number in range(len(cases.store)):
        of_case = part(progress, number / len(cases.store), (number + 1) / len(cases.store))
        proposals = scorable(cases.proposals[number], preset)[: recipe.cached_proposals]

        def features(number: int = number, proposals: np.ndarray = proposals, told: Progress = of_case):
            rng, case = np.random.default_rng([seed, number]), cases.store.case(number)
            rows = np.zeros((len(proposals), recipe.cached_crops, FEATURE_CHANNELS), dtype=np.float32)
            for n, (_, *center, diameter) in enumerate(proposals):
                for crop in range(recipe.cached_crops):
                    told("looking at proposals", (n + crop / recipe.cached_crops) / len(proposals))
                    pose = draw_pose(rng, augmentation, diameter) if crop else UNMOVED
                    shown = posed_crop(case.scan, np.array(center), pose, augmentation, preset)
                    rows[n, crop] = _feature(ready, *shown, preset, compute)
            return {"features": rows, "nodule": of_nodules(proposals, case.nodules)}

        arrays = cache.get(number, features)
        found.append(CaseFeatures(arrays["features"], proposals[:, 0], arrays["nodule"]))
    size = (preset.crop_size,) * 3
    blank = np.zeros(size, np.uint8), np.zeros((3, *(n // STRIDE for n in size)), np.float32)
    return found, _feature(ready, *blank, preset, compute)


def _feature(ready: NNet, image: np.ndarray, location: np.ndarray, preset: Preset, compute: Compute) -> np.ndarray:
    """The central feature (128,) of a crop."""
    with exact_arithmetic():
        grey = torch.from_numpy(np.ascontiguousarray(image))[None, None].to(compute.device)
        where = torch.from_numpy(np.ascontiguousarray(location))[None].to(compute.device, compute.dtype)
        shown = seen(grey, preset).to(compute.dtype)
        return central_max(ready.features(shown, where, CENTRAL_CELLS))[0].float().cpu().numpy()
