"""A synthetic case: a patient, and the truth about the patient's cancer.

A nodule's risk is that of the Brock model (McWilliams et al., NEJM 2013) without its term for the number of nodules,
sharpened; the case is positive by a leaky noisy-or.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..assessment.brock import MEAN_AGE_YEARS, MEAN_SIZE, MODEL_2B
from .nodules.nodule import Kind, SyntheticNodule, nodule_mask
from .nodules.population import Population
from .patient import SyntheticPatient, synthetic_chest

LEAK = 0.1  # probability of cancer without any nodule
SHARPNESS, SHIFT = 3.0, 6.0  # of the nodules' logits: how many times Brock's, plus so much
CALCIFIED_LOGIT = -6.0  # added to that; Brock's model leaves benign calcified nodules out, so they get nearly no risk

# Priors of what the lungs do not show.
AGES_YEARS = np.arange(55, 75)  # all alike: those invited to screening
FEMALE_SHARE, FAMILY_HISTORY_SHARE = 0.5, 0.20

_OF_TYPE: dict[Kind, float] = {"part-solid": MODEL_2B.part_solid, "ground-glass": MODEL_2B.ground_glass}


@dataclass(frozen=True)
class CaseTruth:
    """The outcome of one synthetic case: whether it has cancer (`label`), and with which probability.

    `bayes_probability` is that of the label given all that the lungs can show, the best prediction there is,
    `nodule_probabilities` the same for each nodule on its own, `leak` that of cancer without any nodule. Age, sex and
    family history shaped the label and the lungs do not show them; emphysema an image shows.
    """

    label: bool
    bayes_probability: float
    nodule_probabilities: tuple[float, ...]
    leak: float
    age_years: int
    female: bool
    family_history: bool
    emphysema: bool


@dataclass(frozen=True)
class SyntheticCase:
    """A synthetic patient and the truth."""

    patient: SyntheticPatient
    truth: CaseTruth

    def record(self) -> dict[str, Any]:
        """All that is known, in terms of JSON: the truth, the nodules with their probabilities, what was drawn."""
        truth = asdict(self.truth)
        probabilities = truth.pop("nodule_probabilities")
        nodules = [
            {**asdict(nodule), "probability": probability}
            for nodule, probability in zip(self.patient.nodules, probabilities, strict=True)
        ]
        return {**truth, "nodules": nodules, "patient": self.patient.record}

    def nodule_labels(self) -> np.ndarray:
        """uint8, shape (K, J, I) of the scan: 1, 2, ... in the body of the first, the second nodule, and so on."""
        volume = self.patient.volume
        labels = np.zeros(volume.shape_kji, np.uint8)
        for number, nodule in enumerate(self.patient.nodules, start=1):
            labels[nodule_mask(nodule, volume.kji_to_lps, volume.shape_kji)] = number
        return labels


def synthetic_case(
    seed: int, index: int, *, spacing_mm_kji: tuple[float, float, float] | None = None, population: Population = "dsb"
) -> SyntheticCase:
    """Patient `index` of the endless cohort `seed`; the same two numbers give the same patient.

    The spacing of the scan's grid is drawn where it is not given. The `population` says whose nodules: sizes and
    numbers as in LUNA16 or in the Data Science Bowl (Fig. 2a).
    """
    patient_rng, truth_rng = np.random.default_rng([seed, index]).spawn(2)
    patient = synthetic_chest(patient_rng, spacing_mm_kji=spacing_mm_kji, population=population)
    emphysema, female = bool(patient.record["emphysema"]), bool(patient.record["female"])
    truth = draw_truth(truth_rng, patient.nodules, emphysema=emphysema, female=female)
    return SyntheticCase(patient, truth)


def draw_truth(
    rng: np.random.Generator, nodules: Sequence[SyntheticNodule], *, emphysema: bool, female: bool | None = None
) -> CaseTruth:
    """Draw the patient's age, family history and, where it is not given, sex; then the label.

    The Bayes predictor averages over the sex even where it is given.
    """
    age = int(rng.choice(AGES_YEARS))
    drawn_female, family_history = bool(rng.random() < FEMALE_SHARE), bool(rng.random() < FAMILY_HISTORY_SHARE)
    female = drawn_female if female is None else female
    cancers = _cancers(nodules, emphysema, age, female, family_history)
    label = bool(rng.random() < _noisy_or(cancers))
    case, each = bayes_probabilities(nodules, emphysema=emphysema)
    return CaseTruth(label, case, each, LEAK, age, female, family_history, emphysema)


def bayes_probabilities(nodules: Sequence[SyntheticNodule], *, emphysema: bool) -> tuple[float, tuple[float, ...]]:
    """Probability that the case is positive and that each nodule is a cancer, given all that the lungs can show."""
    age, female, family = np.meshgrid(AGES_YEARS, [False, True], [False, True], indexing="ij")
    weight = np.where(female, FEMALE_SHARE, 1 - FEMALE_SHARE) / len(AGES_YEARS)
    weight = weight * np.where(family, FAMILY_HISTORY_SHARE, 1 - FAMILY_HISTORY_SHARE)
    cancers = _cancers(nodules, emphysema, age, female, family)
    case = float(np.sum(weight * _noisy_or(cancers)))
    return case, tuple(float(p) for p in np.tensordot(weight, cancers, axes=3))


def _cancers(
    nodules: Sequence[SyntheticNodule], emphysema: bool, age_years: Any, female: Any, family_history: Any
) -> np.ndarray:
    """(..., N) probability that each nodule is a cancer; what the lungs do not show may be arrays of one shape."""
    of_patient = MODEL_2B.age_per_year * (np.asarray(age_years) - MEAN_AGE_YEARS)
    of_patient += MODEL_2B.female * np.asarray(female) + MODEL_2B.family_history * np.asarray(family_history)
    brock = [
        MODEL_2B.constant
        + MODEL_2B.emphysema * emphysema
        + MODEL_2B.size * ((nodule.diameter_mm / 10) ** -0.5 - MEAN_SIZE)
        + _OF_TYPE.get(nodule.kind, 0.0)
        + MODEL_2B.upper_lobe * nodule.upper_lobe
        + MODEL_2B.spiculation * (nodule.margin == "spiculated")
        for nodule in nodules
    ]
    calcified = [CALCIFIED_LOGIT * (nodule.kind == "calcified") for nodule in nodules]
    seen = SHARPNESS * np.array(brock, dtype=float) + SHIFT + np.array(calcified, dtype=float)
    return np.asarray(1 / (1 + np.exp(-(SHARPNESS * np.asarray(of_patient)[..., None] + seen))))


def _noisy_or(cancers: np.ndarray) -> np.ndarray:
    """Probability that the leak or any of `cancers` (..., N) makes the case positive."""
    return np.asarray(1 - (1 - LEAK) * np.prod(1 - cancers, axis=-1))
