"""`lungcancerdx study`: Tables I and II of the paper, trained and scored anew on any cases of known outcome."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from ..errors import Cancelled, UsageError
from ..names import OUTCOMES
from ..options import add_device_options
from ..runtime.interruption import Stop
from .arguments import Commands, add_actions, add_command, add_progress_options, count, edge, path, share
from .terminal import make_progress

if TYPE_CHECKING:
    from ..datasets.nodule_bank import BankNodule
    from ..evaluation.studies import Method
    from ..runtime.device import Compute
    from ..runtime.progress import Progress
    from ..training.cases.store import CaseStore
    from ..training.studies.study import Cell, Trainer

    Data = tuple[CaseStore, CaseStore | None, Sequence[BankNodule] | None]

_FROZEN = "F"
_READERS = "readers"
_STEP_S = 60.0  # within which a step ends and a checkpoint is written
_FEATURES_SHARE = 0.3  # of the progress
_BANK_CROP = 48
_LEAKS, _CASES = (0.0, 0.1, 0.3), (600, 400)


def add_study(commands: Commands) -> None:
    """Its two tables."""
    actions = add_actions(commands, "study", help="the paper's Tables I and II on cases of your own")
    first = add_command(actions, "table1", run_table1, help="which training regime predicts best (Table I)")
    second = add_command(actions, "table2", run_table2, help="which way to join nodules predicts best (Table II)")
    for parser, recipe in ((first, "paper"), (second, "cpu")):
        parser.add_argument(
            "--data", metavar="CASES", type=path, required=True, help="cases of `train prepare`, with labels.csv"
        )
        parser.add_argument(
            "--validation",
            metavar="OTHERS",
            type=path,
            help="cases to hold out (default: a quarter, drawn by the seed)",
        )
        parser.add_argument("--outcome", choices=OUTCOMES, help="what the labels are")
        parser.add_argument("--detector", metavar="MODEL|RUN", default="Default", help="where every training starts")
        parser.add_argument("--recipe", choices=("cpu", "paper", "grt123"), default=recipe, help=f"default {recipe}")
        seeds = 5 if parser is second else 3
        parser.add_argument("--seeds", metavar="N", type=count, default=seeds, help=f"default {seeds}")
        parser.add_argument("--crop", metavar="P", type=edge, help="edge of the classifier's crops in voxels")
        length = parser.add_mutually_exclusive_group()
        length.add_argument("--steps", metavar="N", type=count, help="of each stage, instead of the recipe's")
        length.add_argument("--epochs", metavar="N", type=count, help="of each stage, instead of the recipe's")
        parser.add_argument("--batch", metavar="B", type=count, help="cases a step")
        parser.add_argument("--bootstrap", metavar="N", type=count, default=1000, help="samples (default 1000)")
        parser.add_argument("--out", metavar="DIR", type=path, required=True, help="a study that is there goes on")
        add_device_options(parser)
        add_progress_options(parser)
    second.add_argument(
        "--scheme", metavar="STAGES", default=_FROZEN, help='"C" as in the paper; default F: the backbone is frozen'
    )
    second.add_argument(
        "--score-blanks", action="store_true", help="blanks count, as in the paper, whatever the preset"
    )
    bank = second.add_argument_group("cases put together from real nodules, with the readers' ratings as outcome")
    bank.add_argument("--bank", metavar="FOLDER", type=path, help="real nodules; CASES are the scans to show them in")
    bank.add_argument("--leak", metavar="P", type=share, nargs="+", help="default 0 0.1 0.3, a table each")
    bank.add_argument("--cases", metavar="N", type=count, nargs=2, help="to learn from, held out (default 600 400)")


def run_table1(arguments: argparse.Namespace, stop: Stop) -> str:
    """Train and score every regime; returns the table for the terminal."""
    from ..evaluation.studies import OTHER_SYSTEMS, TABLE_1

    arguments.bank, arguments.leak, arguments.cases, arguments.score_blanks = None, None, None, False
    return _run(arguments, stop, "Table I: training regimes", TABLE_1, TABLE_1[-1], OTHER_SYSTEMS)


def run_table2(arguments: argparse.Namespace, stop: Stop) -> str:
    """Train and score every join; returns the table for the terminal."""
    from ..evaluation.studies import TABLE_2

    methods = [replace(method, scheme=arguments.scheme) for method in TABLE_2]
    return _run(arguments, stop, "Table II: joins of nodules", methods, methods[-1], ())


def _run(
    arguments: argparse.Namespace,
    stop: Stop,
    title: str,
    methods: Sequence[Method],
    reference: Method,
    others: Sequence[tuple[str, float]],
) -> str:
    import numpy as np

    from ..evaluation.studies import save_study_figure, study_figures, study_markdown, write_figures
    from ..io.tables import write_text
    from ..runtime.progress import part
    from ..training.engine.loop import RunOptions
    from ..training.engine.precision import training_compute
    from ..training.engine.run_folder import RunFolder
    from ..training.studies.study import run_cells

    message = "Stopped; the same command goes on from there."
    stop.message, stop.grace_s = message, _STEP_S
    progress = stop.watched(make_progress(arguments.progress))
    compute = training_compute(arguments.device, arguments.precision)
    options = RunOptions(compute, progress=part(progress, _FEATURES_SHARE, 1.0))
    trainer = _trainer(arguments)
    data = _data(arguments)
    RunFolder(arguments.out, _config(arguments, data, trainer, compute)).resume()
    try:
        cells = _cells(arguments, data, methods, trainer, compute, part(progress, 0.0, _FEATURES_SHARE))
        results = run_cells(cells, arguments.out / "cells", options)
    except Cancelled as stopped:
        raise Cancelled(message) from stopped
    figures = study_figures(results, reference, np.random.default_rng(0), arguments.bootstrap)
    text = study_markdown(title, figures, others, _remarks(arguments, trainer, reference))
    write_figures(arguments.out / f"{arguments.action}.csv", figures)
    write_text(arguments.out / f"{arguments.action}.md", text)
    save_study_figure(title, figures, arguments.out / f"{arguments.action}.png")
    return f"{text}\nTables and figure in {arguments.out}"


def _trainer(arguments: argparse.Namespace) -> Trainer:
    from ..models.find import model_or_run
    from ..training.classifier.recipe import CLASSIFIER_RECIPES
    from ..training.detector.insertion import LungInserter
    from ..training.studies.study import Trainer

    if arguments.bank:
        if arguments.validation or arguments.outcome not in (None, _READERS) or arguments.scheme != _FROZEN:
            raise UsageError(
                "With --bank cases are put together from features of nodules: the backbone stays frozen (scheme F), "
                "the outcome is readers, and a fold of the bank is held out, so --validation has no place."
            )
        arguments.outcome = _READERS
        arguments.leak, arguments.cases = arguments.leak or _LEAKS, arguments.cases or _CASES
    elif arguments.leak or arguments.cases:
        raise UsageError("--leak and --cases are for cases put together from a bank: name one with --bank.")
    if arguments.outcome is None:
        raise UsageError("Say what the labels in labels.csv are: --outcome clinical, synthetic, readers or none.")
    if arguments.score_blanks and arguments.scheme != _FROZEN:
        raise UsageError("--score-blanks is for scheme F; where the backbone learns, the detector's preset decides.")
    recipe = replace(CLASSIFIER_RECIPES[arguments.recipe.upper()], false_alarm_loss=0.0, miss_loss=0.0)
    if arguments.epochs:
        recipe = replace(recipe, asked_epochs=arguments.epochs, steps=None)
    changes = {name: getattr(arguments, name) for name in ("steps", "batch") if getattr(arguments, name)}
    model = model_or_run(arguments.detector)
    crop = arguments.crop or (_BANK_CROP if arguments.bank else model.preset.crop_size)
    detector = replace(model, preset=replace(model.preset, crop_size=crop))
    inserter = LungInserter(detector.preset)
    return Trainer(detector, replace(recipe, **changes), arguments.outcome, arguments.score_blanks, inserter)


def _data(arguments: argparse.Namespace) -> Data:
    """The cases, those to hold out and the bank, if any."""
    from ..datasets.nodule_bank import read_nodule_bank
    from ..training.cases.store import CaseStore

    others = CaseStore(arguments.validation) if arguments.validation else None
    return CaseStore(arguments.data), others, read_nodule_bank(arguments.bank) if arguments.bank else None


def _cells(
    arguments: argparse.Namespace,
    data: Data,
    methods: Sequence[Method],
    trainer: Trainer,
    compute: Compute,
    progress: Progress,
) -> list[Cell]:
    from functools import partial

    from ..training.studies.bank_cases import CaseMix, bank_cases, bank_features
    from ..training.studies.study import feature_cells, store_cells, store_features

    (store, others, bank), seeds = data, range(arguments.seeds)
    if bank is not None:
        features, blank = bank_features(store, bank, trainer.detector, compute, progress)
        slots, mix, cells = trainer.detector.preset.scored_nodules, CaseMix(*arguments.cases), []
        for leak in {f"{leak:g}": leak for leak in arguments.leak}.values():  # each once
            put_together = partial(bank_cases, features, blank, leak, slots, mix)
            cells += feature_cells(f"leak {leak:g}", put_together, methods, seeds, trainer)
        return cells
    if all(method.scheme == _FROZEN for method in methods):
        name, cases_of = store_features(store, others, trainer, compute, progress)
        return feature_cells(name, cases_of, methods, seeds, trainer)
    return store_cells(store, others, methods, seeds, trainer)


def _config(arguments: argparse.Namespace, data: Data, trainer: Trainer, compute: Compute) -> dict[str, object]:
    """All that decides the scores of a cell but its own method, data and seed."""
    from ..training.cases.store import read_outcomes

    store, others, bank = data
    labels: dict[str, bool] = {}
    if bank is None:
        for cases in (store, others) if others is not None else (store,):
            labels |= dict(zip(cases.names, read_outcomes(cases.folder, cases.names).tolist(), strict=True))
    return {
        "task": arguments.action,
        "cases": store.stamps,
        "held_out": others.stamps if others is not None else None,
        "cancer_of_cases": labels,
        "nodules": [(nodule.id, nodule.malignancy) for nodule in bank] if bank is not None else None,
        "cases_of_nodules": arguments.cases if bank is not None else None,
        "detector_sha256": trainer.detector.sha256,
        "preset": asdict(trainer.detector.preset),
        "score_blanks": trainer.score_blanks,
        "recipe": asdict(trainer.recipe),
        "outcome": trainer.outcome,
        "precision": compute.precision,
    }


def _remarks(arguments: argparse.Namespace, trainer: Trainer, reference: Method) -> list[str]:
    recipe, preset = trainer.recipe, trainer.detector.preset
    blanks = "count" if trainer.score_blanks or preset.blanks_scored else "do not count"
    epochs = f"{recipe.asked_epochs} epochs" if recipe.asked_epochs else "the recipe's epochs"
    length = f"{recipe.steps} steps" if recipe.steps else epochs
    remarks = [
        f"Losses, accuracy and AUC of held-out cases; outcome of the labels: {trainer.outcome}. "
        f"Reference: {reference.name}.",
        f"Mean over {arguments.seeds} seeds; in brackets percentiles 2.5 and 97.5 over {arguments.bootstrap} bootstrap "
        "samples of the seeds and, within each, of its cases (malignancies and leak: of the seeds alone).",
        f"Recipe {recipe.name} with cross entropy alone, {length} of {recipe.batch} cases a stage, crops of "
        f"{preset.crop_size} voxels, preset {preset.name}, detector {trainer.detector.name}; blanks {blanks}.",
        "The paper's losses are those on the Bowl's own test set, 2017; no figure here compares with them.",
    ]
    if trainer.outcome == _READERS and trainer.detector.bank_folds:
        parts = ", ".join(map(str, trainer.detector.bank_folds))
        remarks.append(f"The detector has learned from parts {parts} of a bank: held-out nodules may be among them.")
    if arguments.bank:
        learned, held_out = arguments.cases
        remarks.append(
            f"{learned} cases to learn from and {held_out} held out for each seed, put together from real nodules: "
            "positive where one is rated over 3 by the readers or, with the probability called leak, by one that is "
            "not shown. Each seed holds out a fold of the bank's patients and its scan. Causes: nodules rated over 3."
        )
    return remarks
