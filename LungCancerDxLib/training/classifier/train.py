"""Section V as one call: cases of known outcome and a detector to a trained classifier, kept as a model."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...detection.proposals import Proposals
from ...models.bundle import Model, detector_said, one_bank, save_model
from ...models.registry import MODEL_FOLDER
from ...names import LEAKY_NOISY_OR
from ...networks.cnet import CNet
from ...preset import Preset
from ...runtime.progress import Progress, part
from ..cases.proposals import find_proposals
from ..cases.real_nodules import folds_learned
from ..cases.store import CaseStore, read_outcomes, refuse_other_preset
from ..detector.insertion import Inserter
from ..detector.items import DetectorItems
from ..detector.train import batches_of_epoch
from ..engine.distributed import Ranks
from ..engine.loop import Run, RunOptions, Task, train
from ..engine.validation import MOST_BATCHES, Items, Validation, check_apart
from .features import CaseFeatures, FeatureTask, cached_features, source_digest
from .items import CaseItems, JointItems, KnownCases
from .network import ClassifierWithLoss, JointNet, leak_in_units, new_classifier
from .proposals import proposals_from_truth
from .recipe import ARROW, UNCHANGED, Augmentation, ClassifierRecipe, Stage, augmentation_of, optimizer_of

_PROPOSALS_SHARE = 0.3  # of the progress


@dataclass(frozen=True)
class Plan:
    """What is to be trained.

    Parameters
    ----------
    outcome
        What the labels are, for the model's card: a key of `names.OUTCOMES`.
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
    check_described((store, *([] if validation is None else [validation])), plan, detector.preset, inserter)
    if validation is not None:
        check_apart(store, validation)
        other = validation, read_outcomes(validation.folder, validation.names)
    options.open(out, _config(store, labels, detector, plan, options))
    net = new_classifier(detector.detector, detector.preset, plan.join, plan.recipe, plan.seed)
    cases = _known(store, labels, detector, plan, options)
    others = None if other is None else _known(*other, detector, plan, options)
    stages = _Stages(net, cases, others, detector.preset, plan, options, inserter)
    for number, stage in enumerate(plan.stages):
        progress = _progress_of_stage(options.progress, number, plan)
        with leak_in_units(net, plan.recipe.leak_rate):
            task, epoch = stages.task(number, progress)
            steps = plan.recipe.steps or plan.recipe.epochs_of(stage) * epoch
            checks = stages.validation(number, task, steps, progress)
            folder, optimizer = out / f"{number + 1}-{stage.name}", optimizer_of(stage, plan.recipe, number)
            config = {"stage": asdict(stage), "optimizer": asdict(optimizer), "steps": steps}
            run = Run(folder, config, optimizer, steps, plan.seed + number, checks)
            train(task, run, replace(options, progress=progress))
            if isinstance(task, FeatureTask):
                task.finish()
    model = _model(net.cpu().eval().requires_grad_(True), detector, plan, store, out.resolve().name)
    if options.ranks.first and not (out / MODEL_FOLDER).exists():
        save_model(model, out / MODEL_FOLDER, half_precision=True)
    return model


def check_described(stores: Sequence[CaseStore], plan: Plan, preset: Preset, inserter: Inserter | None) -> None:
    """Raise a `UsageError` where a plan's stages alternate and cases have no nodule that their detector could learn."""
    if any(stage.alternate for stage in plan.stages):
        for store in stores:
            DetectorItems(store, plan.recipe.detector, preset, plan.seed, inserter)


def _check(store: CaseStore, detector: Model, plan: Plan, ranks: Ranks) -> None:
    """Refuse a plan that cannot be carried out."""
    ranks.share(plan.recipe.batch)
    refuse_other_preset(store, detector)
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
        "cases": store.stamps,
        "cancer_of_cases": {name: int(label) for name, label in zip(store.names, labels, strict=True)},
    }


def _known(store: CaseStore, labels: np.ndarray, detector: Model, plan: Plan, options: RunOptions) -> KnownCases:
    """Cases with the proposals that the plan asks for."""
    progress, preset = part(options.progress, 0.0, _PROPOSALS_SHARE), detector.preset

    def proposals() -> list[Proposals]:
        if plan.proposals == "detector":
            return find_proposals(store, detector.detector, detector.sha256, preset, options.compute, progress)
        rngs = [np.random.default_rng([plan.seed, number]) for number in range(len(store))]
        return [proposals_from_truth(store.case(number), rng) for number, rng in enumerate(rngs)]

    return KnownCases(store, labels, options.ranks.in_turn(proposals))


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
        augmentation = augmentation_of(stage, recipe)
        if stage.cached:
            found, blank = self._features(self.cases, recipe, augmentation, progress)
            counts = blank if self.preset.blanks_scored else None
            labels, seed, fresh = self.cases.labels, self.plan.seed + number, number == 0
            task = FeatureTask(self.net, found, labels, counts, recipe, self.preset, seed, fresh)
            return task, math.ceil(len(labels) / recipe.batch)
        items, epoch = self._items(number, self.cases, augmentation)
        network = JointNet if stage.alternate else ClassifierWithLoss
        module = network(self.net, recipe, self.preset, stage.frozen_norms)
        return Task(module, items, recipe.batch, find_unused_parameters=stage.alternate), epoch

    def validation(self, number: int, task: Task, steps: int, progress: Progress) -> Validation | None:
        """What the task of a stage is checked on: the other cases, their crops as at test time."""
        if self.others is None:
            return None
        recipe, items, epoch = self.plan.recipe, *self._items(number, self.others, UNCHANGED, MOST_BATCHES // 2)
        if isinstance(task, FeatureTask):
            found, _ = self._features(self.others, replace(recipe, cached_crops=1), UNCHANGED, progress)
            items = task.items_of(found, self.others.labels)
        return Validation.of(items, recipe.batch, epoch, steps)

    def _items(
        self, number: int, cases: KnownCases, augmentation: Augmentation, most: int | None = None
    ) -> tuple[Items, int]:
        """What batches of a stage are made of, and how many an epoch has; at most so many of each of two networks."""
        recipe, seed = self.plan.recipe, self.plan.seed + number
        items = CaseItems(cases, recipe, augmentation, self.preset, seed)
        epoch = math.ceil(len(cases.labels) / recipe.batch)
        if not self.plan.stages[number].alternate:
            return items, epoch
        patches = DetectorItems(cases.store, recipe.detector, self.preset, seed, self.inserter)
        detector_epoch = max(math.ceil(batches_of_epoch(cases.store, recipe.detector)), 1)
        epochs = min(detector_epoch, most or detector_epoch), min(epoch, most or epoch)
        return JointItems(patches, items, *epochs), sum(epochs)

    def _features(
        self, cases: KnownCases, recipe: ClassifierRecipe, augmentation: Augmentation, progress: Progress
    ) -> tuple[list[CaseFeatures], np.ndarray]:
        source, backbone = source_digest(self.net.NoduleNet, cases.proposals), copy.deepcopy(self.net.NoduleNet)
        how = (recipe, augmentation, self.preset, self.options.compute, self.plan.seed, progress)
        return self.options.ranks.in_turn(lambda: cached_features(cases, backbone, source, *how))


def _model(net: CNet, detector: Model, plan: Plan, store: CaseStore, name: str) -> Model:
    preset, stages = detector.preset, plan.stages
    one_input = preset.classifier_input == "normalised"
    shared = (stages[-1].alternate or all(stage.cached for stage in stages)) and one_input
    source = "" if plan.proposals == "detector" else ", proposals made from the described nodules, not by a detector"
    trained_on = (
        f"classifier: {store.description}, scheme {plan.scheme}, recipe {plan.recipe.name}, join {plan.join}, seed "
        f"{plan.seed}{source}; {detector_said(detector)}"
    )
    own = net.NoduleNet if shared else detector.detector
    folds = folds_learned(detector, store)
    return Model(
        name,
        preset,
        plan.outcome,
        trained_on,
        own,
        net,
        segmenter=detector.segmenter,
        bank_folds=folds,
        bank=one_bank(detector.bank, store.bank),
    )
