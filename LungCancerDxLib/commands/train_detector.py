"""`lungcancerdx train detector`: training cases to a detector."""

from __future__ import annotations

import argparse
from dataclasses import replace

from ..compute import Compute
from ..preset import PRESETS
from ..progress import Progress
from ..training.case_store import CaseStore
from ..training.detector_training import MODEL_FOLDER, train_detector
from ..training.lung_inserter import LungInserter
from ..training.ranks import Ranks
from ..training.recipe import RECIPES
from .train_classifier import model_or_run


def run(arguments: argparse.Namespace, compute: Compute, ranks: Ranks, progress: Progress) -> str:
    """Do what the arguments of `train detector` say; returns the words for the terminal."""
    store = CaseStore(arguments.data)
    changes = {name: getattr(arguments, name) for name in ("steps", "patch", "batch") if getattr(arguments, name)}
    preset = PRESETS[store.preset]
    train_detector(
        store,
        replace(RECIPES[arguments.recipe.upper()], **changes),
        preset,
        arguments.out,
        compute,
        seed=arguments.seed,
        inserter=LungInserter(preset),
        start=model_or_run(arguments.start) if arguments.start else None,
        validation=CaseStore(arguments.validation) if arguments.validation else None,
        ranks=ranks,
        resume=arguments.resume,
        checkpoint_minutes=arguments.checkpoint_minutes,
        progress=progress,
    )
    return f"The detector's model is in {arguments.out / MODEL_FOLDER}; it finds nodules and does not classify them."
