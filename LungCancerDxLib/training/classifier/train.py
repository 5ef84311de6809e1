"""Section V as one call: cases of known outcome and a detector to a trained classifier, kept as a model."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from ...detection.proposals import Proposals
from ...errors import UsageError
from ...models.bundle import Model, save_model
from ...models.registry import MODEL_FOLDER
from ...names import LEAKY_NOISY_OR
from ...networks.cnet import CNet
from ...preset import Preset
from ...runtime.device import Compute
from ...runtime.progress import Progress, part
from ..cases.store import CaseStore, read_outcomes
from ..detector.insertion import Inserter
from ..detector.items import DetectorItems
from ..detector.train import batches_of_epoch
from ..engine.distributed import Ranks
from ..engine.loop import Run, RunOptions, Task, train
from ..engine.validation import MOST_BATCHES, Validation, check_apart
from .features import CaseFeatures, FeatureTask, cached_features
from .items import CaseItems, JointItems, KnownCases, steps_of_epoch
from .network import ClassifierWithLoss, JointNet, leak_in_units, new_classifier
from .proposals import find_proposals, proposals_from_truth
from .recipe import ARROW, UNCHANGED, Augmentation, ClassifierRecipe, Stage, augmentation_of, optimizer_of

_PROPOSALS_SHARE = 0.3  # of the progress

T = TypeVar("T")


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


def train_classifier(
    store: CaseStore,
    detector: Model,
    plan: Plan,
    out: Path,
    options: RunOptions,
    *,
    inserter: Inserter | None = None,
    validation: CaseStore | None = None,
) -> Model:
    """Train C-Net on a store's cases, stage by stage, and write the stages' runs and the model into `out`.

    The backbone starts as the detector's. The model has one backbone for both networks where that is what was trained:
    after a last stage that alternates, or where the backbone was never moved. Otherwise the detector stays as it was
    and the classifier has a backbone of its own.

    Parameters
    ----------
    inserter
        For the detector's patches in stages that alternate, where the recipe inserts nodules.
    validation
        Other cases with labels, on which every stage is checked; the weights do not depend on them.

    Raises
    ------
    UsageError
        Where there is nothing to learn from, the store is of another preset than the detector or the validation, cases
        of the validation are learned from, or `out` is taken or holds a run with other settings.
    TrainingFailed, Cancelled, OutputError
        See `engine.loop.train`.
    """
    _check(store, detector, plan, options.ranks)
    labels, other = read_outcomes(store.folder, store.names), None
    if validation is not None:
        check_apart(store, validation)
        other = validation, read_outcomes(validation.folder, validation.names)
    options.open(out, _config(store, labels, detector, plan, options))

    def known(store: CaseStore, labels: np.ndarray) -> KnownCases:
        progress = part(options.progress, 0.0, _PROPOSALS_SHARE)
        return KnownCases(
            store, labels, _in_turn(options.ranks, lambda: _proposals(store, detector, plan, options.compute, progress))
        )

    net = new_classifier(detector.detector, detector.preset, plan.join, plan.recipe, plan.seed)
    cases, others = known(store, labels), None if other is None else known(*other)
    stages = _Stages(net, cases, others, detector.preset, plan, options, inserter)
    for number, stage in enumerate(plan.stages):
        progress = _progress_of_stage(options.progress, number, plan)
        with leak_in_units(net, plan.recipe.leak_rate):
            task, epoch = stages.task(number, progress)
            steps = plan.recipe.steps or (stage.epochs or plan.recipe.epochs) * epoch
            checks = stages.validation(number, task, steps, progress)
            folder, optimizer = out / f"{number + 1}-{stage.name}", optimizer_of(stage, plan.recipe, number)
            config = {"stage": asdict(stage), "optimizer": asdict(optimizer), "steps": steps}
            run = Run(folder, config, optimizer, steps, plan.seed + number, checks)
            train(task, run, replace(options, progress=progress))
            if isinstance(task, FeatureTask):
                task.finish()
    model = _model(net.cpu().eval().requires_grad_(True), detector, plan, store.description, out.resolve().name)
    if options.ranks.first and not (out / MODEL_FOLDER).exists():
        save_model(model, out / MODEL_FOLDER, half_precision=True)
    return model


def _check(store: CaseStore, detector: Model, plan: Plan, ranks: Ranks) -> None:
    """Refuse a plan that cannot be carried out."""
    ranks.share(plan.recipe.batch)
    if store.preset != detector.preset.name:
        raise UsageError(
            f"The cases in {store.folder} are of preset {store.preset}, the detector '{detector.name}' of "
            f"{detector.preset.name}. Prepare the cases with --preset {detector.preset.name}, or use a detector of "
            f"preset {store.preset}."
        )
    if any(stage.alternate for stage in plan.stages):
        ranks.share(plan.recipe.detector.batch)


def _config(store: CaseStore, labels: np.ndarray, detector: Model, plan: Plan, options: RunOptions) -> dict[str, Any]:
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
        "precision": options.compute.precision,
        "processes": options.ranks.size,
        "cancer_of_cases": {name: int(label) for name, label in zip(store.names, labels, strict=True)},
    }


def _proposals(store: CaseStore, detector: Model, plan: Plan, compute: Compute, progress: Progress) -> list[Proposals]:
    if plan.proposals == "detector":
        return find_proposals(store, detector.detector, detector.sha256, detector.preset, compute, progress)
    rngs = (np.random.default_rng([plan.seed, number]) for number in range(len(store)))
    return [proposals_from_truth(store.case(number), rng) for number, rng in enumerate(rngs)]


def _progress_of_stage(progress: Progress, number: int, plan: Plan) -> Progress:
    """The progress of the stage of a number, which it names."""
    start, end = (_PROPOSALS_SHARE + (1 - _PROPOSALS_SHARE) * n / len(plan.stages) for n in (number, number + 1))
    share = part(progress, start, end)
    return lambda message, fraction: share(f"stage {plan.stages[number].name}: {message}", fraction)


@dataclass(frozen=True)
class _Stages:
    """What each stage trains and is checked on, and what all of them share.

    Parameters
    ----------
    cases, others
        To learn from, and to be checked on, if any.
    """

    net: CNet
    cases: KnownCases
    others: KnownCases | None
    preset: Preset
    plan: Plan
    options: RunOptions
    inserter: Inserter | None

    def task(self, number: int, progress: Progress) -> tuple[Task, int]:
        """The task of the stage of a number, and the steps of one of its epochs."""
        stage, recipe = self.plan.stages[number], self.plan.recipe
        augmentation, seed = augmentation_of(stage, recipe), self.plan.seed + number
        epoch = steps_of_epoch(len(self.cases.labels), recipe)
        if stage.cached:
            found, blank = self._features(self.cases, recipe, augmentation, progress)
            counts, fresh = blank if self.preset.blanks_scored else None, number == 0
            return FeatureTask(self.net, found, self.cases.labels, counts, recipe, self.preset, seed, fresh), epoch
        items = CaseItems(self.cases, recipe, augmentation, self.preset, seed)
        if not stage.alternate:
            return Task(
                ClassifierWithLoss(self.net, recipe, self.preset, stage.frozen_norms), items, recipe.batch
            ), epoch
        epochs = self._detector_epoch(self.cases), epoch
        joint = JointNet(self.net, recipe, self.preset, stage.frozen_norms)
        return Task(joint, self._joint(items, seed, epochs), recipe.batch, find_unused_parameters=True), sum(epochs)

    def validation(self, number: int, task: Task, steps: int, progress: Progress) -> Validation | None:
        """What the task of a stage is checked on: the other cases, their crops as at test time."""
        if self.others is None:
            return None
        stage, recipe, seed = self.plan.stages[number], self.plan.recipe, self.plan.seed + number
        epoch = steps_of_epoch(len(self.others.labels), recipe)
        if isinstance(task, FeatureTask):
            found, _ = self._features(self.others, replace(recipe, cached_crops=1), UNCHANGED, progress)
            return Validation.of(task.items_of(found, self.others.labels), recipe.batch, epoch, steps)
        items = CaseItems(self.others, recipe, UNCHANGED, self.preset, seed)
        if not stage.alternate:
            return Validation.of(items, recipe.batch, epoch, steps)
        epochs = min(self._detector_epoch(self.others), MOST_BATCHES // 2), min(epoch, MOST_BATCHES // 2)
        return Validation.of(self._joint(items, seed, epochs), recipe.batch, sum(epochs), steps)

    def _features(
        self, cases: KnownCases, recipe: ClassifierRecipe, augmentation: Augmentation, progress: Progress
    ) -> tuple[list[CaseFeatures], np.ndarray]:
        source, backbone = _digest(self.net, cases.proposals), copy.deepcopy(self.net.NoduleNet)
        how = (recipe, augmentation, self.preset, self.options.compute, self.plan.seed, progress)
        return _in_turn(self.options.ranks, lambda: cached_features(cases, backbone, source, *how))

    def _detector_epoch(self, cases: KnownCases) -> int:
        """Batches of an epoch of the detector."""
        return max(math.ceil(batches_of_epoch(cases.store, self.plan.recipe.detector)), 1)

    def _joint(self, items: CaseItems, seed: int, epochs: tuple[int, int]) -> JointItems:
        recipe = self.plan.recipe
        patches = DetectorItems(items.cases.store, recipe.detector, self.preset, seed, self.inserter)
        return JointItems(patches, items, recipe, *epochs)


def _in_turn(ranks: Ranks, work: Callable[[], T]) -> T:
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


def _model(net: CNet, detector: Model, plan: Plan, cases: str, name: str) -> Model:
    preset, stages = detector.preset, plan.stages
    one_input = preset.classifier_input == "normalised"
    shared = (stages[-1].alternate or all(stage.cached for stage in stages)) and one_input
    source = "" if plan.proposals == "detector" else ", proposals made from the described nodules, not by a detector"
    trained_on = (
        f"classifier: {cases}, scheme {plan.scheme}, recipe {plan.recipe.name}, join {plan.join}, seed "
        f"{plan.seed}{source}; {detector.trained_on}"
    )
    return Model(name, preset, plan.outcome, trained_on, net.NoduleNet if shared else detector.detector, net)
