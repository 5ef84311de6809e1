"""Section IV as one call: cases to a trained detector, kept as a model."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path

import torch

from ...errors import UsageError
from ...models.bundle import Model, save_model
from ...models.find import initialise
from ...models.registry import MODEL_FOLDER
from ...names import LEAKY_NOISY_OR
from ...networks.cnet import CNet
from ...networks.nnet import NNet
from ...preset import Preset
from ..cases.store import CaseStore
from ..engine.loop import Run, RunOptions, Task, train
from ..engine.validation import Validation, check_apart
from .insertion import Inserter
from .items import DetectorItems
from .loss import DetectorWithLoss, new_detector
from .patches import patches_of_epoch
from .recipe import Recipe

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
) -> NNet:
    """Train N-Net on a store's cases and write the run and the model into `out`.

    The model's classifier has the detector's backbone and is not trained: its outcome is "none".

    Parameters
    ----------
    start
        Its detector's weights are those that the training begins with; by default random ones.
    validation
        Other cases, whose patches the run is checked on; the weights do not depend on them.

    Raises
    ------
    UsageError
        Where there is nothing to learn from, `start` or `validation` is of another preset, cases of the validation are
        learned from, or `out` is taken or holds a run with other settings.
    TrainingFailed, Cancelled, OutputError
        See `engine.loop.train`.
    """
    steps = number_of_steps(store, recipe)
    recipe = replace(recipe, steps=steps)
    net = new_detector(preset, recipe, seed)
    if start is not None:
        if start.preset != preset:
            raise UsageError(
                f"The cases in {store.folder} are of preset {preset.name}, the model '{start.name}' to start from is "
                f"of {start.preset.name}. Prepare the cases with --preset {start.preset.name}, or start from another."
            )
        net.load_state_dict(start.detector.state_dict())
    items = DetectorItems(store, recipe, preset, seed, inserter)
    task = Task(DetectorWithLoss(net, recipe), items, recipe.batch)
    config = {
        "task": "detector",
        "preset": preset.name,
        "recipe": asdict(recipe),
        "seed": seed,
        "precision": options.compute.precision,
        "processes": options.ranks.size,
        "nodules_of_cases": {name: len(boxes) for name, boxes in zip(store.names, store.nodules, strict=True)},
        **({"start_sha256": start.sha256} if start is not None else {}),
    }
    checks = None
    if validation is not None:
        check_apart(store, validation)
        others = DetectorItems(validation, recipe, preset, seed, inserter)
        epoch = max(math.ceil(batches_of_epoch(validation, recipe)), _LEAST_BATCHES)
        checks = Validation.of(others, recipe.batch, epoch, steps)
    train(task, Run(out, config, recipe.optimizer, steps, seed, checks), options)
    net = net.cpu().eval()
    if options.ranks.first and not (out / MODEL_FOLDER).exists():
        inserted = " with inserted nodules" if recipe.inserted_share > 0 and inserter is not None else ""
        trained_on = f"detector: {store.description}{inserted}, recipe {recipe.name}, steps {steps}, seed {seed}"
        if start is not None:
            trained_on += f"; started from {start.name} ({start.trained_on})"
        save_model(detector_model(net, preset, out.resolve().name, trained_on), out / MODEL_FOLDER, half_precision=True)
    return net


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
