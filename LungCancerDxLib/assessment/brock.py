"""Published risk models that were fitted to clinical outcomes: Brock (PanCan) and Mayo.

McWilliams et al., Probability of cancer in pulmonary nodules detected on first screening CT, N Engl J Med 2013;369:
910-9 (PMC3951177), Table 2: the full models without (2a) and with spiculation (2b); 1a and 1b are the parsimonious
ones. The table's footnote centres the age at 62 years and the count at 4, and takes the size in mm as (size / 10)^-0.5
less 1.58113883. Swensen et al., The probability of malignancy in solitary pulmonary nodules, Arch Intern Med 1997;157:
849-55, equation on page 852.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from ..names import CALCIFIED, GROUND_GLASS, PART_SOLID, SOLID

BROCK_NAME = "Brock risk (clinical outcomes, screening population)"
MAYO_NAME = "Mayo risk (clinical outcomes, solitary nodules on radiographs)"

_LARGEST_MM = 30.0  # larger ones are masses, for which neither model was made
_PANCAN_AGES = (50.0, 75.0)  # whom the PanCan study took in
_MAYO_SMALLEST_MM = 4.0


@dataclass(frozen=True)
class _BrockModel:
    """A column of Table 2: log odds ratios."""

    name: str
    age_per_year: float
    female: float
    family_history: float
    emphysema: float
    size: float
    ground_glass: float
    part_solid: float
    upper_lobe: float
    per_nodule: float
    spiculation: float
    constant: float


# The ground glass of 2a is -0.3005 in one transcription of Table 2 and -0.3055 in another; both round to the odds
# ratio of 0.74, and the risk differs by half a percent of itself.
MEAN_AGE_YEARS, MEAN_SIZE = 62.0, 1.58113883  # the latter of (mm / 10)^-0.5
MODEL_2A = _BrockModel("2a", 0.0321, 0.5635, 0.3013, 0.3462, -5.6693, -0.3005, 0.3395, 0.7116, -0.0803, 0.0, -6.8071)
MODEL_2B = _BrockModel("2b", 0.0287, 0.6011, 0.2961, 0.2953, -5.3854, -0.1276, 0.3770, 0.6581, -0.0824, 0.7729, -6.7892)


def brock_probability(
    *,
    age_years: float,
    female: bool,
    family_history: bool,
    emphysema: bool,
    size_mm: float,
    nodule_type: str,
    upper_lobe: bool,
    nodule_count: int,
    spiculated: bool | None,
) -> float:
    """Brock (PanCan) probability that a nodule is or becomes a cancer within two to four years (full model).

    Parameters
    ----------
    size_mm
        The longest diameter.
    nodule_type
        "solid", "part-solid" or "ground-glass".
    spiculated
        None: not known, by model 2a; else by model 2b.
    """
    model = MODEL_2A if spiculated is None else MODEL_2B
    of_type = {SOLID: 0.0, PART_SOLID: model.part_solid, GROUND_GLASS: model.ground_glass}
    log_odds = (
        model.constant
        + model.age_per_year * (age_years - MEAN_AGE_YEARS)
        + model.female * female
        + model.family_history * family_history
        + model.emphysema * emphysema
        + model.size * ((size_mm / 10) ** -0.5 - MEAN_SIZE)
        + of_type[nodule_type]
        + model.upper_lobe * upper_lobe
        + model.per_nodule * (nodule_count - 4)
        + model.spiculation * bool(spiculated)
    )
    return 1 / (1 + math.exp(-log_odds))


def mayo_probability(
    *,
    age_years: float,
    smoker: bool,
    earlier_cancer: bool,
    diameter_mm: float,
    spiculated: bool,
    upper_lobe: bool,
) -> float:
    """Mayo (Swensen 1997) probability that a solitary nodule is malignant.

    Parameters
    ----------
    smoker
        Now or ever.
    earlier_cancer
        Outside the chest, more than five years ago.
    """
    log_odds = (
        -6.8272
        + 0.0391 * age_years
        + 0.7917 * smoker
        + 1.3388 * earlier_cancer
        + 0.1274 * diameter_mm
        + 1.0407 * spiculated
        + 0.7838 * upper_lobe
    )
    return 1 / (1 + math.exp(-log_odds))


@dataclass(frozen=True)
class Risk:
    """The risk by a published model, between the least and the most that what is unknown allows.

    Parameters
    ----------
    low, high
        0 to 1; equal where all is known. None where the model does not apply.
    unknown
        What the range is over.
    remarks
        Why the model does not apply, or what to bear in mind.
    """

    name: str
    model: str
    low: float | None
    high: float | None
    unknown: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """For people: "3.4 %", "1.2 to 8.9 %" or a dash."""
        if self.low is None or self.high is None:
            return "-"
        low, high = percent(self.low), percent(self.high)
        return f"{low} %" if low == high else f"{low} to {high} %"

    @property
    def full_text(self) -> str:
        """The same with what the range is over: "1.2 to 8.9 % (over age, sex)"."""
        return f"{self.text} (over {', '.join(self.unknown)})" if self.unknown else self.text


def percent(probability: float) -> str:
    """With one decimal, or two below one percent."""
    return f"{100 * probability:.{2 if probability < 0.00995 else 1}f}"


def brock_risk(
    *,
    age_years: float | None,
    sex: str | None,
    family_history: bool | None,
    emphysema: bool | None,
    size_mm: float | None,
    nodule_type: str | None,
    upper_lobe: bool | None,
    nodule_counts: tuple[int, int],
    spiculated: bool | None,
) -> Risk:
    """`brock_probability` over all that is unknown (None); an unknown age over those of the PanCan study.

    Parameters
    ----------
    nodule_counts
        The least and the most that there may be.
    """
    model = MODEL_2A if spiculated is None else MODEL_2B
    label = f"McWilliams 2013, model {model.name}"
    if reason := _outside(size_mm, nodule_type):
        return Risk(BROCK_NAME, label, None, None, remarks=(reason,))
    assert size_mm is not None
    unknown, remarks = [], []
    if age_years is None:
        unknown.append(f"age ({_PANCAN_AGES[0]:.0f} to {_PANCAN_AGES[1]:.0f})")
    elif not _PANCAN_AGES[0] <= age_years <= _PANCAN_AGES[1]:
        remarks.append(f"The model was fitted to ages {_PANCAN_AGES[0]:.0f} to {_PANCAN_AGES[1]:.0f}.")
    unknown += ["sex"] if sex is None else []
    unknown += _names({"family history": family_history, "emphysema": emphysema, "upper lobe": upper_lobe})
    unknown += ["type"] if nodule_type is None else []
    if nodule_counts[0] != nodule_counts[1]:
        unknown.append(f"number of nodules ({nodule_counts[0]} to {nodule_counts[1]})")
    if spiculated is None:
        remarks.append("Spiculation is not known: the model without it.")
    probabilities = [
        brock_probability(
            age_years=age,
            female=female,
            family_history=family,
            emphysema=emphysematous,
            size_mm=size_mm,
            nodule_type=kind,
            upper_lobe=upper,
            nodule_count=count,
            spiculated=spiculated,
        )
        for age, female, family, emphysematous, kind, upper, count in product(
            _PANCAN_AGES if age_years is None else (age_years,),
            _either(None if sex is None else sex == "female"),
            _either(family_history),
            _either(emphysema),
            (SOLID, PART_SOLID, GROUND_GLASS) if nodule_type is None else (nodule_type,),
            _either(upper_lobe),
            nodule_counts,
        )
    ]
    return Risk(BROCK_NAME, label, min(probabilities), max(probabilities), tuple(unknown), tuple(remarks))


def mayo_risk(
    *,
    age_years: float | None,
    smoker: bool | None,
    earlier_cancer: bool | None,
    diameter_mm: float | None,
    nodule_type: str | None,
    spiculated: bool | None,
    upper_lobe: bool | None,
) -> Risk | None:
    """`mayo_probability` over what is unknown of the nodule; None where age, smoking or history are not given.

    It was fitted to indeterminate nodules, of which calcified ones are none.
    """
    if age_years is None or smoker is None or earlier_cancer is None:
        return None
    label = "Swensen 1997"
    if reason := _outside(diameter_mm, nodule_type, _MAYO_SMALLEST_MM):
        return Risk(MAYO_NAME, label, None, None, remarks=(reason,))
    assert diameter_mm is not None
    probabilities = [
        mayo_probability(
            age_years=age_years,
            smoker=smoker,
            earlier_cancer=earlier_cancer,
            diameter_mm=diameter_mm,
            spiculated=spicules,
            upper_lobe=upper,
        )
        for spicules, upper in product(_either(spiculated), _either(upper_lobe))
    ]
    unknown = tuple(_names({"spiculation": spiculated, "upper lobe": upper_lobe}))
    return Risk(MAYO_NAME, label, min(probabilities), max(probabilities), unknown)


def _outside(size_mm: float | None, nodule_type: str | None, smallest_mm: float = 0.0) -> str:
    """Why a nodule lies outside the models; empty where it does not."""
    if nodule_type == CALCIFIED:
        return "It is calcified: the model does not cover it."
    if size_mm is None:
        return "The size is not measured."
    if not smallest_mm <= size_mm <= _LARGEST_MM or size_mm <= 0:
        return f"{size_mm:.1f} mm lies outside the model ({smallest_mm:g} to {_LARGEST_MM:g} mm)."
    return ""


def _either(known: bool | None) -> Sequence[bool]:
    return (False, True) if known is None else (known,)


def _names(facts: dict[str, bool | None]) -> Iterable[str]:
    return [name for name, known in facts.items() if known is None]
