"""What a measurement report says of a case and its nodules, item by item, and the codes that it says it with.

Groups follow TID 1500; what no standard names has codes of our own (99LCDX), whose meanings say what it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..assessment.assess import Assessment
from ..assessment.brock import BROCK_NAME
from ..case import CaseResult, Nodule
from ..names import LEFT, RESEARCH_USE_ONLY, RIGHT, SIDES, UNKNOWN_SIDE

_OWN = "99LCDX"
LUNG_CODES = {
    LEFT: ("44029006", "Left lung"),
    RIGHT: ("3341006", "Right lung"),
    UNKNOWN_SIDE: ("39607008", "Lung"),
}
NODULE_CODE = ("27925004", "Nodule")
_SCORE_CODES = {"clinical": "CLINICAL", "readers": "READERS", "synthetic": "SIMULATED", "none": "UNTRAINED"}
"""A score by what the model was trained on: whoever goes by codes does not take a suspicion for a probability."""

CATEGORY_CODES = {
    False: ("91723000", "Anatomical Structure"),
    True: ("49755003", "Morphologically Abnormal Structure"),
}
"""Of lungs and of nodules."""


def case_group(uid: str, result: CaseResult, assessment: Assessment) -> Any:
    """The case's score, the model's own beside it where the user overruled that, and the scan's category."""
    import highdicom as hd

    score = _own(f"CASE_{_SCORE_CODES[result.model['outcome']]}", f"Case, by an AI model: {result.case.score_name}")
    by_model, own_choice = result.by_model, _own("CASE_BY_MODEL", "Case, of the nodules that the model counted")
    intended = hd.sr.QualitativeEvaluation(_own("INTENDED_USE", "Intended use"), _own("RESEARCH", RESEARCH_USE_ONLY))
    chosen = _own("COUNTED", "Which nodules count"), _own("OVERRULED", "Chosen by the user, not by the model")
    reliable = _own("RELIABLE", "Reliability of the score"), _own("NOT_RELIABLE", "Not reliable on this scan")
    return hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid, "Case"),
        finding_type=sct(*LUNG_CODES[UNKNOWN_SIDE]),
        measurements=[
            _measurement(score, result.case.score, "1", "no units"),
            *([_measurement(own_choice, by_model.case.score, "1", "no units")] if by_model else []),
        ],
        qualitative_evaluations=[
            intended,
            *([hd.sr.QualitativeEvaluation(*reliable)] if result.unreliable else []),
            *([hd.sr.QualitativeEvaluation(*chosen)] if by_model else []),
            *_categories(assessment.lung_rads, assessment.is_open),
            *_conditions(result, assessment),
        ],
    )


def measurements(nodule: Nodule, result: CaseResult, assessment: Assessment) -> Iterator[Any]:
    """What is measured of a nodule and the model says of it; None for what is not known."""
    from pydicom.sr.codedict import codes

    if nodule.volume_mm3 is not None:
        yield _measurement(codes.SCT.Volume, nodule.volume_mm3, "mm3", "cubic millimeter")
        yield _measurement(_own("MEAN_DIAMETER", "Diameter of the ball of this volume"), nodule.diameter_mm, "mm", "mm")
        yield _measurement(_own("BOX_DIAMETER", "Diameter of the detector's box"), nodule.box_diameter_mm, "mm", "mm")
    else:
        yield _measurement(_own("BOX_DIAMETER", "Diameter of the detector's box"), nodule.diameter_mm, "mm", "mm")
    yield _measurement(_own("LONGEST_AXIAL", "Longest axial diameter"), nodule.longest_axial_diameter_mm, "mm", "mm")
    yield _measurement(_own("MEAN_HU", "Mean attenuation"), nodule.mean_hu, "[hnsf'U]", "Hounsfield unit")
    yield _measurement(_own("DETECTION", "Confidence of detection"), nodule.confidence, "1", "no units")
    score = _own(
        f"NODULE_{_SCORE_CODES[result.model['outcome']]}", f"Nodule, by an AI model: {result.nodule_score_name}"
    )
    yield _measurement(score, nodule.malignancy, "1", "no units")
    found = assessment.of(nodule.rank)
    if found is not None and found.brock.low is not None and found.brock.high is not None:
        for code, which, value in (("LOW", "least", found.brock.low), ("HIGH", "most", found.brock.high)):
            yield _measurement(_own(f"BROCK_{code}", f"{BROCK_NAME}, at {which}"), 100 * value, "%", "percent")


def evaluations(nodule: Nodule, assessment: Assessment) -> Iterator[Any]:
    """Its type, third of the lung and categories."""
    import highdicom as hd

    if nodule.type:
        value = _own(nodule.type.upper().replace("-", "_"), nodule.type)
        yield hd.sr.QualitativeEvaluation(_own("NODULE_TYPE", "Type of nodule by attenuation"), value)
    if nodule.third:
        value = _own(f"{nodule.third.upper()}_THIRD", f"{nodule.third} third")
        yield hd.sr.QualitativeEvaluation(_own("LUNG_THIRD", "Third of the lung's height"), value)
    found = assessment.of(nodule.rank)
    if found is not None:
        yield from _categories(found.lung_rads)


def _categories(categories: Sequence[Any], is_open: bool = False) -> Iterator[Any]:
    """The categories that are possible, the least and, unless there may be a higher one, the most."""
    import highdicom as hd

    names = [category.name for category in categories]
    if names and names[0] == names[-1] and not is_open:
        name = _own("LUNG_RADS", "Lung-RADS v2022 category suggested by measurements")
        yield hd.sr.QualitativeEvaluation(name, _category(names[0]))
        return
    bounds = list(zip(("LEAST", "MOST"), names[:1] + names[-1:], strict=False))
    for which, value in bounds[:1] if is_open else bounds:
        name = _own(f"LUNG_RADS_{which}", f"Lung-RADS v2022 category, at {which.lower()}, suggested by measurements")
        yield hd.sr.QualitativeEvaluation(name, _category(value))


def _conditions(result: CaseResult, assessment: Assessment) -> Iterator[Any]:
    """On which the scan's category holds."""
    import highdicom as hd

    if assessment.lung_rads and not result.patient.get("setting"):
        yield hd.sr.QualitativeEvaluation(_own("SETTING", "Setting"), _own("UNKNOWN", "Not told: if this is screening"))
    if assessment.lung_rads and result.unreliable:
        evaluated = _own("EVALUATED", "Evaluation of the scan"), _own("IN_PART", "Not in full: Lung-RADS may be 0")
        yield hd.sr.QualitativeEvaluation(*evaluated)


def _measurement(name: Any, value: float | None, unit: str, meaning: str) -> Any:
    """A measurement; None where there is no value."""
    import highdicom as hd
    from pydicom.sr.coding import Code

    return None if value is None else hd.sr.Measurement(name, float(f"{value:.6g}"), Code(unit, "UCUM", meaning))


def _category(name: str) -> Any:
    return _own(f"LUNG_RADS_{name}", f"Lung-RADS {name}")


def site(nodule: Nodule) -> Any:
    """The code of the lung that a nodule lies in."""
    label = next((label for label, side in SIDES.items() if side == nodule.side), UNKNOWN_SIDE)
    return sct(*LUNG_CODES[label])


def sct(value: str, meaning: str) -> Any:
    """A code of SNOMED CT."""
    from pydicom.sr.coding import Code

    return Code(value, "SCT", meaning)


def _own(value: str, meaning: str) -> Any:
    from pydicom.sr.coding import Code

    return Code(value[:16], _OWN, meaning[:64])
