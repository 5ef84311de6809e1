"""Section IV as one call: cases to a trained detector, kept as a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ...datasets.nodule_bank import BankNodule, bank_digest
from ...detection.proposals import Proposals
from ...errors import UsageError
from ...models.bundle import Model, one_bank, save_model
from ...models.find import initialise
from ...models.registry import MODEL_FOLDER
from ...names import LEAKY_NOISY_OR
from ...networks.cnet import CNet
from ...networks.nnet import NNet
from ...preset import Preset
from ...runtime.progress import part
from ..cases.proposals import false_alarms, find_proposals
from ..cases.real_nodules import folds_learned, held_out_scan, learnable, refuse_known_fold, refuse_test_scans
from ..cases.store import CaseStore, refuse_other_preset
from ..engine.loop import Run, RunOptions, Task, train
from ..engine.validation import Validation, check_apart
from .insertion import BankInserter, Inserter
from .items import DetectorItems
from .loss import DetectorWithLoss, new_detector
from .patches import patches_of_epoch
from .recipe import READERS, Recipe

_PROPOSALS_SHARE = 0.1  # of the progress
_LEAST_BATCHES = 8  # of a check: where nodules are inserted, few or none are described


def train_detector(
    store: CaseStore,
    recipe: Recipe,
    preset: Preset,
    out: Path,
    options: RunOptions,
    *,
    seed: int = 0,
    inserter: Inserter | None = None,
    start: Model | None = None,
    validation: CaseStore | None = None,
    validation_inserter: Inserter | None = None,
    bank: Sequence[BankNodule] = (),
    fold: int | None = None,
    also_wrong: Sequence[Model] = (),
) -> NNet:
    """Train N-Net on a store's cases and write the run and the model into `out`.

    The model's classifier has the detector's backbone and is not trained: its outcome is "none". A recipe that only
    tunes a detector leaves the classifier of `start` beside it.

    Parameters
    ----------
    start
        Its detector's weights are those that the training begins with; by default random ones.
    validation
        Other cases, whose patches the run is checked on; the weights do not depend on them.
    validation_inserter
        Puts nodules into those; by default the one of the training.
    bank
        Real nodules: `inserter` draws from those that may be learned, and their cubes are learned from.
    fold
        Of the bank, which is held out and goes on record.
    also_wrong
        Models whose false alarms are shown beside those of `start`, where the recipe shows any: what earlier rounds
        unlearned comes back where only the last one's few are shown.

    Raises
    ------
    UsageError
        Where there is nothing to learn from, the recipe tunes and `start` is missing, `start`, `validation` or
        one of `also_wrong` is of another preset, cases of the validation are learned from, or `out` is taken or holds a
        run with other settings.
    TrainingFailed, Cancelled, OutputError
        See `engine.loop.train`.
    """
    if recipe.fine_tuned and start is None:
        raise UsageError(f"Recipe {recipe.name} goes on from a trained detector: name one with --start, say Default.")
    steps = number_of_steps(store, recipe)
    recipe = replace(recipe, steps=steps)
    net = new_detector(preset, recipe, seed)
    for model in (*([start] if start is not None else []), *also_wrong):
        refuse_other_preset(store, model)
    if start is not None:
        net.load_state_dict(start.detector.state_dict())
    real, _ = learnable(bank, fold)
    cubes = [nodule for nodule in real if nodule.is_cube]
    alarms: list[Proposals] = []
    if start is not None and recipe.false_alarm_share > 0:
        alarms = _false_alarms(store, (start, *also_wrong), options)
        options = replace(options, progress=part(options.progress, _PROPOSALS_SHARE, 1.0))
    items = DetectorItems(store, recipe, preset, seed, inserter, cubes, alarms)
    task = Task(DetectorWithLoss(net, recipe), items, recipe.batch)
    config = {
        "task": "detector",
        "preset": preset.name,
        "recipe": asdict(recipe),
        "seed": seed,
        "precision": options.compute.precision,
        "processes": options.ranks.size,
        "cases": store.stamps,
        **({"start_sha256": start.sha256} if start is not None else {}),
        **({"also_wrong_sha256": [model.sha256 for model in also_wrong]} if also_wrong else {}),
        **({"bank": [nodule.id for nodule in real], "fold": fold} if bank else {}),
    }
    checks = None
    if validation is not None:
        check_apart(store, validation)
        others = DetectorItems(validation, recipe, preset, seed, validation_inserter or inserter)
        epoch = max(math.ceil(batches_of_epoch(validation, recipe)), _LEAST_BATCHES)
        checks = Validation.of(others, recipe.batch, epoch, steps)
    train(task, Run(out, config, recipe.optimizer, steps, seed, checks), options)
    net = net.cpu().eval().requires_grad_(True)
    if options.ranks.first and not (out / MODEL_FOLDER).exists():
        inserted = " with inserted nodules" if recipe.inserted_share > 0 and inserter is not None else ""
        inserted += f", {len(real)} of them of LIDC-IDRI" if real else ""
        trained_on = f"detector: {store.description}{inserted}, recipe {recipe.name}, steps {steps}, seed {seed}"
        if start is not None:
            trained_on += f"; started from {start.name} ({start.trained_on})"
        model = detector_model(net, preset, out.resolve().name, trained_on)
        known = one_bank(store.bank, bank_digest(bank) if bank else "", start.bank if start is not None else "")
        model = replace(model, bank_folds=folds_learned(start, store, real), bank=known)
        if recipe.fine_tuned and start is not None:
            kept = {name: getattr(start, name) for name in ("outcome", "classifier", "learned_from", "fusion")}
            model = replace(model, **kept)
        if start is not None:
            model = replace(model, segmenter=start.segmenter)
        save_model(model, out / MODEL_FOLDER, half_precision=True)
    return net


def _false_alarms(store: CaseStore, models: Sequence[Model], options: RunOptions) -> list[Proposals]:
    """Of each case, what the detectors of the models invent there."""
    rows: list[list[np.ndarray]] = [[] for _ in store.names]
    for number, model in enumerate(models):
        ends = (_PROPOSALS_SHARE * n / len(models) for n in (number, number + 1))
        find = partial(find_proposals, store, model.detector, model.sha256, model.preset, options.compute)
        found = options.ranks.in_turn(partial(find, part(options.progress, *ends)))
        for n, proposals in enumerate(found):
            rows[n].append(false_alarms(store.case(n), proposals).rows())
    return [Proposals.from_rows(np.concatenate(of_case)) for of_case in rows]


def train_on_bank(
    store: CaseStore,
    bank: Sequence[BankNodule],
    preset: Preset,
    start: Model,
    out: Path,
    options: RunOptions,
    *,
    recipe: Recipe = READERS,
    fold: int | None = None,
    seed: int = 0,
    also_wrong: Sequence[Model] = (),
) -> NNet:
    """`train_detector` from where a model is, on real nodules of a bank inserted into the cases of a store.

    Parameters
    ----------
    store
        Scans as backgrounds, whose lesions are regions to keep away from, and synthetic patients.
    fold
        Of the bank, to be held out together with the scan of that number, on which the run is checked; None to learn
        from all.

    Raises
    ------
    UsageError
        Where the fold has no nodules, there is no scan of its number or `start` has learned from it; see also
        `train_detector`.
    """
    refuse_test_scans(store.names, store.folder)
    refuse_known_fold(start, fold, bank, store)
    learned, held = learnable(bank, fold)
    learned_nodules, held_nodules = ([nodule for nodule in part if not nodule.is_cube] for part in (learned, held))
    validation, validation_inserter = None, None
    if fold is not None:
        scan = held_out_scan(store, fold)
        if not held_nodules or scan is None or len(store) == 1:
            raise UsageError(
                f"Fold {fold} has {len(held_nodules)} nodules, and {store.folder} has {store.description}; expected "
                "nodules in the fold, a scan of its number, counted from 0, and others to learn from."
            )
        held_name = store.names[scan]
        validation = store.without(set(store.names) - {held_name})
        validation_inserter = BankInserter(preset, held_nodules, recipe)
        store = store.without({held_name})
    if not learned_nodules:
        raise UsageError("The bank has no nodules to learn from outside the fold.")
    return train_detector(
        store,
        recipe,
        preset,
        out,
        options,
        seed=seed,
        inserter=BankInserter(preset, learned_nodules, recipe),
        start=start,
        validation=validation,
        validation_inserter=validation_inserter,
        bank=bank,
        fold=fold,
        also_wrong=also_wrong,
    )


def number_of_steps(store: CaseStore, recipe: Recipe) -> int:
    """The recipe's own, or what its epochs over the store's nodules come to; at least one."""
    if recipe.steps is not None:
        return recipe.steps
    return max(math.ceil(recipe.epochs * batches_of_epoch(store, recipe)), 1)


def batches_of_epoch(store: CaseStore, recipe: Recipe) -> float:
    """How many batches an epoch over the store's nodules has; a fraction of one where they are few."""
    return patches_of_epoch(store.nodules, recipe) / recipe.batch


def detector_model(net: NNet, preset: Preset, name: str, trained_on: str) -> Model:
    """A model of a trained detector and a classifier of the same backbone whose last layers are random."""
    classifier = CNet(preset, LEAKY_NOISY_OR)
    initialise(classifier, torch.Generator().manual_seed(0))
    classifier.NoduleNet.load_state_dict(net.state_dict())
    return Model(name, preset, "none", trained_on, net, classifier)
