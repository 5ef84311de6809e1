"""The result of a case, and its JSON (schema `lungcancerdx/case/1`)."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from .errors import LungCancerDxError
from .evidence import check_overrulable, combine

SCHEMA = "lungcancerdx/case/1"

OUTCOMES = {
    "clinical": "cancer probability",
    "synthetic": "model score (simulated outcomes)",
    "none": "no trained model, scores mean nothing",
}
"""What a case's score is called, by what the model was trained on."""


def model_words(name: str, preset: str, join: str, trained_on: str) -> str:
    """A model and what it was trained on, in one line."""
    return f"Model {name} (preset {preset}, {join}), trained on: {trained_on}"


@dataclass(frozen=True)
class Nodule:
    """One nodule; what was not measured is None.

    `box_diameter_mm` is the detector's box, `diameter_mm` the measured one (the box's where no mask was made),
    `confidence` the logistic of the detector's `logit`, `malignancy` the classifier's P_i and `contribution` the
    nodule's share of the case's evidence. Only `scored` nodules count in the case's score.
    """

    rank: int
    source: str  # "detected" or "user"
    center_lps_mm: tuple[float, float, float]
    box_diameter_mm: float | None = None
    diameter_mm: float | None = None
    longest_axial_diameter_mm: float | None = None
    volume_mm3: float | None = None
    mean_hu: float | None = None
    type: str | None = None
    side: str | None = None
    third: str | None = None
    distance_to_pleura_mm: float | None = None
    logit: float | None = None
    confidence: float | None = None
    malignancy: float | None = None
    contribution: float | None = None
    scored: bool = False


@dataclass(frozen=True)
class Case:
    """The case's score, what it is called, and what else than nodules it is made of (shares of the evidence)."""

    score: float
    score_name: str
    join: str
    leak: float | None
    leak_share: float | None
    blank_count: int
    blank_malignancy: float | None
    blank_share: float | None
    scored_nodules: int


@dataclass(frozen=True)
class CaseResult:
    """Everything that is known of a case after detection and scoring.

    `model`, `run`, `input`, `lungs` and `timing_s` are the tables of `case.json`. `lung_labels` (1 left lung, 2 right
    lung) and `nodule_labels` (label = rank) are label maps (K, J, I) uint8 on the CT's own grid; they go to files of
    their own.
    """

    software: dict[str, str]
    model: dict[str, str]
    run: dict[str, str]
    input: dict[str, Any]
    case: Case
    lungs: dict[str, float]
    nodules: tuple[Nodule, ...]
    timing_s: dict[str, float]
    warnings: tuple[str, ...]
    lung_labels: np.ndarray | None = field(default=None, compare=False, repr=False)
    nodule_labels: np.ndarray | None = field(default=None, compare=False, repr=False)

    @property
    def model_words(self) -> str:
        """The model that the case was scored with and what it was trained on, in one line."""
        model = self.model
        return model_words(model["name"], model["preset"], self.case.join, model["trained_on"])

    def rescored(self, ranks: Collection[int]) -> CaseResult:
        """The case when exactly the nodules of these ranks count; nobody moves up by themselves.

        Raises
        ------
        UsageError
            For feature combining, whose nodules have no score of their own.
        ValueError
            For a rank that is not there or that has no malignancy yet.
        """
        check_overrulable(self.case.join)
        known = {nodule.rank: nodule.malignancy for nodule in self.nodules}
        unknown = [rank for rank in ranks if known.get(rank) is None]
        if unknown:
            raise ValueError(f"nodules {unknown} have no malignancy; classify them first")
        ticked = [nodule for nodule in self.nodules if nodule.rank in ranks]
        case = self.case
        evidence = combine(
            case.join, [known[n.rank] or 0.0 for n in ticked], case.leak, case.blank_malignancy, case.blank_count
        )
        shares = {nodule.rank: share for nodule, share in zip(ticked, evidence.shares, strict=True)}
        return replace(
            self,
            nodules=tuple(replace(n, scored=n.rank in shares, contribution=shares.get(n.rank)) for n in self.nodules),
            case=replace(
                case,
                score=evidence.score,
                leak_share=evidence.leak_share,
                blank_share=evidence.blank_share,
                scored_nodules=len(ticked),
            ),
        )

    def to_json(self) -> str:
        """The content of `case.json`."""
        content = {"schema": SCHEMA, **asdict(replace(self, lung_labels=None, nodule_labels=None))}
        del content["lung_labels"], content["nodule_labels"]
        return json.dumps(content, indent=2, allow_nan=False) + "\n"

    @staticmethod
    def from_json(text: str) -> CaseResult:
        """Read the content of a `case.json`; the lung labels stay in their own file.

        Raises
        ------
        LungCancerDxError
            Where the text is no case of this schema.
        """
        try:
            content = json.loads(text)
            if content.pop("schema") != SCHEMA:
                raise ValueError("another schema")
            nodules = tuple(
                Nodule(**{**nodule, "center_lps_mm": tuple(nodule["center_lps_mm"])}) for nodule in content["nodules"]
            )
            return CaseResult(
                **{
                    **content,
                    "case": Case(**content["case"]),
                    "nodules": nodules,
                    "warnings": tuple(content["warnings"]),
                }
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LungCancerDxError(f"This is no case of schema {SCHEMA}: {error}") from error
