"""The result of a case, its score as nodules are ticked, and its JSON."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from .entries import ANY_NUMBER, Entries
from .errors import CTReadError
from .evidence import check_overrulable, combine, expected
from .names import (
    CALCIFIED,
    FEATURE_COMBINING,
    GROUND_GLASS,
    JOINS,
    NODULE_SCORES,
    OUTCOMES,
    PART_SOLID,
    SHORT_NODULE_SCORES,
    SIDES,
    SOLID,
    UNKNOWN_SIDE,
    describe_model,
    model_title,
    printable,
)
from .volume import CTVolume

SCHEMA = "lungcancerdx/case/1"
_IN_OTHER_FILES = ("volume", "lung_labels", "nodule_labels")
_CHOICES: dict[str, tuple[str, ...]] = {
    "outcome": tuple(OUTCOMES),
    "join": JOINS,
    "source": ("detected", "user"),
    "type": (SOLID, PART_SOLID, GROUND_GLASS, CALCIFIED),
}
_SHARES = ("score", "leak", "leak_share", "blank_share", "confidence", "contribution")
_MALIGNANCIES = ("malignancy", "network_malignancy", "blank_malignancy")
_SIZES = ("box_diameter_mm", "diameter_mm", "longest_axial_diameter_mm", "solid_component_mm", "volume_mm3")
_BOUNDS: dict[str, tuple[float, float]] = {
    **dict.fromkeys((*_SHARES, *_MALIGNANCIES), (0.0, 1.0)),
    **dict.fromkeys((*_SIZES, "blank_count", "scored_nodules"), (0.0, ANY_NUMBER[1])),
    "rank": (1.0, ANY_NUMBER[1]),
}
_ENTRIES = Entries(_CHOICES, _BOUNDS, _IN_OTHER_FILES)


@dataclass(frozen=True)
class Nodule:
    """One nodule; what was not measured is None.

    By `rank` come those that count by confidence times malignancy, others by their logit, the user's points last.
    `box_diameter_mm` is the detector's box, `diameter_mm` the measured one (the box's where no mask was made),
    `confidence` the logistic of the detector's `logit`, `malignancy` its P_i and `contribution` its share of the case's
    evidence. Where the model fuses the classifier's P_i with what the outline measures, that alone is
    `network_malignancy`. Only `scored` nodules count in the case's score; where the user has overruled
    that, `scored_by_model` tells what the model had counted. `side` is "left", "right" or "unknown", where the image
    does not tell which lung it shows.
    """

    rank: int
    source: str  # "detected" or "user"
    center_lps_mm: tuple[float, float, float]
    box_diameter_mm: float | None = None
    diameter_mm: float | None = None
    longest_axial_diameter_mm: float | None = None
    solid_component_mm: float | None = None
    volume_mm3: float | None = None
    mean_hu: float | None = None
    type: str | None = None
    side: str | None = None
    third: str | None = None
    distance_to_pleura_mm: float | None = None
    logit: float | None = None
    confidence: float | None = None
    malignancy: float | None = None
    network_malignancy: float | None = None
    contribution: float | None = None
    scored: bool = False
    scored_by_model: bool | None = None

    @property
    def is_box(self) -> bool:
        """Whether its diameter is that of the detector's box: it was not outlined."""
        return self.volume_mm3 is None and self.diameter_mm is not None

    @property
    def expected_malignancy(self) -> float:
        """Its malignancy, if any, weighted by the confidence of detection: what the list is ordered by."""
        return expected(self.malignancy or 0.0, self.confidence)

    @property
    def counted_by_model(self) -> bool:
        """Whether the model itself counted it, whatever the user has said since."""
        return self.scored if self.scored_by_model is None else self.scored_by_model

    @property
    def is_reported(self) -> bool:
        """Whether it counts or is the user's own point: what pictures, reports and the assessment show."""
        return self.scored or self.source == "user"

    @property
    def lung(self) -> str:
        """The lung that it lies in, for people: "left lung"; empty where it lies in none."""
        return "side unknown" if self.side == SIDES[UNKNOWN_SIDE] else f"{self.side} lung" if self.side else ""


@dataclass(frozen=True)
class Case:
    """The case's score, what it is called, and what else than nodules it is made of (shares of the evidence).

    With `weighted_by_confidence` a detected nodule counts by P_i times its confidence of detection, see `expected`.
    """

    score: float
    score_name: str
    join: str
    leak: float | None
    leak_share: float | None
    blank_count: int
    blank_malignancy: float | None
    blank_share: float | None
    scored_nodules: int
    weighted_by_confidence: bool = False


@dataclass(frozen=True)
class CaseResult:
    """Everything that is known of a case after detection and scoring.

    `model`, `run`, `input`, `lungs` and `timing_s` are the tables of `case.json`. `lung_labels` (1 left lung, 2 right
    lung, 3 a lung of unknown side) and `nodule_labels` (label = rank) are label maps (K, J, I) uint8 on the CT's own
    grid; they go to files of their own. `unreliable` says why the score is not reliable, that is, what of the scan lies
    outside what models know; the first of the `warnings` then says so, too. `patient` is what is known of the patient,
    `assessment` what published rules make of it (see `assessment.assess`); both empty where nothing was asked.
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
    unreliable: tuple[str, ...] = ()
    patient: dict[str, Any] = field(default_factory=dict)
    assessment: dict[str, Any] = field(default_factory=dict)
    volume: CTVolume | None = field(default=None, compare=False, repr=False)
    lung_labels: np.ndarray | None = field(default=None, compare=False, repr=False)
    nodule_labels: np.ndarray | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """What quotes names of files is made fit for scenes and reports, which take nothing but UTF-8."""
        warnings = tuple(map(printable, self.warnings))
        model = {key: printable(value) for key, value in self.model.items()}
        if (warnings, model) != (self.warnings, self.model):
            object.__setattr__(self, "warnings", warnings)
            object.__setattr__(self, "model", model)

    @property
    def score_label(self) -> str:
        """What the case's score is called, and whether it is reliable."""
        return self.case.score_name + (", not reliable" if self.unreliable else "")

    @property
    def model_title(self) -> str:
        """The model that the case was scored with in a few words, for pictures and the terminal."""
        return model_title(self.model["name"], self.model["preset"], self.case.join)

    @property
    def model_description(self) -> str:
        """The model that the case was scored with and what it was trained on, in one line."""
        model = self.model
        return describe_model(model["name"], model["preset"], self.case.join, model["trained_on"])

    @property
    def nodule_score_name(self) -> str:
        """What the nodules' own scores are called."""
        return NODULE_SCORES.get(self.model["outcome"], self.case.score_name)

    @property
    def short_nodule_score_name(self) -> str:
        """The same in one word."""
        return SHORT_NODULE_SCORES[self.model["outcome"]]

    @property
    def scored_ranks(self) -> frozenset[int]:
        """The ranks that count in the case's score."""
        return frozenset(nodule.rank for nodule in self.nodules if nodule.scored)

    @property
    def by_model(self) -> CaseResult | None:
        """The case as the model itself counts, where the user has overruled it."""
        counted = {nodule.rank for nodule in self.nodules if nodule.counted_by_model}
        is_own = counted == self.scored_ranks or self.case.join == FEATURE_COMBINING
        return None if is_own else self.rescored(counted)

    @property
    def overruling(self) -> str:
        """What the user has changed, and the model's own score; empty where the score is the model's own."""
        if (by_model := self.by_model) is None:
            return ""
        model, user = by_model.scored_ranks, self.scored_ranks
        changes = [
            f"{how} {', '.join(map(str, sorted(ranks)))}"
            for how, ranks in (("without", model - user), ("with", user - model))
            if ranks
        ]
        return f"Overruled by the user: {' and '.join(changes)}. The model's own score: {by_model.case.score:.2f}"

    @property
    def joining(self) -> str:
        """How the case's score comes of its nodules, in one line."""
        weighted = ", weighted by their confidence of detection" if self.case.weighted_by_confidence else ""
        joined = f"{self.case.scored_nodules} of {len(self.nodules)} listed nodules"
        return f"Joined from {joined} by {self.case.join}{weighted}"

    def rescored(self, ranks: Collection[int]) -> CaseResult:
        """The case when exactly the nodules of these ranks count; nobody moves up by themselves.

        Its `assessment` is empty: `assessment.assess.assessed` makes it anew.

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
        ticked, case = [nodule for nodule in self.nodules if nodule.rank in ranks], self.case
        weights = [n.confidence if case.weighted_by_confidence else None for n in ticked]
        malignancy = [expected(n.malignancy or 0.0, weight) for n, weight in zip(ticked, weights, strict=True)]
        evidence = combine(case.join, malignancy, case.leak, case.blank_malignancy, case.blank_count)
        shares = {nodule.rank: share for nodule, share in zip(ticked, evidence.shares, strict=True)}
        overruled = shares.keys() != {nodule.rank for nodule in self.nodules if nodule.counted_by_model}
        return replace(
            self,
            nodules=tuple(
                replace(
                    nodule,
                    scored=nodule.rank in shares,
                    contribution=shares.get(nodule.rank),
                    scored_by_model=nodule.counted_by_model if overruled else None,
                )
                for nodule in self.nodules
            ),
            case=replace(
                case,
                score=evidence.score,
                leak_share=evidence.leak_share,
                blank_share=evidence.blank_share,
                scored_nodules=len(ticked),
            ),
            assessment={},
        )

    def to_json(self) -> str:
        """The content of `case.json`."""
        content = {"schema": SCHEMA, **asdict(replace(self, volume=None, lung_labels=None, nodule_labels=None))}
        for name in _IN_OTHER_FILES:
            del content[name]
        return json.dumps(content, indent=2, allow_nan=False) + "\n"

    @staticmethod
    def from_json(text: str, source: str = "This") -> CaseResult:
        """Read the content of a `case.json`; the label maps stay in their own files.

        Parameters
        ----------
        source
            What the text is called in a message.

        Raises
        ------
        CTReadError
            Where the text is no case of this schema, or an entry cannot be.
        """
        try:
            content = json.loads(text)
            if not isinstance(content, dict) or content.pop("schema", None) != SCHEMA:
                raise ValueError("another schema, or none")
            result: CaseResult = _ENTRIES.read(CaseResult, content)
            _check_tables(result)
        except (ValueError, RecursionError) as error:
            raise CTReadError(
                f"{source} is no case of schema {SCHEMA}: {error}. Copy it again, or score the scan again."
            ) from error
        return result


def _check_tables(result: CaseResult) -> None:
    """What types alone do not tell."""
    for name in ("name", "sha256", "preset", "outcome", "trained_on"):
        if name not in result.model:
            raise ValueError(f"model.{name} is missing")
    for name in ("path", "series_uid"):
        _ENTRIES.read(str | None, result.input.get(name), f"input.{name}")
    ranks = [nodule.rank for nodule in result.nodules]
    if len(set(ranks)) < len(ranks):
        raise ValueError("two nodules have one rank")
    if any(nodule.scored_by_model and nodule.malignancy is None for nodule in result.nodules):
        raise ValueError("scored_by_model is true of a nodule without malignancy")
