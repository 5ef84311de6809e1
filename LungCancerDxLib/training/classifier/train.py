"""Section V as one call: cases of known outcome and a detector to a trained classifier, kept as a model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from ...detection.proposals import Proposals
from ...models.bundle import Model, save_model
from ...models.registry import MODEL_FOLDER
from ...networks.cnet import CNet
from ...runtime.device import Compute
from ...runtime.progress import Progress, part, silent
from ..cases.labels import read_labels
from ..cases.store import CaseStore
from ..detector.insertion import Inserter
from ..engine.distributed import ALONE, Ranks
from ..engine.loop import Run, default_loader_threads, train
from ..engine.run_folder import RunFolder
from ..engine.validation import check_apart
from .features import FeatureTask
from .items import KnownCases
from .network import leak_in_units, new_classifier
from .proposals import find_proposals, proposals_from_truth
from .recipe import optimizer_of
from .stages import Plan, Stages, check, config_of, in_turn

_FOUND_SHARE = 0.3  # of the progress


def train_classifier(
    store: CaseStore,
    detector: Model,
    plan: Plan,
    out: Path,
    compute: Compute,
    *,
    inserter: Inserter | None = None,
    validation: CaseStore | None = None,
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
    validation
        Other cases with labels, on which every stage is checked; the weights do not depend on them.

    Raises
    ------
    UsageError
        Where there is nothing to learn from, the store is of another preset than the detector or the validation, cases
        of the validation are learned from, or `out` is taken or holds a run with other settings.
    TrainingFailed, Cancelled, OutputError
        See `engine.train`.
    """
    check(store, detector, plan, ranks)
    labels, others = read_labels(store.folder, store.names), None
    if validation is not None:
        check_apart(store, validation)
        others = validation, read_labels(validation.folder, validation.names)
    config = config_of(store, labels, detector, plan, compute, ranks)
    if ranks.first:
        files = RunFolder(out, config)
        files.resume() if resume else files.create()
    told = part(progress, 0.0, _FOUND_SHARE)

    def known(store: CaseStore, labels: np.ndarray) -> KnownCases:
        proposals = in_turn(ranks, lambda: _proposals(store, detector, plan, compute, told))
        return KnownCases(store, labels, proposals)

    net = new_classifier(detector.detector, detector.preset, plan.join, plan.recipe, plan.seed)
    cases, other_cases = known(store, labels), known(*others) if others is not None else None
    all_stages = Stages(net, cases, other_cases, detector.preset, plan, compute, ranks, inserter)
    for number, stage in enumerate(plan.stages):
        ends = [_FOUND_SHARE + (1 - _FOUND_SHARE) * n / len(plan.stages) for n in (number, number + 1)]
        of_stage = _named(part(progress, *ends), stage.name)
        with leak_in_units(net, plan.recipe.leak_rate):
            task, epoch = all_stages.task(number, of_stage)
            steps = plan.recipe.steps or (stage.epochs or plan.recipe.epochs) * epoch
            checks = all_stages.validation(number, task, steps, of_stage)
            threads = default_loader_threads(compute.device, ranks)
            optimizer, folder = optimizer_of(stage, plan.recipe, number), out / f"{number + 1}-{stage.name}"
            words = {"stage": asdict(stage), "optimizer": asdict(optimizer), "steps": steps}
            seed = plan.seed + number
            run = Run(folder, words, optimizer, steps, seed, checkpoint_minutes, threads, events_and_curves, checks)
            train(task, run, compute, ranks=ranks, resume=resume, progress=of_stage)
            if isinstance(task, FeatureTask):
                task.finish()
    model = _model(net.cpu().eval().requires_grad_(True), detector, plan, store.words, out.resolve().name)
    if ranks.first and not (out / MODEL_FOLDER).exists():
        save_model(model, out / MODEL_FOLDER, half_precision=True)
    return model


def _proposals(store: CaseStore, detector: Model, plan: Plan, compute: Compute, progress: Progress) -> list[Proposals]:
    if plan.proposals == "detector":
        return find_proposals(store, detector.detector, detector.sha256, detector.preset, compute, progress)
    rngs = (np.random.default_rng([plan.seed, number]) for number in range(len(store)))
    return [proposals_from_truth(store.case(number), rng) for number, rng in enumerate(rngs)]


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
