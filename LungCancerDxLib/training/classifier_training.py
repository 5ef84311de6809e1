"""Section V as one call: cases of known outcome and a detector to a trained classifier, kept as a model."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..compute import Compute
from ..models.bundle import Model, save_model
from ..networks.cnet import CNet
from ..progress import Progress, part, silent
from .case_store import CaseStore
from .classifier_feature_task import FeatureTask
from .classifier_features import cached_features
from .classifier_items import CaseItems, KnownCases, steps_of_epoch
from .classifier_labels import read_labels
from .classifier_net import leak_in_units, new_classifier
from .classifier_plan import Plan, check, config_of
from .detector_items import DetectorItems
from .detector_training import MODEL_FOLDER
from .engine import Run, Task, default_loader_threads, train
from .inserting import Inserter
from .joint_task import ClassifierTask, JointTask
from .proposals import find_proposals, proposals_from_truth
from .ranks import ALONE, Ranks
from .run_folder import RunFolder
from .sampling import rows
from .schemes import augmentation_of, regime_of

_FOUND_SHARE = 0.3  # of the progress
Found = TypeVar("Found")


def train_classifier(
    store: CaseStore,
    detector: Model,
    plan: Plan,
    out: Path,
    compute: Compute,
    *,
    inserter: Inserter | None = None,
    ranks: Ranks = ALONE,
    resume: bool = False,
    checkpoint_minutes: float = 2.0,
    events_and_curves: bool = True,
    progress: Progress = silent,
) -> Model:
    """Train C-Net on a store's cases, stage by stage, and write the stages' runs and the model into `out`.

    The backbone starts as the detector's. The model has one backbone for both networks where that is what was trained:
    after a last stage that alternates, or where the backbone was never moved. Otherwise the detector stays as it was
    and the classifier has a backbone of its own.

    Parameters
    ----------
    inserter
        For the detector's patches in stages that alternate, where the recipe inserts nodules.

    Raises
    ------
    UsageError
        Where there is nothing to learn from, the store is of another preset than the detector, `out` is taken, or holds
        a run with other settings.
    TrainingFailed, Cancelled, OutputError
        See `engine.train`.
    """
    check(store, detector, plan, ranks)
    labels = read_labels(store.folder, store.names)
    config = config_of(store, labels, detector, plan, compute, ranks)
    if ranks.first:
        files = RunFolder(out, config)
        files.take_up() if resume else files.begin()
    told = part(progress, 0.0, _FOUND_SHARE)
    proposals = _in_turn(ranks, lambda: _proposals(store, detector, plan, compute, told))
    cases = KnownCases(store, labels, proposals)
    net = new_classifier(detector.detector, detector.preset, plan.join, plan.recipe, plan.seed)
    for number, stage in enumerate(plan.stages):
        ends = [_FOUND_SHARE + (1 - _FOUND_SHARE) * n / len(plan.stages) for n in (number, number + 1)]
        of_stage = _named(part(progress, *ends), stage.name)
        with leak_in_units(net, plan.recipe.leak_rate):
            task, epoch = _task(number, net, cases, detector, plan, compute, ranks, inserter, of_stage)
            steps = plan.recipe.steps or (stage.epochs or plan.recipe.epochs) * epoch
            threads = default_loader_threads(compute.device, ranks)
            regime, folder = regime_of(stage, plan.recipe, number), out / f"{number + 1}-{stage.name}"
            words = {"stage": asdict(stage), "regime": asdict(regime), "steps": steps}
            run = Run(folder, words, regime, steps, plan.seed + number, checkpoint_minutes, threads, events_and_curves)
            train(task, run, compute, ranks=ranks, resume=resume, progress=of_stage)
            if isinstance(task, FeatureTask):
                task.finish()
    model = _model(net.cpu().eval().requires_grad_(True), detector, plan, store.words, out.resolve().name)
    if ranks.first and not (out / MODEL_FOLDER).exists():
        save_model(model, out / MODEL_FOLDER, half_precision=True)
    return model


def _in_turn(ranks: Ranks, work: Callable[[], Found]) -> Found:
    """What one process computes and keeps, the others then read."""
    if not ranks.first:
        ranks.wait()
    found = work()
    if ranks.first:
        ranks.wait()
    return found


def _proposals(store: CaseStore, detector: Model, plan: Plan, compute: Compute, progress: Progress) -> list[np.ndarray]:
    if plan.proposals == "detector":
        return find_proposals(store, detector.detector, detector.sha256, detector.preset, compute, progress)
    rngs = (np.random.default_rng([plan.seed, number]) for number in range(len(store)))
    return [proposals_from_truth(store.case(number), rng) for number, rng in enumerate(rngs)]


def _task(
    number: int,
    net: CNet,
    cases: KnownCases,
    detector: Model,
    plan: Plan,
    compute: Compute,
    ranks: Ranks,
    inserter: Inserter | None,
    progress: Progress,
) -> tuple[Task, int]:
    """The task of the stage of a number, and the steps of one of its epochs."""
    stage, recipe, preset, seed = plan.stages[number], plan.recipe, detector.preset, plan.seed + number
    augmentation = augmentation_of(stage, recipe)
    of_classifier = steps_of_epoch(len(cases.labels), recipe)
    if stage.cached:
        source = _digest(net, cases.proposals)
        backbone = copy.deepcopy(net.NoduleNet)

        def features() -> tuple[list, np.ndarray]:
            return cached_features(cases, backbone, source, recipe, augmentation, preset, compute, plan.seed, progress)

        found, blank = _in_turn(ranks, features)
        counts = blank if preset.blanks_scored else None
        fresh = number == 0
        return FeatureTask(net, found, cases.labels, counts, recipe, preset, seed, fresh), of_classifier
    items = CaseItems(cases, recipe, augmentation, preset, seed)
    if not stage.alternate:
        return ClassifierTask(net, items, recipe, preset, stage.frozen_norms), of_classifier
    patches = DetectorItems(cases.store, recipe.detector, preset, seed, inserter)
    of_detector = max(int(np.ceil(rows(cases.store.nodules, recipe.detector) / recipe.detector.batch)), 1)
    task = JointTask(net, patches, items, recipe, preset, of_detector, of_classifier, stage.frozen_norms)
    return task, of_detector + of_classifier


def _digest(net: CNet, proposals: Sequence[np.ndarray]) -> str:
    """Of the backbone's weights and all proposals."""
    digest = hashlib.sha256()
    for tensor in net.NoduleNet.state_dict().values():
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    for rows_of_case in proposals:
        digest.update(np.ascontiguousarray(rows_of_case).tobytes() + b";")
    return digest.hexdigest()


def _named(progress: Progress, stage: str) -> Progress:
    return lambda words, fraction: progress(f"stage {stage}: {words}", fraction)


def _model(net: CNet, detector: Model, plan: Plan, cases: str, name: str) -> Model:
    preset, stages = detector.preset, plan.stages
    one_input = preset.classifier_input == "normalised"
    shared = (stages[-1].alternate or all(stage.cached for stage in stages)) and one_input
    made = "" if plan.proposals == "detector" else ", proposals made from the described nodules, not by a detector"
    words = (
        f"classifier: {cases}, scheme {plan.scheme}, recipe {plan.recipe.name}, join {plan.join}, seed "
        f"{plan.seed}{made}; {detector.trained_on}"
    )
    return Model(name, preset, plan.outcome, words, net.NoduleNet if shared else detector.detector, net)
