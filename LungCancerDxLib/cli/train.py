"""`lungcancerdx train`: scans to training cases, training cases to networks."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..names import JOINS, LEAKY_NOISY_OR, OUTCOMES, listed
from ..runtime.interruption import Stop
from .arguments import (
    Commands,
    Run,
    add_actions,
    add_bank_options,
    add_command,
    add_training_options,
    add_validation_option,
    count,
    edge,
    path,
)
from .terminal import make_progress
from .train_prepare import add_bank, add_prepare
from .train_segmenter import add_segmenter_options, train_segmenter

if TYPE_CHECKING:
    from ..training.classifier.recipe import ClassifierRecipe
    from ..training.classifier.train import Plan
    from ..training.engine.loop import RunOptions

    Training = Callable[[argparse.Namespace, RunOptions], str]

_RECIPES = ("cpu", "paper", "grt123")
_READERS = "readers"
# Options that recipe readers alone heeds, and those of the classifier that it has no use for, as they are where nothing
# is given.
_RATED_ALONE = dict.fromkeys(("bank", "fold", "false_alarms_of"))
_NOT_RATED = {
    "join": LEAKY_NOISY_OR,
    "scheme": None,
    "proposals": "detector",
    "miss_loss": None,
    "partly_described": False,
    "epochs": None,
    "validation": None,
}
_STEP_S = 60.0  # within which a step ends and a checkpoint is written
_DETECTOR_SHARE = 0.6  # of the time, for the progress


def add_train(commands: Commands) -> None:
    """Its actions."""
    actions = add_actions(commands, "train", help="train the networks")
    add_prepare(actions)
    add_bank(actions)
    detector = add_command(
        actions, "detector", _training(_train_detector), help="train the detector (section IV of the paper)"
    )
    classifier = add_command(
        actions, "classifier", _training(_train_classifier), help="train the classifier (section V of the paper)"
    )
    both = add_command(
        actions, "all", _training(_train_all), help="train the detector and then, with what it finds, the classifier"
    )
    prepared = "cases that `train prepare` made"
    for parser, data, run, model, recipes in (
        (detector, prepared, "detector-run", "the run and its model", (*_RECIPES, _READERS)),
        (classifier, f"{prepared}, with labels.csv", "classifier-run", "the run and its model", (*_RECIPES, _READERS)),
        (both, prepared, "run", "the classifier's; the detector's is RUN-detector", _RECIPES),
    ):
        parser.add_argument("--data", metavar="FOLDER", type=path, required=True, help=data)
        parser.add_argument("--out", metavar="RUN", type=path, default=Path(run), help=model)
        parser.add_argument("--recipe", choices=recipes, default="cpu")
    detector.add_argument("--start", metavar="MODEL|RUN", help="begin with its weights instead of random ones")
    detector.add_argument(
        "--false-alarms-of",
        metavar="MODEL|RUN",
        nargs="+",
        help="recipe readers: show the false alarms of these detectors, too, beside those of --start",
    )
    detector.add_argument("--steps", metavar="N", type=count, help="instead of the recipe's")
    detector.add_argument("--patch", metavar="P", type=edge, help="edge of a patch, a multiple of 16 voxels from 32 on")
    detector.add_argument("--batch", metavar="B", type=count, help="patches a step, of all processes together")
    for parser in (detector, classifier):
        add_bank_options(parser, "recipe readers: ")
    _add_classifier_options(classifier)
    both.add_argument(
        "--classifier-data", metavar="FOLDER", type=path, help="other cases for the classifier, which is better"
    )
    both.add_argument("--detector-steps", metavar="N", type=count, help="instead of the recipe's")
    both.add_argument("--classifier-steps", metavar="N", type=count, help="of each stage, instead of the recipe's")
    of_one_command_alone = ("start", "false_alarms_of", "patch", "scheme", "miss_loss", "batch", "epochs")
    both.set_defaults(**dict.fromkeys(of_one_command_alone), proposals="detector")
    for parser, labels in (
        (classifier, "what the labels are: goes onto the model's card"),
        (both, "what the classifier's labels are"),
    ):
        parser.add_argument("--outcome", choices=OUTCOMES, required=True, help=labels)
        parser.add_argument("--join", choices=JOINS, default=LEAKY_NOISY_OR, help="of the nodules (Fig. 6b)")
        parser.add_argument(
            "--partly-described",
            action="store_true",
            help="cases may have nodules that nobody described: no proposal is taken for a false alarm",
        )
    segmenter = add_command(
        actions, "segmenter", _training(train_segmenter), help="train the network that outlines nodules"
    )
    add_segmenter_options(segmenter)
    for parser in (detector, classifier, both):
        add_training_options(parser)
        add_validation_option(parser)
    add_training_options(segmenter)


def _add_classifier_options(classifier: argparse.ArgumentParser) -> None:
    """What the classifier alone takes."""
    classifier.add_argument(
        "--detector", metavar="MODEL|RUN", required=True, help="a model's name or folder, or the run of a detector"
    )
    classifier.add_argument(
        "--scheme", metavar="STAGES", help='such as "A->B->E" (Table I); default: the recipe\'s, for cpu "F"'
    )
    classifier.add_argument(
        "--proposals",
        choices=("detector", "truth"),
        default="detector",
        help="found by the detector, or made from the described nodules to try things out",
    )
    classifier.add_argument(
        "--miss-loss",
        metavar="W",
        type=_weight,
        help="weight of the published code's loss on missed nodules, instead of the recipe's",
    )
    length = classifier.add_mutually_exclusive_group()
    length.add_argument(
        "--steps", metavar="N", type=count, help="of each stage, instead of the recipe's; recipe readers: of both"
    )
    length.add_argument("--epochs", metavar="N", type=count, help="of each stage, instead of the recipe's")
    classifier.add_argument("--batch", metavar="B", type=count, help="cases a step, of all processes together")


def _weight(text: str) -> float:
    number = float(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"expected zero or more, got {text}")
    return number


def _training(train: Training) -> Run:
    """A training as a command: on its device and with its processes."""

    def run(arguments: argparse.Namespace, stop: Stop) -> str:
        from ..training.engine.distributed import ranks_of_torchrun
        from ..training.engine.loop import RunOptions
        from ..training.engine.precision import training_compute

        stop.message, stop.grace_s = "Stopped; --resume goes on from the last checkpoint.", _STEP_S
        compute = training_compute(arguments.device, arguments.precision)
        with ranks_of_torchrun(compute.device) as ranks:
            progress = stop.watched(make_progress(arguments.progress if ranks.first else "none"))
            return train(
                arguments,
                RunOptions(compute, ranks, arguments.resume, arguments.checkpoint_minutes, progress=progress),
            )

    return run


def _train_detector(arguments: argparse.Namespace, options: RunOptions) -> str:
    from ..datasets.nodule_bank import read_nodule_bank
    from ..models.find import model_or_run
    from ..models.registry import MODEL_FOLDER
    from ..preset import PRESETS
    from ..training.cases.store import CaseStore
    from ..training.detector.insertion import LungInserter
    from ..training.detector.recipe import RECIPES
    from ..training.detector.train import train_detector, train_on_bank

    store = CaseStore(arguments.data)
    changes = {name: getattr(arguments, name) for name in ("steps", "patch", "batch") if getattr(arguments, name)}
    recipe, preset = replace(RECIPES[arguments.recipe.upper()], **changes), PRESETS[store.preset]
    start = model_or_run(arguments.start) if arguments.start else None
    if arguments.recipe == _READERS:
        if start is None or arguments.validation:
            raise UsageError(
                "Recipe readers goes on from a trained detector and is checked on a part of the bank: name the "
                "detector with --start, say Default, and the part with --fold instead of --validation."
            )
        bank, fold = read_nodule_bank(arguments.bank), arguments.fold
        also_wrong = [model_or_run(name) for name in arguments.false_alarms_of or ()]
        how = {"recipe": recipe, "fold": fold, "seed": arguments.seed, "also_wrong": also_wrong}
        train_on_bank(store, bank, preset, start, arguments.out, options, **how)
        return f"The model is in {arguments.out / MODEL_FOLDER}: its detector was trained, its classifier was not."
    _refuse_given(arguments, _RATED_ALONE, "pass --recipe readers with it")
    train_detector(
        store,
        recipe,
        preset,
        arguments.out,
        options,
        seed=arguments.seed,
        inserter=LungInserter(preset),
        start=start,
        validation=CaseStore(arguments.validation) if arguments.validation else None,
    )
    return f"The detector's model is in {arguments.out / MODEL_FOLDER}; it finds nodules and does not classify them."


def _train_classifier(arguments: argparse.Namespace, options: RunOptions) -> str:
    if arguments.recipe == _READERS:
        return _train_on_ratings(arguments, options)
    from ..models.find import model_or_run
    from ..models.registry import MODEL_FOLDER
    from ..training.cases.store import CaseStore
    from ..training.classifier.train import train_classifier
    from ..training.detector.insertion import LungInserter

    _refuse_given(arguments, _RATED_ALONE, "pass --recipe readers with it")
    detector = model_or_run(arguments.detector)
    model = train_classifier(
        CaseStore(arguments.data),
        detector,
        _plan(arguments),
        arguments.out,
        options,
        inserter=LungInserter(detector.preset),
        validation=CaseStore(arguments.validation) if arguments.validation else None,
    )
    leak = "" if model.classifier.leak is None else f"; learned leak {model.classifier.leak.item():.3f}"
    return f"The model is in {arguments.out / MODEL_FOLDER}; outcome {model.outcome}{leak}."


def _refuse_given(arguments: argparse.Namespace, unset: Mapping[str, object], cure: str) -> None:
    """Raise a `UsageError` where the recipe is given options that it has no use for."""
    given = [name for name, default in unset.items() if vars(arguments).get(name, default) != default]
    if given:
        options = listed([f"--{name.replace('_', '-')}" for name in given], len(unset))
        raise UsageError(f"Recipe {arguments.recipe} has no use for {options}; {cure}.")


def _train_on_ratings(arguments: argparse.Namespace, options: RunOptions) -> str:
    from ..datasets.nodule_bank import read_nodule_bank
    from ..models.find import model_or_run
    from ..models.registry import MODEL_FOLDER
    from ..training.cases.store import CaseStore
    from ..training.classifier.readers import READERS, train_readers

    if arguments.outcome != _READERS:
        raise UsageError("Recipe readers learns from ratings, not from diagnoses: pass --outcome readers with it.")
    _refuse_given(arguments, _NOT_RATED, "it rates nodules of a bank")
    start = model_or_run(arguments.detector)
    recipe = READERS.last_stage if start.learned_from == "nodules" else READERS
    recipe = recipe.of_steps(arguments.steps or recipe.steps)
    train_readers(
        CaseStore(arguments.data),
        read_nodule_bank(arguments.bank),
        start,
        arguments.out,
        options,
        recipe=replace(recipe, batch=arguments.batch or recipe.batch),
        fold=arguments.fold,
        seed=arguments.seed,
    )
    return f"The model is in {arguments.out / MODEL_FOLDER}; outcome {_READERS}."


def _recipe(arguments: argparse.Namespace) -> ClassifierRecipe:
    from ..training.classifier.recipe import CLASSIFIER_RECIPES

    recipe = CLASSIFIER_RECIPES[arguments.recipe.upper()]
    if arguments.epochs:
        recipe = replace(recipe, asked_epochs=arguments.epochs, steps=None)
    if arguments.partly_described:
        recipe = replace(recipe, false_alarm_loss=0.0)
    if arguments.miss_loss is not None:
        recipe = replace(recipe, miss_loss=arguments.miss_loss)
    changes = {name: getattr(arguments, name) for name in ("steps", "batch") if getattr(arguments, name)}
    return replace(recipe, **changes)


def _plan(arguments: argparse.Namespace) -> Plan:
    from ..training.classifier.recipe import parse_scheme
    from ..training.classifier.train import Plan

    recipe = _recipe(arguments)
    stages = parse_scheme(arguments.scheme or recipe.scheme)
    return Plan(recipe, stages, arguments.outcome, arguments.join, arguments.proposals, arguments.seed)


def _train_all(arguments: argparse.Namespace, options: RunOptions) -> str:
    """Train both; what would stop the classifier is found out before the detector is trained."""
    from ..preset import PRESETS
    from ..runtime.atomic import check_target
    from ..runtime.progress import part
    from ..training.cases.store import CaseStore, read_outcomes
    from ..training.classifier.train import check_described
    from ..training.detector.insertion import LungInserter
    from ..training.engine.validation import check_apart

    store, validation = CaseStore(arguments.data), arguments.validation and CaseStore(arguments.validation)
    cases = CaseStore(arguments.classifier_data) if arguments.classifier_data else store
    read_outcomes(cases.folder, cases.names)
    if cases.preset != store.preset:
        raise UsageError(
            f"The cases in {store.folder} are of preset {store.preset}, those in {cases.folder} of {cases.preset}; "
            "prepare both with the same --preset."
        )
    if validation:
        check_apart(cases, validation)
        read_outcomes(validation.folder, validation.names)
    if not arguments.resume:
        check_target(arguments.out)
    out: Path = arguments.out.resolve()
    if not out.name:
        raise UsageError(f"--out {arguments.out} names no folder that could be made; give one with a name.")
    given, detector_run = vars(arguments), out.with_name(f"{out.name}-detector")
    of_detector = {"out": detector_run, "steps": arguments.detector_steps}
    of_classifier = {"data": cases.folder, "detector": str(detector_run), "steps": arguments.classifier_steps}
    plan, preset = _plan(argparse.Namespace(**{**given, **of_classifier})), PRESETS[cases.preset]
    check_described((cases, *([validation] if validation else [])), plan, preset, LungInserter(preset))
    first = replace(options, progress=part(options.progress, 0.0, _DETECTOR_SHARE))
    second = replace(options, progress=part(options.progress, _DETECTOR_SHARE, 1.0))
    message = _train_detector(argparse.Namespace(**{**given, **of_detector}), first)
    options.ranks.wait()  # until the detector's model is written
    return f"{message}\n{_train_classifier(argparse.Namespace(**{**given, **of_classifier}), second)}"
