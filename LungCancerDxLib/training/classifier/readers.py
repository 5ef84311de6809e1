"""Recipe `readers`: C-Net learns how suspicious radiologists find nodules, from a bank of real ones.

The whole backbone learns, from small crops that are put together while it does, with the batch norms as they are: first
many steps with crops so small that the last block sees their border, then some with larger ones, as it sees no such
border at test time. Held out are a fold of the bank's patients and one background, so that neither nodule nor lungs
have been seen.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import expit

from ...datasets.nodule_bank import BankNodule, bank_digest
from ...errors import UsageError
from ...models.bundle import Model, one_bank, save_model, without_fusion
from ...models.find import segmenter_of
from ...models.registry import MODEL_FOLDER
from ...preset import Preset
from ...runtime.device import Compute
from ...runtime.progress import part
from ..cases.proposals import find_proposals
from ..cases.real_nodules import folds_learned, held_out_scan, learnable, refuse_known_fold, refuse_test_scans
from ..cases.store import CaseStore, description, refuse_other_preset
from ..engine.loop import Run, RunOptions, Task, train
from ..engine.optimizer import OptimizerConfig
from ..engine.precision import autocast
from ..engine.validation import Validation
from .held_out import held_out
from .held_out_scores import SCORES_FILE, write_scores
from .rated_crops import Background, CropAugmentation, RatedCrops, without_nodule
from .rated_network import RatedNodules, measured, suspicions

FALSE_ALARM_ABOVE_LOGIT = -2.5
LEAK_PATIENTS, LEAK_ALARMS, ALARMS_PER_CASE = 120, 10, 1.0  # alarms of each background; those of a case, in confidences
FOUND_SHARES = ((6.0, 0.6), (np.inf, 0.98))  # how many nodules below a diameter the detector lists
NO_NODULES_SHARE = 0.3  # of the cases
CASES = 20_000
LEAK_LOGITS = (-9.0, 0.0)
_FOUND_SHARE = 0.1  # of the progress
_AUGMENTATION = CropAugmentation()
_OPTIMIZER = OptimizerConfig("adamw", 6e-4, 0.01, cosine=True, warm_up_steps=150, clip_norm=1.0)


@dataclass(frozen=True)
class Stage:
    """A part of the training, with an optimiser of its own.

    Parameters
    ----------
    crop_size
        Voxels; the preset's are used at test time. Below 64 the last block sees the border of its maps.
    shares
        Of nodules, cubes, synthetic nodules, false alarms and plain lung among the crops.
    """

    crop_size: int
    steps: int
    optimizer: OptimizerConfig
    shares: tuple[float, float, float, float, float]

    @property
    def folder(self) -> str:
        """Of the stage's checkpoint and log within the run's."""
        return f"crops-{self.crop_size}"


_STAGES = (
    Stage(48, 2400, _OPTIMIZER, (0.72, 0.07, 0.07, 0.1, 0.04)),
    Stage(64, 800, replace(_OPTIMIZER, learning_rate=1.5e-4, warm_up_steps=50), (0.61, 0.06, 0.06, 0.22, 0.05)),
)


@dataclass(frozen=True)
class ReadersRecipe:
    """The constants of the recipe.

    Parameters
    ----------
    real_background_share
        How often a crop is of a real scan where there are synthetic patients beside: they have vessels to be told from
        nodules, too.
    """

    name: str = "READERS"
    stages: tuple[Stage, ...] = _STAGES
    batch: int = 8
    augmentation: CropAugmentation = _AUGMENTATION
    real_background_share: float = 0.75
    check_every: int = 200

    @property
    def last_stage(self) -> ReadersRecipe:
        """The recipe for a classifier that has learned from ratings nodule by nodule and goes on."""
        return replace(self, stages=self.stages[-1:])

    @property
    def steps(self) -> int:
        """Of all stages."""
        return sum(stage.steps for stage in self.stages)

    def of_steps(self, steps: int) -> ReadersRecipe:
        """The recipe with so many steps in all, each stage's in proportion and one at least."""
        scale = steps / self.steps
        stages = (replace(stage, steps=max(round(stage.steps * scale), 1)) for stage in self.stages)
        return replace(self, stages=tuple(stages))


READERS = ReadersRecipe()


def train_readers(
    backgrounds: CaseStore,
    bank: Sequence[BankNodule],
    start: Model,
    out: Path,
    options: RunOptions,
    *,
    recipe: ReadersRecipe = READERS,
    fold: int | None = None,
    seed: int = 0,
) -> Model:
    """Train the classifier of a model on the readers' ratings and write the run and the new model into `out`.

    Parameters
    ----------
    backgrounds
        Scans whose lesions are regions to keep away from, and synthetic patients behind them.
    start
        Its detector finds the false alarms and stays as it is; its classifier is what learning starts from.
    recipe
        Its `last_stage` alone where that classifier has learned from ratings nodule by nodule, so that it learns the
        false alarms of another detector.
    fold
        Of the bank, to be held out together with the background of that number; None to learn from all.

    Raises
    ------
    UsageError
        Where there is nothing to learn from or to check on, the store is of another preset, `start` has learned from
        the fold, or `out` is taken.
    TrainingFailed, Cancelled, OutputError
        See `engine.loop.train`.
    """
    preset = start.preset
    learned, unseen = learnable(bank, fold)
    held = [nodule for nodule in unseen if not nodule.is_cube]
    held_scan = None if fold is None else held_out_scan(backgrounds, fold)
    numbers = [n for n in range(len(backgrounds)) if n != held_scan]
    refuse_known_fold(start, fold, bank, backgrounds)
    _check(backgrounds, start, learned, numbers, held, fold, held_scan)
    compute, stamps = options.compute, backgrounds.stamps
    config = {
        "task": "readers",
        "preset": start.preset.name,
        "recipe": asdict(recipe),
        "start_sha256": start.sha256,
        "backgrounds": {backgrounds.names[n]: stamps[backgrounds.names[n]] for n in numbers},
        "nodules": [nodule.id for nodule in learned],
        "fold": fold,
        "seed": seed,
        "precision": compute.precision,
        "processes": options.ranks.size,
    }
    options.open(out, config)
    find = partial(find_proposals, backgrounds, start.detector, start.sha256, preset, compute)
    found = options.ranks.in_turn(partial(find, part(options.progress, 0.0, _FOUND_SHARE)))

    def background(number: int) -> Background:
        proposals = found[number]
        alarms = proposals[proposals.logit > FALSE_ALARM_ABOVE_LOGIT]
        return Background.of(backgrounds.case(number), alarms.center_kji, preset)

    scans = [background(n) for n in numbers]
    module, done = RatedNodules(start.classifier, preset), 0
    for stage in recipe.stages:
        ends = (_FOUND_SHARE + (1 - _FOUND_SHARE) * steps / recipe.steps for steps in (done, done + stage.steps))
        seen_as = replace(preset, crop_size=stage.crop_size)
        items = RatedCrops(
            scans, learned, stage.shares, recipe.augmentation, seen_as, seed + done, recipe.real_background_share
        )
        checks = None
        if held_scan is not None:
            shown = held_out(background(held_scan), held, seen_as, seed)
            measure = partial(measured, others=shown, batch=recipe.batch)
            checks = Validation(items, recipe.batch, 0, recipe.check_every, measure)
        run = Run(out / stage.folder, config, stage.optimizer, stage.steps, seed + done, checks)
        train(Task(module, items, recipe.batch), run, replace(options, progress=part(options.progress, *ends)))
        done += stage.steps
    if module.net.leak is not None:
        alone = [nodule for nodule in learned if not nodule.is_cube]
        real_scans = [scan for scan in scans if not scan.case.synthetic]
        _learn_leak(module, real_scans, alone, preset, recipe, compute, seed)
    net = copy.deepcopy(module.net).cpu().eval().requires_grad_(True)
    trained_on = (
        f"classifier: {len(learned)} nodules of LIDC-IDRI and the readers' ratings, inserted into "
        f"{description(backgrounds.synthetic[numbers])}, recipe {recipe.name}, steps {recipe.steps}, seed {seed}; "
        f"{without_fusion(start.trained_on)}"
    )
    folds = folds_learned(start, backgrounds, learned)
    model = Model(
        out.resolve().name,
        preset,
        "readers",
        trained_on,
        start.detector,
        net,
        segmenter=start.segmenter,
        bank_folds=folds,
        bank=one_bank(start.bank, backgrounds.bank, bank_digest(bank)),
        learned_from="nodules",
    )
    if options.ranks.first and not (out / MODEL_FOLDER).exists():
        save_model(model, out / MODEL_FOLDER, half_precision=True)
    if held_scan is not None and options.ranks.first:
        unlearned, segmenter = held_out(background(held_scan), held, preset, seed, 0), segmenter_of(start)
        outlining = None if segmenter is None else segmenter.net
        with autocast(next(module.parameters()).device, compute.dtype):
            write_scores(out / SCORES_FILE, module.eval(), unlearned, recipe.batch, outlining)
    return model


def _check(
    backgrounds: CaseStore,
    start: Model,
    learned: Sequence[BankNodule],
    numbers: Sequence[int],
    held: Sequence[BankNodule],
    fold: int | None,
    held_scan: int | None,
) -> None:
    refuse_other_preset(backgrounds, start)
    refuse_test_scans(backgrounds.names, backgrounds.folder)
    if not learned or all(backgrounds.synthetic[n] for n in numbers):
        raise UsageError(
            f"Nothing to learn from: {len(learned)} nodules and {len(numbers)} backgrounds. A fold holds out its "
            "nodules and the background of its number."
        )
    if fold is not None and (not held or held_scan is None):
        raise UsageError(
            f"Fold {fold} has {len(held)} nodules, and the cases are {backgrounds.description}; expected nodules in "
            "the fold and a scan of its number, counted from 0."
        )


def _learn_leak(
    module: RatedNodules,
    backgrounds: Sequence[Background],
    nodules: Sequence[BankNodule],
    preset: Preset,
    recipe: ReadersRecipe,
    compute: Compute,
    seed: int,
) -> None:
    """Set the leak by cases of the patients that were learned from, as the classifier sees them at test time."""
    rng = np.random.default_rng([seed, 5])
    patients = np.unique([nodule.patient for nodule in nodules])
    chosen = set(rng.permutation(patients)[:LEAK_PATIENTS])
    some = [nodule for nodule in nodules if nodule.patient in chosen]
    parts = [held_out(one, some[n :: len(backgrounds)], preset, seed, 0) for n, one in enumerate(backgrounds)]
    alarms = [without_nodule(one, center, preset) for one in backgrounds for center in one.false_alarms[:LEAK_ALARMS]]
    shown, crops = [n for part in parts for n in part.nodules], [crop for part in parts for crop in part.crops]
    if not crops:
        return
    module.eval()
    with autocast(next(module.parameters()).device, compute.dtype):
        suspicion, of_alarms = (suspicions(module, these, recipe.batch) for these in (crops, alarms))
    leak = learned_leak(
        suspicion,
        np.array([crop.target for crop in crops]),
        np.array([nodule.diameter_mm for nodule in shown]),
        [nodule.patient for nodule in shown],
        of_alarms,
        ALARMS_PER_CASE,
        rng,
    )
    with torch.no_grad():
        module.net.baseline.fill_(float(np.log(leak / (1 - leak))))


def learned_leak(
    suspicion: np.ndarray,
    target: np.ndarray,
    diameter_mm: np.ndarray,
    patients: Sequence[str],
    alarms: np.ndarray,
    alarms_per_case: float,
    rng: np.random.Generator,
) -> float:
    """The leak by which cases score best: 1 - (1 - leak) prod (1 - P_i) over what the detector lists of each.

    A case is a patient of the bank, or has no nodule; its target is the noisy-or of the targets of all its nodules,
    found or not.

    Parameters
    ----------
    suspicion, target, diameter_mm, patients
        (N,) of nodules: P_i, what it should be, their size, and whose they are.
    alarms
        (M,) P_i of false alarms.
    """
    _, owner = np.unique(np.asarray(patients), return_inverse=True)
    members = [np.flatnonzero(owner == n) for n in range(owner.max() + 1)]
    chance = np.select([diameter_mm < limit for limit, _ in FOUND_SHARES], [share for _, share in FOUND_SHARES])
    safe, wanted = np.ones(CASES), np.zeros(CASES)
    for case in range(CASES):
        if rng.random() >= NO_NODULES_SHARE:
            nodules = members[rng.integers(len(members))]
            wanted[case] = 1 - np.prod(1 - target[nodules])
            listed = nodules[rng.random(len(nodules)) < chance[nodules]]
            safe[case] = np.prod(1 - suspicion[listed])
        if len(alarms):
            safe[case] *= np.prod(1 - rng.choice(alarms, rng.poisson(alarms_per_case)))

    def loss(logit: float) -> float:
        probability = np.clip(1 - (1 - expit(logit)) * safe, 1e-6, 1 - 1e-6)
        return float(-np.mean(wanted * np.log(probability) + (1 - wanted) * np.log(1 - probability)))

    return float(expit(minimize_scalar(loss, bounds=LEAK_LOGITS, method="bounded").x))
