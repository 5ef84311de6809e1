"""Cells of a study: each an ordinary training of one method from one seed, its cases scored and the scores kept.

With the detector's backbone frozen (stage F) a cell learns the last two layers on features that all cells share and
takes seconds; otherwise it is a training by `train_classifier`. A study that was killed goes on with the cells and
steps that are missing, and the same seeds give the same scores.
"""

from __future__ import annotations

import copy
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ...classification.classifier import score_case
from ...detection.proposals import Proposals
from ...errors import UsageError
from ...evaluation.studies import CellScores, Method, read_scores, write_scores
from ...models.bundle import Model
from ...models.registry import MODEL_FOLDER
from ...networks.cnet import CNet
from ...networks.nnet import FEATURE_CHANNELS
from ...preset import Preset
from ...runtime.device import Compute
from ...runtime.progress import Progress, part, silent
from ..cases.proposals import find_proposals
from ..cases.store import CaseStore, read_outcomes, refuse_other_preset
from ..classifier.features import CaseFeatures, FeatureTask, cached_features, source_digest
from ..classifier.items import KnownCases
from ..classifier.network import exact_score, leak_in_units, new_classifier
from ..classifier.recipe import STAGES, ClassifierRecipe, augmentation_of, optimizer_of, parse_scheme
from ..classifier.train import Plan, train_classifier
from ..detector.insertion import Inserter
from ..engine.loop import Run, RunOptions, train
from ..engine.run_folder import CHECKPOINT_FILE
from ..engine.validation import check_apart
from .bank_cases import KnownFeatures

HELD_OUT_SHARE = 0.25  # of the cases, where no others are given: as in VI-B
SCORES_FILE = "scores.csv"
FROZEN = STAGES["F"]
_TRAINING_SHARE = 0.8  # of a cell's progress
_FEATURES_SEED = 0  # of the augmented crops, which all cells share

Scorer = Callable[[Path, RunOptions], CellScores]
Results = dict[tuple[str, Method], list[CellScores]]


class Cell(NamedTuple):
    """One method and seed on one kind of data; `score` trains in a folder, or goes on there, and scores the cases."""

    data: str
    method: Method
    seed: int
    score: Scorer

    @property
    def folder_name(self) -> str:
        """Unlike that of any other cell of the study."""
        return re.sub(r"[^A-Za-z0-9.]+", "-", f"{self.data} {self.method.scheme} {self.method.join} {self.seed}")


@dataclass(frozen=True)
class Trainer:
    """What all cells of a study have in common.

    Parameters
    ----------
    detector
        Where every cell starts; its preset may have smaller crops than the model was made for.
    outcome
        What the labels are, see `names.OUTCOMES`.
    score_blanks
        Whether blanks count on frozen features, whatever the preset says.
    """

    detector: Model
    recipe: ClassifierRecipe
    outcome: str
    score_blanks: bool = False
    inserter: Inserter | None = None


def run_cells(cells: Sequence[Cell], out: Path, options: RunOptions) -> Results:
    """Train and score what is not scored yet, each cell in a folder of its own; all scores by data and method.

    Checkpoints are removed once a cell is scored.

    Raises
    ------
    TrainingFailed, Cancelled, OutputError
        See `engine.loop.train`.
    """
    results: Results = {}
    for number, cell in enumerate(cells):
        folder, name = out / cell.folder_name, f"{cell.data}, {cell.method.name}, seed {cell.seed}"
        if not (folder / SCORES_FILE).exists():
            progress = part(options.progress, number / len(cells), (number + 1) / len(cells))
            scores = cell.score(folder, replace(options, resume=True, progress=_named(progress, name)))
            write_scores(folder / SCORES_FILE, scores)
        for checkpoint in folder.rglob(CHECKPOINT_FILE):
            checkpoint.unlink()
        results.setdefault((cell.data, cell.method), []).append(read_scores(folder / SCORES_FILE))
    return results


def _named(progress: Progress, name: str) -> Progress:
    return lambda message, fraction: progress(f"{name}: {message}", fraction)


# ---------------------------------------------------------------------- the backbone learns


def store_cells(
    store: CaseStore, others: CaseStore | None, methods: Sequence[Method], seeds: Sequence[int], trainer: Trainer
) -> list[Cell]:
    """Cells whose backbone learns: on a store but for a quarter of it, drawn by the seed, or on all, checked on others.

    Raises
    ------
    UsageError
        Where cases have no label, or the others are not others.
    """
    labels = _labels(store, others)
    data = _description(store, others)

    def scorer(method: Method, seed: int) -> Scorer:
        learned = _learned(labels, others, seed)
        return lambda folder, options: _trained_scores(store, others, learned, method, seed, trainer, folder, options)

    return [Cell(data, method, seed, scorer(method, seed)) for method in methods for seed in seeds]


def _trained_scores(
    store: CaseStore,
    others: CaseStore | None,
    learned: np.ndarray,
    method: Method,
    seed: int,
    trainer: Trainer,
    folder: Path,
    options: RunOptions,
) -> CellScores:
    detector, preset, compute = trainer.detector, trainer.detector.preset, options.compute
    plan = Plan(trainer.recipe, parse_scheme(method.scheme), trainer.outcome, method.join, seed=seed)
    left_out = [name for name, is_learned in zip(store.names, learned, strict=False) if not is_learned]
    run = replace(options, progress=part(options.progress, 0.0, _TRAINING_SHARE))
    shown = store.without(left_out)
    model = train_classifier(shown, detector, plan, folder, run, inserter=trainer.inserter)
    shutil.rmtree(folder / MODEL_FOLDER)  # smaller crops would make it a model that nothing else can read
    net, once = model.classifier.to(compute.device), replace(preset, shifted_crops=False, mirrored_crops=False)
    rows: list[float] = []
    for cases in (store, others) if others is not None else (store,):
        found = find_proposals(cases, detector.detector, detector.sha256, preset, compute)
        for number, proposals in enumerate(found):
            progress = part(options.progress, _TRAINING_SHARE, 1.0)
            progress(f"scoring {cases.names[number]}", len(rows) / len(learned))
            scan, none = cases.case(number).scan, np.empty((0, 3))
            rows.append(float(score_case(scan, proposals, none, net, once, compute).evidence.score))
    unknown = np.full(len(rows), np.nan)
    leak = np.nan if model.classifier.leak is None else model.classifier.leak.item()
    return CellScores(_names(store, others), learned, _labels(store, others), np.array(rows), leak, unknown, unknown)


# ---------------------------------------------------------------------- the backbone is frozen


def feature_cells(
    data: str,
    cases_of: Callable[[int], KnownFeatures],
    methods: Sequence[Method],
    seeds: Sequence[int],
    trainer: Trainer,
) -> list[Cell]:
    """Cells that learn the last two layers and the leak alone, on the cases of their seed."""

    def scorer(method: Method, seed: int) -> Scorer:
        return lambda folder, options: _feature_scores(cases_of(seed), method, seed, trainer, folder, options)

    return [Cell(data, method, seed, scorer(method, seed)) for method in methods for seed in seeds]


def store_features(
    store: CaseStore, others: CaseStore | None, trainer: Trainer, compute: Compute, progress: Progress = silent
) -> tuple[str, Callable[[int], KnownFeatures]]:
    """What the cases of a store, and of another one, are called, and their features as they are split for a seed.

    Raises
    ------
    UsageError
        As `store_cells` does.
    """
    refuse_other_preset(store, trainer.detector)
    labels, data = _labels(store, others), _description(store, others)
    cases, blank = _cached(store, trainer, compute, progress)
    cases = cases if others is None else [*cases, *_cached(others, trainer, compute, progress)[0]]
    names = _names(store, others)
    return data, lambda seed: KnownFeatures(names, cases, labels, _learned(labels, others, seed), None, blank)


def _cached(
    store: CaseStore, trainer: Trainer, compute: Compute, progress: Progress
) -> tuple[list[CaseFeatures], np.ndarray]:
    detector, recipe = trainer.detector, trainer.recipe
    found: list[Proposals] = find_proposals(
        store, detector.detector, detector.sha256, detector.preset, compute, part(progress, 0.0, 0.5)
    )
    known = KnownCases(store, read_outcomes(store.folder, store.names), found)
    source, backbone = source_digest(detector.detector, found), copy.deepcopy(detector.detector)
    how = (recipe, augmentation_of(FROZEN, recipe), detector.preset, compute, _FEATURES_SEED, part(progress, 0.5, 1.0))
    return cached_features(known, backbone, source, *how)


def _feature_scores(
    known: KnownFeatures, method: Method, seed: int, trainer: Trainer, folder: Path, options: RunOptions
) -> CellScores:
    recipe, detector = trainer.recipe, trainer.detector
    preset = replace(detector.preset, blanks_scored=trainer.score_blanks or detector.preset.blanks_scored)
    net = new_classifier(detector.detector, preset, method.join, recipe, seed)
    shown = [case for case, is_learned in zip(known.cases, known.learned, strict=True) if is_learned]
    blank, labels = known.blank if preset.blanks_scored else None, known.labels[known.learned]
    optimizer, steps = (
        optimizer_of(FROZEN, recipe, 0),
        recipe.steps or recipe.epochs_of(FROZEN) * -(-len(shown) // recipe.batch),
    )
    full = replace(options.compute, dtype=torch.float32)  # as these layers compute anyway
    options = replace(options, compute=full, events_and_curves=False)
    with leak_in_units(net, recipe.leak_rate):
        task = FeatureTask(net, shown, labels, blank, recipe, preset, seed)
        train(task, Run(folder, {"seed": seed}, optimizer, steps, seed), options)
        task.finish()
    score, malignancy = _scored(net.cpu().eval(), known, preset)
    count = len(known.cases)
    means = np.full((2, count), np.nan)
    if malignancy is not None and known.causes is not None:
        for n, is_cause in enumerate(known.causes):
            for row, chosen in enumerate((is_cause, ~is_cause)):
                if chosen.any():
                    means[row, n] = malignancy[n, : len(is_cause)][chosen].mean()
    leak = np.nan if net.leak is None else net.leak.item()
    return CellScores(known.ids, known.learned, known.labels, score, leak, *means)


@torch.no_grad()
def _scored(net: CNet, known: KnownFeatures, preset: Preset) -> tuple[np.ndarray, np.ndarray | None]:
    """The scores (C,) of all cases by their best proposals, one crop of each, and the malignancies (C, K), if any."""
    slots = preset.scored_nodules
    features = np.zeros((len(known.cases), slots, FEATURE_CHANNELS), dtype=np.float32)
    counted = np.full(features.shape[:2], preset.blanks_scored)
    if preset.blanks_scored:
        features[:] = known.blank
    for n, case in enumerate(known.cases):
        best = case.features[:slots, 0]
        features[n, : len(best)], counted[n, : len(best)] = best, True
    found = exact_score(net, torch.from_numpy(features), torch.from_numpy(counted))
    return found.probability.numpy(), None if found.malignancy is None else found.malignancy.numpy()


# ---------------------------------------------------------------------- what is known of stores


def _labels(store: CaseStore, others: CaseStore | None) -> np.ndarray:
    labels = read_outcomes(store.folder, store.names)
    if others is None:
        return labels
    check_apart(store, others)
    return np.concatenate([labels, read_outcomes(others.folder, others.names)])


def _names(store: CaseStore, others: CaseStore | None) -> tuple[str, ...]:
    return store.names if others is None else (*store.names, *others.names)


def _description(store: CaseStore, others: CaseStore | None) -> str:
    return store.description + ("" if others is None else f", held out {others.description}")


def _learned(labels: np.ndarray, others: CaseStore | None, seed: int) -> np.ndarray:
    """Which cases are learned from, (C,) bool: all but the others, or of each label all but a random quarter."""
    learned = np.ones(len(labels), dtype=bool)
    if others is not None:
        learned[-len(others) :] = False
        return learned
    rng = np.random.default_rng([seed, 31])
    for label in (False, True):
        of_label = np.flatnonzero(labels == label)
        out = round(HELD_OUT_SHARE * len(of_label))
        if not 0 < out < len(of_label):
            raise UsageError(
                f"{len(of_label)} cases have the label {int(label)}; expected three or more of each, so that a quarter "
                "can be held out, or cases of their own with --validation."
            )
        learned[rng.permutation(of_label)[:out]] = False
    return learned
