"""`lungcancerdx train classifier`: cases of known outcome and a detector to a model."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from ..compute import Compute
from ..models.bundle import Model
from ..models.card import CARD_FILE
from ..models.locate import find_model
from ..progress import Progress
from ..training.case_store import CaseStore
from ..training.classifier_plan import Plan
from ..training.classifier_recipe import CLASSIFIER_RECIPES, ClassifierRecipe
from ..training.classifier_training import train_classifier
from ..training.detector_training import MODEL_FOLDER
from ..training.lung_inserter import LungInserter
from ..training.ranks import Ranks
from ..training.schemes import parse_scheme


def run(arguments: argparse.Namespace, compute: Compute, ranks: Ranks, progress: Progress) -> str:
    """Do what the arguments of `train classifier` say; returns the words for the terminal."""
    recipe = _recipe(arguments)
    plan = Plan(
        recipe,
        parse_scheme(arguments.scheme or recipe.scheme),
        arguments.outcome,
        arguments.join,
        arguments.proposals,
        arguments.seed,
    )
    detector = model_or_run(arguments.detector)
    model = train_classifier(
        CaseStore(arguments.data),
        detector,
        plan,
        arguments.out,
        compute,
        inserter=LungInserter(detector.preset),
        validation=CaseStore(arguments.validation) if arguments.validation else None,
        ranks=ranks,
        resume=arguments.resume,
        checkpoint_minutes=arguments.checkpoint_minutes,
        progress=progress,
    )
    leak = "" if model.classifier.leak is None else f"; learned leak {model.classifier.leak.item():.3f}"
    return f"The model is in {arguments.out / MODEL_FOLDER}; outcome {model.outcome}{leak}."


def model_or_run(name: str) -> Model:
    """A model by its name or folder, or that of a finished run.

    Raises
    ------
    ModelError
        Where there is none, or it is damaged.
    """
    in_run = Path(name).expanduser() / MODEL_FOLDER
    return find_model(str(in_run) if (in_run / CARD_FILE).exists() else name)


def _recipe(arguments: argparse.Namespace) -> ClassifierRecipe:
    recipe = CLASSIFIER_RECIPES[arguments.recipe.upper()]
    if arguments.epochs:
        recipe = replace(recipe, epochs=arguments.epochs, steps=None)
    if arguments.partly_described:
        recipe = replace(recipe, false_alarm_loss=0.0)
    if arguments.miss_loss is not None:
        recipe = replace(recipe, miss_loss=arguments.miss_loss)
    changes = {name: getattr(arguments, name) for name in ("steps", "batch") if getattr(arguments, name)}
    return replace(recipe, **changes)
