"""The constants of the classifier's training, in three versions; recipe `readers` has its own beside it.

`PAPER` follows section V, `GRT123` the training code of 2017 where it differs, and `CPU` learns only the last two
layers and the leak, on features of the detector's frozen backbone that are computed once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ...errors import UsageError
from ..detector import recipe
from ..detector.recipe import PUBLISHED_OPTIMIZER, Recipe
from ..engine.optimizer import OptimizerConfig

ARROW = "->"  # between the stages of a scheme
CLIP_NORM = 1.0  # V-E


@dataclass(frozen=True)
class Augmentation:
    """How a crop may be changed (V-E); lengths are working voxels, axes k, j, i."""

    flipped_axes: tuple[int, ...] = (0, 1, 2)  # each with probability one half
    scale: tuple[float, float] = (0.75, 1.25)  # range of the size change
    scaled_diameters: tuple[float, float] | None = None  # scaling may not take a nodule beyond, in either direction
    rotation: Literal["none", "in plane", "any"] = "any"  # in 3D, or by 0 to 180 degrees in the axial plane
    shift: float = 0.15  # the greatest along each axis, of the radius
    swapped_axes: bool = False  # the axes in random order
    # The location crop is flipped and swapped with the image, as in the published code; otherwise it stays the one of
    # the nodule's position in the lungs, which rises along every axis as in inference.
    turned_location: bool = False


UNCHANGED = Augmentation(flipped_axes=(), scale=(1.0, 1.0), rotation="none", shift=0.0)


@dataclass(frozen=True)
class ClassifierRecipe:
    """The constants on which the paper, the code of 2017 and our short training differ."""

    name: str
    scheme: str = "A->B->E"  # stages in order where none are asked for
    augmentation: Augmentation = Augmentation()
    batch: int = 16  # cases a step, of all processes together

    # Proposals of a case are drawn in proportion to their confidence (V), or to the softmax of the logits, which is
    # worked out anew after each draw; no chance falls below the floor.
    chance: Literal["confidence", "softmax"] = "confidence"
    chance_floor: float = 1e-5

    # Loss
    miss_loss: float = 0.0  # weight of the published code's, on described nodules that get hardly any malignancy
    false_alarm_loss: float = 0.0  # of ours, on malignancy without a nodule: not where nodules are partly described

    # Run
    optimizer: OptimizerConfig = PUBLISHED_OPTIMIZER  # of the first stage
    later_rate: float = 0.1  # learning rate of later stages that have none of their own, as a share of the first one's
    epochs: int = 100  # of a stage; one of a stage that alternates has an epoch of both networks
    asked_epochs: int | None = None  # of every stage, also of one that has a number of its own
    steps: int | None = None  # instead of epochs
    initial_logit: float = 0.0  # of a nodule's malignancy
    # The leak's logit is learned as if it were counted in units of this size: AdamW, which moves every number by about
    # the learning rate at most, would else not come far from the start.
    leak_rate: float = 1.0
    detector: Recipe = recipe.PAPER  # patches and losses of the detector in stages that alternate
    cached_crops: int = 3  # of each proposal, in a stage on cached features: one as at test time, the others augmented
    cached_proposals: int = 6  # the best so many of a case that such a stage knows

    def epochs_of(self, stage: Stage) -> int:
        """How long a stage is, where it is not measured in steps."""
        return self.asked_epochs or stage.epochs or self.epochs


PAPER = ClassifierRecipe(name="PAPER")

GRT123 = replace(
    PAPER,
    name="GRT123",
    scheme="net3->net4",
    augmentation=Augmentation(
        scale=(0.85, 1.15),
        scaled_diameters=(6.0, 100.0),
        rotation="in plane",
        swapped_axes=True,
        turned_location=True,
    ),
    batch=12,
    chance="softmax",
    miss_loss=1.0,
    detector=replace(recipe.GRT123, scaled_diameters=(8.0, 100.0)),
)

CPU = replace(
    PAPER,
    name="CPU",
    scheme="F",
    augmentation=Augmentation(scale=(0.9, 1.1)),  # the size of a nodule says most about it
    batch=32,
    optimizer=OptimizerConfig("adamw", 1e-3, 0.3, cosine=True, warm_up_steps=50),
    steps=800,
    initial_logit=-2.0,
    false_alarm_loss=3.0,
    leak_rate=10.0,
    detector=recipe.CPU,
)

CLASSIFIER_RECIPES = {recipe.name: recipe for recipe in (PAPER, GRT123, CPU)}


@dataclass(frozen=True)
class Stage:
    """One stage of a scheme."""

    name: str
    augmentation: Literal["none", "flips", "all"] = "all"  # of the recipe's
    clipped: bool = False  # gradients of a norm above `CLIP_NORM` are scaled down to it
    alternate: bool = False  # an epoch of the detector and one of the classifier in turn, over one backbone
    frozen_norms: bool = False  # batch norm keeps the statistics it has; its scale and shift still learn
    cached: bool = False  # the backbone learns nothing: its features of a few crops are computed once
    epochs: int | None = None  # instead of the recipe's
    drops: tuple[tuple[float, float], ...] | None = None  # the same; the factors are of the first stage's rate


_STAGES = (
    # Table I
    Stage("C-Net", augmentation="none"),
    Stage("A"),
    Stage("B", clipped=True),
    Stage("C", alternate=True),
    Stage("D", alternate=True, clipped=True),
    Stage("E", alternate=True, clipped=True, frozen_norms=True),
    # The published code
    Stage("net3", augmentation="flips", alternate=True, drops=((0.2, 0.1), (0.7, 0.01))),
    Stage("net4", alternate=True, frozen_norms=True, epochs=30, drops=((0.0, 0.01), (1 / 3, 0.001))),
    # Ours: stage A on cached features of the frozen backbone
    Stage("F", cached=True),
)
STAGES = {stage.name: stage for stage in _STAGES}


def parse_scheme(text: str) -> tuple[Stage, ...]:
    """The stages of a scheme such as "A->B->E".

    Raises
    ------
    UsageError
        Where a stage has no such name.
    """
    names = [name.strip() for name in text.replace("→", ARROW).split(ARROW)]
    unknown = [name for name in names if name not in STAGES]
    if unknown:
        raise UsageError(
            f"The scheme '{text}' has a stage '{unknown[0]}'; expected one or more of {', '.join(STAGES)} with {ARROW} "
            'between them, such as "A->B->E".'
        )
    return tuple(STAGES[name] for name in names)


def augmentation_of(stage: Stage, recipe: ClassifierRecipe) -> Augmentation:
    """How a stage changes its crops."""
    whole = recipe.augmentation
    if stage.augmentation == "flips":
        return replace(UNCHANGED, flipped_axes=whole.flipped_axes, turned_location=whole.turned_location)
    return whole if stage.augmentation == "all" else UNCHANGED


def optimizer_of(stage: Stage, recipe: ClassifierRecipe, number: int) -> OptimizerConfig:
    """How a stage moves the weights; `number` counts the scheme's stages from zero."""
    optimizer = replace(recipe.optimizer, clip_norm=CLIP_NORM if stage.clipped else None)
    if stage.drops is not None:
        return replace(optimizer, drops=stage.drops, cosine=False)
    return optimizer if number == 0 else replace(optimizer, learning_rate=optimizer.learning_rate * recipe.later_rate)
