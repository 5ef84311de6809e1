"""Ways to train the classifier as sequences of stages, such as the paper's "A->B->E" (section V-E, Table I)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ..errors import UsageError
from .classifier_recipe import CLIP_NORM, UNCHANGED, Augmentation, ClassifierRecipe
from .regime import Regime


@dataclass(frozen=True)
class Stage:
    """One stage of a scheme.

    Parameters
    ----------
    augmentation
        None of it, the recipe's flips only, or all.
    clipped
        Gradients of a norm above one are scaled down to it.
    alternate
        An epoch of the detector and one of the classifier in turn, over one backbone.
    frozen_norms
        Batch norm uses the statistics it has and does not change them; its scale and shift still learn.
    cached
        The backbone learns nothing: its features of a few crops are computed once.
    epochs, drops
        Instead of the recipe's (see `Regime.drops`; the factors are of the recipe's own rate, also in later stages).
    """

    name: str
    augmentation: Literal["none", "flips", "all"] = "all"
    clipped: bool = False
    alternate: bool = False
    frozen_norms: bool = False
    cached: bool = False
    epochs: int | None = None
    drops: tuple[tuple[float, float], ...] | None = None


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
ARROW = "->"


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


def regime_of(stage: Stage, recipe: ClassifierRecipe, number: int) -> Regime:
    """How a stage moves the weights; `number` counts the scheme's stages from zero."""
    regime = replace(recipe.regime, clip_norm=CLIP_NORM if stage.clipped else None)
    if stage.drops is not None:
        return replace(regime, drops=stage.drops, cosine=False)
    return regime if number == 0 else replace(regime, learning_rate=regime.learning_rate * recipe.later_rate)
