"""Features of crops by a backbone that is not trained, computed once: what a processor can afford."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from ...detection.proposals import Proposals
from ...networks.cnet import CENTRAL_CELLS, CNet, central_max
from ...networks.inference import prepare_for_inference
from ...networks.nnet import FEATURE_CHANNELS, STRIDE, NNet
from ...preset import Preset
from ...runtime.device import Compute, exact_arithmetic
from ...runtime.npz import Arrays
from ...runtime.progress import Progress, silent
from ..cases.proposals import of_nodules
from ..cases.store import CaseCache
from ..detector.loss import Losses
from ..engine.loop import Task
from ..engine.validation import Batch
from .crops import UNMOVED, draw_pose, posed_crop
from .items import KnownCases, case_of, collate, scorable, slot_masks
from .network import losses_of_features, seen
from .proposals import draw
from .recipe import Augmentation, ClassifierRecipe

_LEAST_SPREAD = 0.1  # of the mean over all features


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
        Of the backbone's weights and the proposals (`source_digest`): features of others are not used.
    """
    decided_by = {
        "source": sha256,
        "augmentation": asdict(augmentation),
        "crops": recipe.cached_crops,
        "proposals": recipe.cached_proposals,
        "preset": asdict(preset),
        "precision": compute.precision,
        "seed": seed,
    }
    ready = prepare_for_inference(backbone, preset, compute)

    def features(number: int, subprogress: Progress) -> Arrays:
        rng, case = np.random.default_rng([seed, number]), cases.store.case(number)
        proposals = scorable(cases.proposals[number], preset)[: recipe.cached_proposals]
        rows = np.zeros((len(proposals), recipe.cached_crops, FEATURE_CHANNELS), dtype=np.float32)
        for n, center_kji in enumerate(proposals.center_kji):
            for crop in range(recipe.cached_crops):
                subprogress("computing features", (n + crop / recipe.cached_crops) / len(proposals))
                pose = draw_pose(rng, augmentation, float(proposals.diameter[n])) if crop else UNMOVED
                image, location = posed_crop(case.scan, center_kji, pose, augmentation, preset)
                rows[n, crop] = central_feature(ready, image, location, preset, compute)
        return {"features": rows, "logits": proposals.logit, "nodule": of_nodules(proposals, case.nodules)}

    cache = CaseCache(cases.store, "features", decided_by, CaseFeatures._fields)
    found = [CaseFeatures(**arrays) for arrays in cache.of_all(features, progress)]
    return found, blank_feature(ready, preset, compute)


def source_digest(backbone: NNet, proposals: Sequence[Proposals]) -> str:
    """Of the backbone's weights and all proposals."""
    digest = hashlib.sha256()
    for tensor in backbone.state_dict().values():
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    for of_case in proposals:
        digest.update(of_case.rows().tobytes() + b";")
    return digest.hexdigest()


def central_feature(
    ready: NNet, image: np.ndarray, location: np.ndarray, preset: Preset, compute: Compute
) -> np.ndarray:
    """The feature (128,) of a crop, as the classifier takes it, by a backbone made ready for inference."""
    with exact_arithmetic():
        grey = torch.from_numpy(np.ascontiguousarray(image))[None, None].to(compute.device)
        where = torch.from_numpy(np.ascontiguousarray(location))[None].to(compute.device, compute.dtype)
        shown = seen(grey, preset).to(compute.dtype)
        return central_max(ready.features(shown, where, CENTRAL_CELLS))[0].float().cpu().numpy()


def blank_feature(ready: NNet, preset: Preset, compute: Compute) -> np.ndarray:
    """The feature (128,) of a blank, zero in image and location."""
    size, cells = (preset.crop_size,) * 3, (preset.crop_size // STRIDE,) * 3
    return central_feature(ready, np.zeros(size, np.uint8), np.zeros((3, *cells), np.float32), preset, compute)


class HeadWithLoss(nn.Module):
    """C-Net's last two layers and its leak with their loss; the backbone is not moved."""

    def __init__(self, net: CNet, recipe: ClassifierRecipe) -> None:
        super().__init__()
        self.net = net.requires_grad_(True)
        net.NoduleNet.requires_grad_(False)
        self.recipe = recipe

    def train(self, mode: bool = True) -> HeadWithLoss:
        """Training mode, of all but the backbone."""
        super().train(mode)
        self.net.NoduleNet.eval()
        return self

    def forward(self, batch: Batch) -> Losses:
        return losses_of_features(self.net, batch["features"], batch, self.recipe)


@dataclass(frozen=True)
class FeatureItems:
    """Draws cases, of each case proposals, and of each proposal the features of one of its crops.

    Parameters
    ----------
    cases, labels
        Of each case, (N,) bool for the labels.
    blank
        (128,) feature of a blank; None where blanks do not count.
    """

    cases: Sequence[CaseFeatures]
    labels: np.ndarray
    blank: np.ndarray | None
    recipe: ClassifierRecipe
    preset: Preset
    seed: int

    def batch(self, step: int, numbers: range) -> Batch:
        """The cases of these numbers of a step."""
        return collate([self.item(step, number) for number in numbers])

    def item(self, step: int, number: int) -> Arrays:
        """One case: features (K, 128), and those of `slot_masks`."""
        chosen = case_of(step * self.recipe.batch + number, len(self.cases), self.seed)
        rng, case = np.random.default_rng([self.seed, step, number]), self.cases[chosen]
        drawn = draw(rng, case.logits, self.preset.scored_nodules, self.recipe)
        crops = rng.integers(case.features.shape[1], size=len(drawn))
        features = np.zeros((self.preset.scored_nodules, FEATURE_CHANNELS), dtype=np.float32)
        if self.blank is not None:
            features[:] = self.blank
        features[: len(drawn)] = case.features[drawn, crops]
        return {"features": features, **slot_masks(case.nodule[drawn], self.labels[chosen], self.preset)}


class FeatureTask(Task):
    """C-Net's last layers on cached features.

    They learn on features of mean 0 and standard deviation 1, as the backbone's are all far above zero; `finish` turns
    their weights into those for the features as they are.

    Parameters
    ----------
    cases, labels, blank
        As in `FeatureItems`.
    fresh
        The last layers are random ones, and meant for features of mean 0 and standard deviation 1.
    """

    def __init__(
        self,
        net: CNet,
        cases: Sequence[CaseFeatures],
        labels: np.ndarray,
        blank: np.ndarray | None,
        recipe: ClassifierRecipe,
        preset: Preset,
        seed: int,
        fresh: bool = True,
    ) -> None:
        self._mean, self._spread = _mean_and_spread(cases)
        self._blank = None if blank is None else self._standard(blank)
        self._how = recipe, preset, seed
        self._layer = net.fc1
        if not fresh:
            with torch.no_grad():
                self._layer.bias.add_(self._layer.weight @ self._tensor(self._mean))
                self._layer.weight.mul_(self._tensor(self._spread))
        super().__init__(HeadWithLoss(net, recipe), self.items_of(cases, labels), recipe.batch)

    def items_of(self, cases: Sequence[CaseFeatures], labels: np.ndarray) -> FeatureItems:
        """Items of these or of other cases, on the scale of the features that are learned from."""
        standard = [case._replace(features=self._standard(case.features)) for case in cases]
        return FeatureItems(standard, labels, self._blank, *self._how)

    def finish(self) -> None:
        """Make the network one for features as they are; once, after the training."""
        with torch.no_grad():
            self._layer.weight.div_(self._tensor(self._spread))
            self._layer.bias.sub_(self._layer.weight @ self._tensor(self._mean))

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(values).to(self._layer.weight)

    def _standard(self, features: np.ndarray) -> np.ndarray:
        return np.asarray((features - self._mean) / self._spread)


def _mean_and_spread(cases: Sequence[CaseFeatures]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each feature, (128,) float32; the least spread ones count as if they had more."""
    rows = np.concatenate([case.features.reshape(-1, FEATURE_CHANNELS) for case in cases])
    if len(rows) == 0:
        return np.zeros(FEATURE_CHANNELS, np.float32), np.ones(FEATURE_CHANNELS, np.float32)
    spread = rows.std(axis=0)
    least = _LEAST_SPREAD * float(spread.mean()) or 1.0
    return rows.mean(axis=0), np.maximum(spread, np.float32(least))
