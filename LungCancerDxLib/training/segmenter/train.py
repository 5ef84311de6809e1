"""The segmenter's training as one call, and how it does on nodules that are held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ...datasets.nodule_bank import BankNodule
from ...errors import UsageError
from ...io.tables import write_table
from ...models.find import initialise
from ...models.segmenter import SEGMENTER_FILE, save_segmenter
from ...networks.segmenter import WHOLE, SegmenterNet
from ...runtime.progress import part
from ...volume import CTVolume
from ..cases.real_nodules import learnable, refuse_test_scans
from ..engine.loop import Run, RunOptions, Task, train
from ..engine.validation import Validation
from .items import Background, Outlined, OutlinedCrops, collate, inserted, own, synthetic, without
from .recipe import SegmenterRecipe, SegmenterWithLoss

DICE_FILE = "held-out.csv"
_READ_SHARE = 0.05  # of the progress
_RARE_LOGIT = -3.0  # most voxels are no nodule
_EMPTY_SHARE = 0.1  # of the ball of a proposal: what is larger is an outline


class HeldOut(NamedTuple):
    """Crops that are not learned from.

    Parameters
    ----------
    kind
        "free" and "attached": a bank nodule in its own surroundings; "inserted"; "cube"; "synthetic"; "none".
    """

    names: list[str]
    kinds: list[str]
    crops: list[Outlined]


def held_out(
    background: Background, nodules: Sequence[BankNodule], recipe: SegmenterRecipe, seed: int, others: int = 40
) -> HeldOut:
    """The same crops for the same seed, with proposals that are off but not turned; so many of both other kinds."""
    recipe = replace(recipe, scales=(1.0, 1.0), turned_share=0.0, user_share=0.0)
    found = HeldOut([], [], [])

    def add(name: str, kind: str, crop: Outlined | None) -> None:
        if crop is not None:
            found.names.append(name)
            found.kinds.append(kind)
            found.crops.append(crop)

    for number, nodule in enumerate(nodules):
        rng = np.random.default_rng([seed, number, 78])
        kind = "cube" if nodule.is_cube else "attached" if nodule.is_attached else "free"
        add(nodule.id, kind, own(rng, nodule, background, recipe))
        if not nodule.is_cube:
            add(nodule.id, "inserted", inserted(rng, nodule, background, recipe))
    for number in range(others):
        rng = np.random.default_rng([seed, number, 79])
        add(str(number), "synthetic", synthetic(rng, background, recipe))
        add(str(number), "none", without(rng, background, recipe))
    return found


@torch.no_grad()
def dices(module: SegmenterWithLoss, crops: Sequence[Outlined], batch: int) -> np.ndarray:
    """(N,) Dice of the whole nodule where it is known; of an empty crop 1 where next to nothing is outlined, else 0."""
    device, rows = next(module.parameters()).device, []
    module.eval()
    for first in range(0, len(crops), batch):
        some = crops[first : first + batch]
        logits = module.logits({name: tensor.to(device) for name, tensor in collate(some).items()})
        for crop, outline in zip(some, (logits[:, WHOLE] > 0).cpu().numpy(), strict=True):
            mask, target = outline & crop.known[WHOLE], crop.target[WHOLE] & crop.known[WHOLE]
            ball = np.pi / 6 * (crop.diameter_mm / crop.spacing_mm) ** 3
            both = mask.sum() + target.sum()
            rows.append(2 * (mask & target).sum() / both if target.any() else float(mask.sum() < _EMPTY_SHARE * ball))
    module.train()
    return np.array(rows, dtype=float)


def measured(module: SegmenterWithLoss, others: HeldOut, batch: int) -> dict[str, float]:
    """Median and tenth percentile of Dice by kind, and the share of empty crops that stay empty."""
    dice, kinds, row = dices(module, others.crops, batch), np.array(others.kinds), {}
    for kind in ("free", "attached", "inserted", "cube", "synthetic"):
        of_kind = dice[kinds == kind] if (kinds == kind).any() else np.array([np.nan])
        row[f"dice_{kind}"], row[f"dice_{kind}_p10"] = float(np.median(of_kind)), float(np.percentile(of_kind, 10))
    return {**row, "none_empty": float(np.mean(dice[kinds == "none"])) if (kinds == "none").any() else float("nan")}


def train_segmenter(
    scans: Mapping[str, CTVolume],
    bank: Sequence[BankNodule],
    out: Path,
    options: RunOptions,
    *,
    exclusion_regions: Mapping[str, np.ndarray],
    recipe: SegmenterRecipe,
    fold: int | None = None,
    seed: int = 0,
) -> SegmenterNet:
    """Train the segmenter from random weights and write the run and `segmenter.safetensors` into `out`.

    Parameters
    ----------
    scans
        CTs to put nodules into, by name.
    exclusion_regions
        (N, 4) x, y, z, radius in LPS mm of lesions in a scan, by its name: nothing is learned there.
    fold
        Of the bank, to be held out together with the scan of that number; None to learn from all.

    Raises
    ------
    UsageError
        Where there is nothing to learn from or to check on, a scan is for tests only, or `out` is taken.
    NoLungsError, TrainingFailed, Cancelled, OutputError
        See `engine.loop.train`.
    """
    refuse_test_scans(list(scans), "the backgrounds")
    learned, held = learnable(bank, fold)
    names = [name for number, name in enumerate(scans) if number != fold]
    if not learned or not names:
        raise UsageError(
            f"Nothing to learn from: {len(learned)} nodules, {len(names)} scans; a fold takes a scan, too."
        )
    if fold is not None and (not held or fold >= len(scans)):
        raise UsageError(
            f"Fold {fold} has {len(held)} nodules, and there are {len(scans)} scans; expected nodules in the fold and "
            "a scan of its number, counted from 0."
        )
    backgrounds: dict[str, Background] = {}
    for number, (name, volume) in enumerate(scans.items()):
        options.progress(f"looking at {name}", _READ_SHARE * number / len(scans))
        regions = [((x, y, z), radius) for x, y, z, radius in exclusion_regions.get(name, np.zeros((0, 4))).tolist()]
        backgrounds[name] = Background.of(volume, regions)
    items = OutlinedCrops([backgrounds[name] for name in names], learned, recipe, seed)
    net = SegmenterNet()
    initialise(net, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        *_, bias = net.output.parameters()
        bias.fill_(_RARE_LOGIT)
    module, checks, others = SegmenterWithLoss(net, recipe), None, None
    if fold is not None:
        others = held_out(backgrounds[list(scans)[fold]], held, recipe, seed)
        shown = others
        checks = Validation(items, recipe.batch, 0, recipe.check_every, lambda _: measured(module, shown, recipe.batch))
    config = {
        "task": "segmenter",
        "recipe": asdict(recipe),
        "scans": {name: volume.digest() for name, volume in scans.items()},
        "exclusion_regions": {name: exclusion_regions[name].tolist() for name in scans if name in exclusion_regions},
        "nodules": [nodule.id for nodule in learned],
        "fold": fold,
        "seed": seed,
        "precision": options.compute.precision,
        "processes": options.ranks.size,
    }
    run = Run(out, config, recipe.optimizer, recipe.steps, seed, checks)
    train(Task(module, items, recipe.batch), run, replace(options, progress=part(options.progress, _READ_SHARE, 1.0)))
    module.net.cpu().eval()
    if others is not None:
        rows = zip(others.names, others.kinds, dices(module, others.crops, recipe.batch).tolist(), strict=True)
        write_table(out / DICE_FILE, ("id", "kind", "dice"), rows)
    trained_on = (
        f"{len(learned)} nodules of LIDC-IDRI with the readers' outlines and synthetic ones, {len(names)} scans, "
        f"recipe {recipe.name}, steps {recipe.steps}, seed {seed}"
    )
    save_segmenter(net, out / SEGMENTER_FILE, trained_on)
    return net
