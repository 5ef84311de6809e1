"""What each stage of a classifier's training trains, and what it is checked on."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from ..compute import Compute
from ..networks.cnet import CNet
from ..preset import Preset
from ..progress import Progress
from .classifier_feature_task import FeatureTask
from .classifier_features import CaseFeatures, cached_features
from .classifier_items import CaseItems, KnownCases, steps_of_epoch
from .classifier_net import ClassifierWithLoss
from .classifier_plan import Plan
from .classifier_recipe import UNCHANGED, Augmentation, ClassifierRecipe
from .detector_items import DetectorItems
from .detector_training import batches_of_epoch
from .engine import ItemsTask, Task
from .inserting import Inserter
from .joint import JointItems, JointNet
from .ranks import Ranks
from .schemes import augmentation_of
from .validation import MOST_BATCHES, Validation

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
        return ItemsTask(joint, both, recipe.batch, parts_rest=True), sum(epochs)

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


def _digest(net: CNet, proposals: Sequence[np.ndarray]) -> str:
    """Of the backbone's weights and all proposals."""
    digest = hashlib.sha256()
    for tensor in net.NoduleNet.state_dict().values():
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    for rows_of_case in proposals:
        digest.update(np.ascontiguousarray(rows_of_case).tobytes() + b";")
    return digest.hexdigest()
