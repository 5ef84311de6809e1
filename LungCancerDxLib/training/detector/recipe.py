"""The constants in which recipes of the detector's training differ, in four versions.

`PAPER` follows the words of sections IV-A to IV-F, `GRT123` the training code of 2017 where it differs, and `CPU` comes
to a useful detector where only a processor is at hand: small patches and nodules inserted into lungs on the fly.
`READERS` goes on from there with real nodules of a bank, down to 4 mm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ..engine.optimizer import OptimizerConfig

TISSUE = 170  # beyond the scan (IV-A)
PUBLISHED_OPTIMIZER = OptimizerConfig("sgd", 0.01, 1e-4, drops=((0.5, 0.1), (0.8, 0.01)))


@dataclass(frozen=True)
class Recipe:
    """The constants on which the paper, the code of 2017 and our short training differ.

    Lengths are voxels of the 1 mm working grid. Where the paper gives no number (batch, negatives, optimiser) `PAPER`
    has the one of the code.
    """

    name: str

    # Patches (IV-A, IV-C)
    patch: int = 128
    batch: int = 32  # of all processes together
    nodule_share: float = 0.7
    scan_share: float | None = None  # of the patches drawn for no described nodule, not from synthetic patients
    margin: int = 12
    off_centre: int = 6  # of a nodule that is too large for the margin
    random_patches: Literal["within the scan", "inside the lungs", "as published"] = "within the scan"
    flipped_axes: tuple[int, ...] = (2,)  # each with probability one half
    flipped_location: Literal["of the mirrored patient", "flipped too"] = "of the mirrored patient"
    scale: tuple[float, float] = (0.8, 1.15)
    scaled_diameters: tuple[float, float] | None = None  # scaling may not take a nodule beyond, in either direction
    false_alarm_share: float = 0.0  # of the patches drawn for no nodule: at a false alarm of the detector to start from
    augment_random: bool = True  # also flip and scale patches that were not chosen for a nodule

    # Nodules (III-A, IV-E)
    smallest_target: float = 6.0
    weights: tuple[tuple[float, float], ...] = ((30.0, 2.0), (40.0, 6.0))  # (above this diameter, so often)
    every_nodule: bool = True  # all nodules centred in the patch are targets, not only the one it was chosen for
    inserted_share: float = 0.0  # of the patches with a nodule
    inserted_diameter: tuple[float, float] = (11.0, 0.5)  # log-normal: median, standard deviation of the logarithm
    inserted_range: tuple[float, float] = (5.0, 36.0)
    second_inserted: float = 0.0  # how often a second nodule is inserted, and a third after it
    most_inserted: int = 2  # nodules in a patch
    real_share: float = 0.0  # of the inserted nodules, out of a bank; the others are of sorts that it lacks
    cube_share: float = 0.0  # of the patches with a nodule that are a cube of the bank

    # Labels (IV-D, IV-E)
    positive_iou: float = 0.5
    negative_iou: float = 0.02

    # Loss (IV-D, IV-F)
    balance: Literal["mean of the selected", "halves"] = "mean of the selected"
    smooth_l1: Literal["as printed", "standard"] = "as printed"
    pool: int = 800  # random negatives a patch
    hard: int = 2  # of the pool a patch
    hard_over: Literal["patch", "batch"] = "patch"
    hardest_of_all: int = 0  # a patch, whether in the pool or not

    # Run
    optimizer: OptimizerConfig = PUBLISHED_OPTIMIZER
    epochs: int = 100
    steps: int | None = None  # instead of epochs
    initial_logit: float = 0.0
    fine_tuned: bool = False  # starts from a model: batch norms and the layers at full resolution stay as they are


PAPER = Recipe(name="PAPER")

GRT123 = replace(
    PAPER,
    name="GRT123",
    random_patches="as published",
    flipped_axes=(1, 2),
    flipped_location="flipped too",
    scale=(0.75, 1.25),
    scaled_diameters=(8.0, 120.0),
    augment_random=False,
    weights=((30.0, 3.0), (40.0, 7.0)),
    every_nodule=False,
    balance="halves",
    smooth_l1="standard",
    hard_over="batch",
)

CPU = replace(
    PAPER,
    name="CPU",
    patch=64,
    batch=4,
    scan_share=0.5,
    random_patches="inside the lungs",
    flipped_axes=(0, 1, 2),
    inserted_share=0.8,
    second_inserted=0.3,
    balance="halves",
    smooth_l1="standard",
    hard=4,
    hardest_of_all=2,
    optimizer=OptimizerConfig("adamw", 2e-3, 0.01, cosine=True, warm_up_steps=50, clip_norm=1.0),
    steps=1680,
    initial_logit=-4.0,
)

READERS = replace(
    CPU,
    name="READERS",
    scan_share=0.7,
    smallest_target=4.0,
    inserted_share=0.85,
    second_inserted=0.6,
    most_inserted=3,
    real_share=0.7,
    cube_share=0.15,
    false_alarm_share=0.7,
    optimizer=OptimizerConfig("adamw", 5e-4, 0.01, cosine=True, warm_up_steps=50, clip_norm=1.0),
    steps=1500,
    fine_tuned=True,
)

RECIPES = {recipe.name: recipe for recipe in (PAPER, GRT123, CPU, READERS)}
