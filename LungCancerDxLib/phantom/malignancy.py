"""Which synthetic nodules are cancers, and what the best possible predictor says about it.

The risk of a nodule follows the Brock model (McWilliams et al., NEJM 2013), without its term for the number of nodules
and sharpened: `SHARPNESS` times its logit plus `SHIFT`. Raw Brock risks are so low and flat that no predictor could be
told from another. A case is positive by the paper's leaky noisy-or (section V): if any of its nodules is a cancer, or
by a leak that no nodule explains.

The Bayes predictor knows all that the lungs show (the nodules, emphysema) and averages over what they do not (age, sex,
family history) by exact summation over the priors given here. No network that sees the lungs alone, as N-Net and C-Net
do, can do better on average.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .nodule import Kind, SyntheticNodule

SHARPNESS, SHIFT = 3.0, 6.0
LEAK = 0.1

# Priors of what the lungs do not show.
AGES_YEARS = np.arange(55, 75)  # all alike: those invited to screening
FEMALE_SHARE, FAMILY_HISTORY_SHARE = 0.5, 0.20

# Brock's coefficients.
_PER_YEAR, _MEAN_AGE_YEARS = 0.0287, 62.0
_FEMALE, _FAMILY_HISTORY, _EMPHYSEMA = 0.6011, 0.2961, 0.2953
_PER_SIZE, _MEAN_SIZE = -5.3854, 1.58113883
_UPPER_LOBE, _SPICULATION, _CONSTANT = 0.6581, 0.7729, -6.7892
_TYPE: dict[Kind, float] = {
    "solid": 0.0,
    "cavitated": 0.0,  # ours: a solid one
    "calcified": 0.0,
    "part-solid": 0.377,
    "ground-glass": -0.1276,
}

# Ours: the Brock model leaves benign calcified nodules out, so these get nearly no risk.
_CALCIFIED_LOGIT = -6.0  # added to the sharpened logit


@dataclass(frozen=True)
class CaseTruth:
    """The outcome of one synthetic case.

    Parameters
    ----------
    label
        Whether the case has cancer.
    bayes_probability
        Of the label, given all that the lungs can show: the best prediction there is.
    nodule_probabilities
        The same for each nodule on its own.
    leak
        Probability of cancer without any nodule.
    age_years, female, family_history
        They shaped the label, and the lungs do not show them.
    emphysema
        Of the patient; an image shows it.
    """

    label: bool
    bayes_probability: float
    nodule_probabilities: tuple[float, ...]
    leak: float
    age_years: int
    female: bool
    family_history: bool
    emphysema: bool


def draw_truth(
    rng: np.random.Generator,
    nodules: Sequence[SyntheticNodule],
    *,
    emphysema: bool,
    female: bool | None = None,
    leak: float = LEAK,
) -> CaseTruth:
    """Draw the patient's age, family history and, where it is not given, sex; then the label.

    The Bayes predictor averages over the sex even where it is given.
    """
    age = int(rng.choice(AGES_YEARS))
    drawn_female, family_history = bool(rng.random() < FEMALE_SHARE), bool(rng.random() < FAMILY_HISTORY_SHARE)
    female = drawn_female if female is None else female
    background = _background(age, female, family_history)
    cancers = _logistic(SHARPNESS * background + _seen_logits(nodules, emphysema))
    label = bool(rng.random() < _noisy_or(cancers, leak))
    case, each = bayes_probabilities(nodules, emphysema=emphysema, leak=leak)
    return CaseTruth(label, case, each, leak, age, female, family_history, emphysema)


def bayes_probabilities(
    nodules: Sequence[SyntheticNodule], *, emphysema: bool, leak: float = LEAK
) -> tuple[float, tuple[float, ...]]:
    """Probability that the case is positive and that each nodule is a cancer, given all that the lungs can show."""
    age, female, family = np.meshgrid(AGES_YEARS, [False, True], [False, True], indexing="ij")
    weight = np.where(female, FEMALE_SHARE, 1 - FEMALE_SHARE) / len(AGES_YEARS)
    weight = weight * np.where(family, FAMILY_HISTORY_SHARE, 1 - FAMILY_HISTORY_SHARE)
    background = _background(age, female, family)
    cancers = _logistic(SHARPNESS * background[..., None] + _seen_logits(nodules, emphysema))
    case = float(np.sum(weight * _noisy_or(cancers, leak)))
    return case, tuple(float(p) for p in np.tensordot(weight, cancers, axes=3))


def _seen_logits(nodules: Sequence[SyntheticNodule], emphysema: bool) -> np.ndarray:
    """(N,) the part of each nodule's sharpened logit that the lungs show."""
    brock = [
        _CONSTANT
        + _EMPHYSEMA * emphysema
        + _PER_SIZE * ((nodule.diameter_mm / 10) ** -0.5 - _MEAN_SIZE)
        + _TYPE[nodule.kind]
        + _UPPER_LOBE * nodule.upper_lobe
        + _SPICULATION * (nodule.margin == "spiculated")
        for nodule in nodules
    ]
    calcified = [_CALCIFIED_LOGIT * (nodule.kind == "calcified") for nodule in nodules]
    return SHARPNESS * np.array(brock, dtype=float) + SHIFT + np.array(calcified, dtype=float)


def _background(
    age_years: np.ndarray | int, female: np.ndarray | bool, family_history: np.ndarray | bool
) -> np.ndarray:
    """The part of Brock's logit that the lungs do not show."""
    years = np.asarray(age_years) - _MEAN_AGE_YEARS
    return _PER_YEAR * years + _FEMALE * np.asarray(female) + _FAMILY_HISTORY * np.asarray(family_history)


def _noisy_or(cancers: np.ndarray, leak: float) -> np.ndarray:
    """Probability that the leak or any of `cancers` (..., N) makes the case positive."""
    return 1 - (1 - leak) * np.prod(1 - cancers, axis=-1)


def _logistic(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))
