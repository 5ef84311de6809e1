"""What a classifier's training is to be."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from ..compute import Compute
from ..errors import UsageError
from ..models.bundle import Model
from ..networks.pooling import LeakyNoisyOr
from .case_store import CaseStore
from .classifier_recipe import ClassifierRecipe
from .ranks import Ranks
from .schemes import ARROW, Stage


@dataclass(frozen=True)
class Plan:
    """What is to be trained.

    Parameters
    ----------
    outcome
        What the labels are, for the model's card: "clinical", "synthetic" or "none".
    proposals
        Those of the detector, or made from the described nodules (see `proposals_from_truth`).
    """

    recipe: ClassifierRecipe
    stages: tuple[Stage, ...]
    outcome: str
    join: str = LeakyNoisyOr.name
    proposals: Literal["detector", "truth"] = "detector"
    seed: int = 0

    @property
    def scheme(self) -> str:
        """The stages' names."""
        return ARROW.join(stage.name for stage in self.stages)


def check(store: CaseStore, detector: Model, plan: Plan, ranks: Ranks) -> None:
    """Whether the plan can be carried out.

    Raises
    ------
    UsageError
    """
    ranks.share(plan.recipe.batch)
    if store.preset != detector.preset.name:
        raise UsageError(
            f"The cases in {store.folder} are of preset {store.preset}, the detector '{detector.name}' of "
            f"{detector.preset.name}. Prepare the cases with --preset {detector.preset.name}, or use a detector of "
            f"preset {store.preset}."
        )
    if any(stage.alternate for stage in plan.stages):
        ranks.share(plan.recipe.detector.batch)


def config_of(
    store: CaseStore, labels: np.ndarray, detector: Model, plan: Plan, compute: Compute, ranks: Ranks
) -> dict[str, Any]:
    """All that decides the weights, fit for JSON."""
    return {
        "task": "classifier",
        "preset": detector.preset.name,
        "scheme": plan.scheme,
        "recipe": asdict(plan.recipe),
        "join": plan.join,
        "outcome": plan.outcome,
        "proposals": plan.proposals,
        "detector_sha256": detector.sha256,
        "seed": plan.seed,
        "precision": compute.precision,
        "processes": ranks.size,
        "cancer_of_cases": {name: int(label) for name, label in zip(store.names, labels, strict=True)},
    }
