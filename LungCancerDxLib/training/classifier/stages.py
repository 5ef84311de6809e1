"""What each stage of a classifier's training trains, and what it is checked on."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np

from ...detection.proposals import Proposals
from ...errors import UsageError
from ...models.bundle import Model
from ...names import LEAKY_NOISY_OR
from ...networks.cnet import CNet
from ...preset import Preset
from ...runtime.device import Compute
from ...runtime.progress import Progress
from ..cases.store import CaseStore
from ..detector.insertion import Inserter
from ..detector.items import DetectorItems
from ..detector.train import batches_of_epoch
from ..engine.distributed import Ranks
from ..engine.loop import ItemsTask, Task
from ..engine.validation import MOST_BATCHES, Validation
from .features import CaseFeatures, FeatureTask, cached_features
from .items import CaseItems, KnownCases, steps_of_epoch
from .joint import JointItems, JointNet
from .network import ClassifierWithLoss
from .recipe import ARROW, UNCHANGED, Augmentation, ClassifierRecipe, Stage, augmentation_of


@dataclass(frozen=True)
class Plan:
    """What is to be trained.

    Parameters
    ----------
    outcome
        What the labels are, for the model's card: "clinical", "synthetic" or "none".
    proposals
        Those of the detector, or made from the described nodules (see `proposals_from_truth`).
    """

    recipe: ClassifierRecipe
    stages: tuple[Stage, ...]
    outcome: str
    join: str = LEAKY_NOISY_OR
    proposals: Literal["detector", "truth"] = "detector"
    seed: int = 0

    @property
    def scheme(self) -> str:
        """The stages' names."""
        return ARROW.join(stage.name for stage in self.stages)


def check(store: CaseStore, detector: Model, plan: Plan, ranks: Ranks) -> None:
    """Whether the plan can be carried out.

    Raises
    ------
    UsageError
    """
    ranks.share(plan.recipe.batch)
    if store.preset != detector.preset.name:
        raise UsageError(
            f"The cases in {store.folder} are of preset {store.preset}, the detector '{detector.name}' of "
            f"{detector.preset.name}. Prepare the cases with --preset {detector.preset.name}, or use a detector of "
            f"preset {store.preset}."
        )
    if any(stage.alternate for stage in plan.stages):
        ranks.share(plan.recipe.detector.batch)


def config_of(
    store: CaseStore, labels: np.ndarray, detector: Model, plan: Plan, compute: Compute, ranks: Ranks
) -> dict[str, Any]:
    """All that decides the weights, fit for JSON."""
    return {
        "task": "classifier",
        "preset": detector.preset.name,
        "scheme": plan.scheme,
        "recipe": asdict(plan.recipe),
        "join": plan.join,
        "outcome": plan.outcome,
        "proposals": plan.proposals,
        "detector_sha256": detector.sha256,
        "seed": plan.seed,
        "precision": compute.precision,
        "processes": ranks.size,
        "cancer_of_cases": {name: int(label) for name, label in zip(store.names, labels, strict=True)},
    }


Found = TypeVar("Found")


@dataclass(frozen=True)
class Stages:
    """What the stages of a training share.

    Parameters
    ----------
    cases, others
        To learn from, and to be checked on, if any.
    inserter
        For the detector's patches in stages that alternate, where the recipe inserts nodules.
    """

    net: CNet
    cases: KnownCases
    others: KnownCases | None
    preset: Preset
    plan: Plan
    compute: Compute
    ranks: Ranks
    inserter: Inserter | None

    def task(self, number: int, progress: Progress) -> tuple[Task, int]:
        """The task of the stage of a number, and the steps of one of its epochs."""
        stage, recipe = self.plan.stages[number], self.plan.recipe
        augmentation, seed = augmentation_of(stage, recipe), self.plan.seed + number
        if stage.cached:
            found, blank = self._features(self.cases, recipe, augmentation, progress)
            counts = blank if self.preset.blanks_scored else None
            fresh = number == 0
            task = FeatureTask(self.net, found, self.cases.labels, counts, recipe, self.preset, seed, fresh)
            return task, steps_of_epoch(len(self.cases.labels), recipe)
        if not stage.alternate:
            items = CaseItems(self.cases, recipe, augmentation, self.preset, seed)
            module = ClassifierWithLoss(self.net, recipe, self.preset, stage.frozen_norms)
            return ItemsTask(module, items, recipe.batch), steps_of_epoch(len(self.cases.labels), recipe)
        epochs = self._epochs(self.cases)
        both = self._joint_items(self.cases, augmentation, seed, epochs)
        joint = JointNet(self.net, recipe, self.preset, stage.frozen_norms)
        return ItemsTask(joint, both, recipe.batch, find_unused_parameters=True), sum(epochs)

    def validation(self, number: int, task: Task, steps: int, progress: Progress) -> Validation | None:
        """What the task of a stage is checked on: the other cases, their crops as at test time."""
        if self.others is None:
            return None
        stage, recipe, seed = self.plan.stages[number], self.plan.recipe, self.plan.seed + number
        epoch = steps_of_epoch(len(self.others.labels), recipe)
        if isinstance(task, FeatureTask):
            found, _ = self._features(self.others, replace(recipe, cached_crops=1), UNCHANGED, progress)
            return Validation.of(task.items_of(found, self.others.labels), recipe.batch, epoch, steps)
        if not stage.alternate:
            items = CaseItems(self.others, recipe, UNCHANGED, self.preset, seed)
            return Validation.of(items, recipe.batch, epoch, steps)
        of_detector, of_classifier = self._epochs(self.others)
        epochs = min(of_detector, MOST_BATCHES // 2), min(of_classifier, MOST_BATCHES // 2)
        both = self._joint_items(self.others, UNCHANGED, seed, epochs)
        return Validation.of(both, recipe.batch, sum(epochs), steps)

    def _features(
        self, cases: KnownCases, recipe: ClassifierRecipe, augmentation: Augmentation, progress: Progress
    ) -> tuple[list[CaseFeatures], np.ndarray]:
        source, backbone = _digest(self.net, cases.proposals), copy.deepcopy(self.net.NoduleNet)
        how = (recipe, augmentation, self.preset, self.compute, self.plan.seed, progress)
        return in_turn(self.ranks, lambda: cached_features(cases, backbone, source, *how))

    def _epochs(self, cases: KnownCases) -> tuple[int, int]:
        """Batches of an epoch of the detector, and of one of the classifier."""
        of_detector = math.ceil(batches_of_epoch(cases.store, self.plan.recipe.detector))
        return max(of_detector, 1), steps_of_epoch(len(cases.labels), self.plan.recipe)

    def _joint_items(
        self, cases: KnownCases, augmentation: Augmentation, seed: int, epochs: tuple[int, int]
    ) -> JointItems:
        recipe = self.plan.recipe
        patches = DetectorItems(cases.store, recipe.detector, self.preset, seed, self.inserter)
        return JointItems(patches, CaseItems(cases, recipe, augmentation, self.preset, seed), recipe, *epochs)


def in_turn(ranks: Ranks, work: Callable[[], Found]) -> Found:
    """What one process computes and keeps, the others then read."""
    if not ranks.first:
        ranks.wait()
    found = work()
    if ranks.first:
        ranks.wait()
    return found


def _digest(net: CNet, proposals: Sequence[Proposals]) -> str:
    """Of the backbone's weights and all proposals."""
    digest = hashlib.sha256()
    for tensor in net.NoduleNet.state_dict().values():
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    for of_case in proposals:
        digest.update(of_case.rows().tobytes() + b";")
    return digest.hexdigest()
