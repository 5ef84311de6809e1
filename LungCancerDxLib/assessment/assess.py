"""A case with its patient to risks, categories and recommendations: published rules on what is measured and given.

Assessed are the nodules that count in the case's score or that the user set, as far as they were outlined: without an
outline there is neither size nor type. What a rule needs and nobody knows is gone through, and all outcomes are given.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any

from ..case import CaseResult, Nodule
from ..errors import UsageError
from ..names import EMPHYSEMA_SHARE, PART_SOLID, SOLID
from . import fleischner, lung_rads, possible
from .brock import Risk, brock_risk, mayo_risk
from .fleischner import Recommendation
from .lung_rads import Category
from .patient import GROWING, INCIDENTAL, JUXTAPLEURAL, SCREENING, SLOWLY, NoduleFacts, Patient
from .reported import nodule_around, with_lent_outlines

DECIDES = "Suggested by measurements; a radiologist decides."
_EMPHYSEMA_FROM = 0.05  # the usual bound of quantitative CT; traces that are seen lie below it
_SOLID_STEPS_MM = (0.0, 4.0, 6.0, 8.0)  # sizes of a solid part at which categories change
_HIGHEST = ("4B", "4X")  # which ask for the same


@dataclass(frozen=True)
class NoduleAssessment:
    """A nodule by the published rules.

    Parameters
    ----------
    lung_rads
        All categories that what is unknown allows, the least serious first; empty where none is given.
    fleischner
        All recommendations that it allows; empty where none is given.
    remarks
        What is not known or not covered.
    """

    rank: int
    brock: Risk
    mayo: Risk | None
    lung_rads: tuple[Category, ...]
    fleischner: tuple[Recommendation, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Assessment:
    """A case by the published rules.

    Parameters
    ----------
    lung_rads
        Categories of the scan by the nodules that have one, the least serious first; empty where it is no screening
        scan, and where no nodule has one.
    nodules
        Those that were assessed.
    not_assessed
        Ranks of those that count or that the user set, that were not outlined and lie in no other one.
    emphysema
        What the Brock model was told; None: not known.
    emphysema_share
        Of the lungs' voxels below -950 HU, smoothed; None where it was not measured.
    remarks
        For the reader of all this.
    """

    lung_rads: tuple[Category, ...]
    nodules: tuple[NoduleAssessment, ...]
    not_assessed: tuple[int, ...]
    emphysema: bool | None
    emphysema_share: float | None
    remarks: tuple[str, ...]

    @property
    def scan_category(self) -> str:
        """The scan's category for people: "4A", "3 to 4B", "at least 3" where a nodule has none, or a dash."""
        return f"at least {self.lung_rads[0].name}" if self.is_open else category_text(self.lung_rads)

    @property
    def is_open(self) -> bool:
        """Whether the scan's category may be higher than all of `lung_rads`, as some nodule has none."""
        others = bool(self.not_assessed) or any(not nodule.lung_rads for nodule in self.nodules)
        return bool(self.lung_rads) and others and self.lung_rads[0].name not in _HIGHEST

    def of(self, rank: int) -> NoduleAssessment | None:
        """A nodule's; None where it was not assessed."""
        return next((nodule for nodule in self.nodules if nodule.rank == rank), None)


def category_text(categories: tuple[Category, ...]) -> str:
    """For people: "4A", "3 to 4B", or a dash."""
    names = [category.name for category in categories]
    return "-" if not names else names[0] if names[0] == names[-1] else f"{names[0]} to {names[-1]}"


def assessed(result: CaseResult, patient: Patient) -> CaseResult:
    """The case with what is known of its patient and what follows from it.

    Raises
    ------
    UsageError
        Where something is known of a nodule that the case does not have.
    """
    ranks = [nodule.rank for nodule in result.nodules]
    if missing := sorted(set(patient.nodules) - set(ranks)):
        there = f"those of {', '.join(map(str, ranks))}" if ranks else "none"
        raise UsageError(
            f"The patient's facts name nodules of rank {', '.join(map(str, missing))}; the case has {there}. Name "
            "nodules by their rank in its table."
        )
    return replace(result, patient=patient.to_table(), assessment=to_table(assess(result, patient)))


def to_table(assessment: Assessment) -> dict[str, Any]:
    """As it stands in `case.json`."""
    return asdict(assessment)


def assess(result: CaseResult, patient: Patient | None = None) -> Assessment:
    """Apply the rules.

    Parameters
    ----------
    patient
        By default the one that the case was scored with.

    Raises
    ------
    UsageError
        Where that one is damaged.
    """
    patient = Patient.from_table(result.patient) if patient is None else patient
    candidates = [nodule for nodule in with_lent_outlines(result).nodules if nodule.is_reported]
    measured = [nodule for nodule in candidates if nodule.volume_mm3 is not None]
    others = [nodule for nodule in candidates if nodule.volume_mm3 is None]
    same = {nodule.rank: around.rank for nodule in others if (around := nodule_around(nodule, measured))}
    lent = {nodule.rank for nodule in measured} - {n.rank for n in result.nodules if n.volume_mm3 is not None}
    share = result.lungs.get(EMPHYSEMA_SHARE)
    emphysema = _emphysema(patient, share)
    counts = (patient.nodule_count,) * 2 if patient.nodule_count else (1, max(len(candidates) - len(same), 1))
    nodules = tuple(_assess_nodule(nodule, patient, emphysema, counts) for nodule in measured)
    not_assessed = tuple(nodule.rank for nodule in others if nodule.rank not in same)
    return Assessment(
        lung_rads=_scan_categories(nodules) if patient.setting != INCIDENTAL else (),
        nodules=nodules,
        not_assessed=not_assessed,
        emphysema=emphysema,
        emphysema_share=share,
        remarks=(
            *_remarks(result, patient, bool(candidates), not_assessed),
            *(
                _taken_for_parts(around, [rank for rank in same if same[rank] == around])
                for around in sorted({*same.values()})
            ),
            *(f"Nodule {rank} lies in another, which does not count, and has its outline." for rank in sorted(lent)),
        ),
    )


def _taken_for_parts(around: int, ranks: list[int]) -> str:
    which = ", ".join(map(str, ranks))
    if len(ranks) == 1:
        return f"Nodule {which} lies in nodule {around} and is taken for a part of it."
    return f"Nodules {which} lie in nodule {around} and are taken for parts of it."


def _emphysema(patient: Patient, share: float | None) -> bool | None:
    """What the user saw, else what is measured; less than the bound says nothing, as traces are seen by eye."""
    return True if _is_emphysema_measured(patient, share) else patient.emphysema


def _is_emphysema_measured(patient: Patient, share: float | None) -> bool:
    return patient.emphysema is None and share is not None and share >= _EMPHYSEMA_FROM


def _assess_nodule(
    nodule: Nodule, patient: Patient, emphysema: bool | None, counts: tuple[int, int]
) -> NoduleAssessment:
    facts = patient.facts(nodule.rank)
    told = possible.told_type(nodule, facts)
    corrected = (f"Taken as {told}, as told; {nodule.type} was measured.",) if told else ()
    nodule = replace(nodule, type=told or nodule.type)
    longest_mm = nodule.longest_axial_diameter_mm or nodule.diameter_mm
    brock = brock_risk(
        age_years=patient.age_years,
        sex=patient.sex,
        family_history=patient.family_history,
        emphysema=emphysema,
        size_mm=longest_mm,
        nodule_type=nodule.type,
        upper_lobe=facts.upper_lobe,
        nodule_counts=counts,
        spiculated=facts.spiculated,
    )
    mayo = mayo_risk(
        age_years=patient.age_years,
        smoker=patient.smoker,
        earlier_cancer=patient.earlier_cancer,
        diameter_mm=longest_mm,
        nodule_type=nodule.type,
        spiculated=facts.spiculated,
        upper_lobe=facts.upper_lobe,
    )
    mayo = mayo if patient.known_cancer is not True else None
    if nodule.type is None or nodule.diameter_mm is None:
        return NoduleAssessment(nodule.rank, brock, mayo, (), (), ("Its type is not measured.",))
    categories, remarks = _lung_rads(nodule, facts, patient)
    recommendations = _fleischner(nodule, facts, patient, counts)
    return NoduleAssessment(
        nodule.rank,
        brock,
        mayo,
        categories if patient.setting != INCIDENTAL else (),
        recommendations if patient.setting != SCREENING else (),
        (*corrected, *remarks),
    )


def _lung_rads(nodule: Nodule, facts: NoduleFacts, patient: Patient) -> tuple[tuple[Category, ...], tuple[str, ...]]:
    """All categories that are possible, the least serious first, and remarks."""
    assert nodule.type is not None
    assert nodule.diameter_mm is not None
    remarks = []
    statuses = possible.statuses(nodule, facts, patient.months_since_prior)
    if facts.status is None and patient.months_since_prior is not None and facts.prior_diameter_mm is None:
        remarks.append("Its earlier size is not known; read as at baseline.")
    if facts.status is None and patient.months_since_prior is None and facts.prior_diameter_mm:
        remarks.append("How long ago it had its earlier size is not known (months_since_prior); read as at baseline.")
    solid_mm: tuple[float | None, ...] = (possible.solid_mm(nodule, facts),)
    if nodule.type == PART_SOLID and solid_mm == (None,):
        solid_mm = tuple(step for step in _SOLID_STEPS_MM if step <= nodule.diameter_mm)
    places: tuple[str | None, ...] = (facts.place,)
    kinds = possible.kinds(nodule, facts)
    suspicious = bool(facts.spiculated or facts.suspicious)
    if facts.place is None and SOLID in kinds and possible.is_at_pleura(nodule) and not suspicious:
        places = (None, JUXTAPLEURAL)
    found = [
        lung_rads.nodule_category(
            kind,
            nodule.diameter_mm,
            solid_mm=solid,
            status=status,
            prior_diameter_mm=facts.prior_diameter_mm,
            prior_solid_mm=facts.prior_solid_component_mm,
            months_since_prior=patient.months_since_prior,
            place=place,
            suspicious=suspicious,
        )
        for kind, solid, place, status in product(kinds, solid_mm, places, statuses)
    ]
    # One rule for each category, the first: for a solid part that is not known several lead to the same.
    by_name = {category.name: category for category in reversed(found) if category is not None}
    is_range = len(by_name) > 1
    if is_range and len(solid_mm) > 1:
        remarks.append("The size of its solid part is not known.")
    if is_range and GROWING in statuses[1:]:
        remarks.append("Whether its solid part has grown is not known (prior_solid_component_mm).")
    if SLOWLY in statuses[1:]:
        remarks.append(
            "It has grown, but not within 12 months; slowly growing is what did over several scans (status)."
        )
    if is_range and len(places) > 1:
        remarks.append(
            "It lies at the lung's edge: juxtapleural and smooth, oval, lentiform or triangular: category 2."
        )
    if len(kinds) > 1:
        remarks.append(
            "Calcified in its middle: category 1 and no follow-up hold for benign patterns only (complete, central, "
            "popcorn, concentric rings); the pattern is not measured."
        )
    has_grown_within = possible.has_solid_part_grown(nodule, facts, patient.months_since_prior)
    if nodule.type == PART_SOLID and statuses[0] in lung_rads.CHANGED and not has_grown_within:
        remarks.append("Growth is that of the whole nodule; its solid part is not known to have grown.")
    if None in found:
        remarks.append("Lung-RADS has no row for it.")
    return tuple(sorted(by_name.values(), key=_severity)), tuple(remarks)


def _fleischner(
    nodule: Nodule, facts: NoduleFacts, patient: Patient, counts: tuple[int, int]
) -> tuple[Recommendation, ...]:
    """All recommendations that are possible."""
    assert nodule.diameter_mm is not None
    if fleischner.why_not(patient.age_years, patient.known_cancer, patient.immunosuppressed):
        return ()
    found = [
        fleischner.recommendation(
            kind,
            nodule.diameter_mm,
            multiple=multiple,
            high_risk=high_risk,
            volume_mm3=nodule.volume_mm3,
            solid_mm=possible.solid_mm(nodule, facts),
        )
        for kind, multiple, high_risk in product(
            possible.kinds(nodule, facts),
            sorted({count > 1 for count in counts}),
            (False, True) if patient.high_risk is None else (patient.high_risk,),
        )
    ]
    return tuple(dict.fromkeys(found))


def _scan_categories(nodules: tuple[NoduleAssessment, ...]) -> tuple[Category, ...]:
    """The highest of the least and the highest of the most that each nodule may be; none where none has a category.

    That nothing was found does not make a category 1: a detector misses nodules.
    """
    if not any(nodule.lung_rads for nodule in nodules):
        return ()
    low = lung_rads.scan_category([nodule.lung_rads[0] for nodule in nodules if nodule.lung_rads])
    high = lung_rads.scan_category([nodule.lung_rads[-1] for nodule in nodules if nodule.lung_rads])
    return (low,) if low == high else (low, high)


def _severity(category: Category) -> int:
    return lung_rads.CATEGORIES.index(category.name)


def may_be_0(result: CaseResult) -> str:
    """What is to be said of an unreliable scan's category."""
    return f"Lung-RADS may be 0, as the scan cannot be evaluated in full: {'; '.join(result.unreliable)}."


def _remarks(result: CaseResult, patient: Patient, are_found: bool, not_assessed: tuple[int, ...]) -> Iterable[str]:
    yield DECIDES
    if not are_found and patient.setting != INCIDENTAL:
        yield "No Lung-RADS category: no nodule that counts is listed, which does not show that there is none."
    if patient.setting is None:
        yield "Lung-RADS holds for screening scans, Fleischner for nodules found by chance; the setting is not given."
    if patient.setting != SCREENING and (
        reason := fleischner.why_not(patient.age_years, patient.known_cancer, patient.immunosuppressed)
    ):
        yield f"No Fleischner recommendations: {reason[0].lower()}{reason[1:]}"
    share = result.lungs.get(EMPHYSEMA_SHARE)
    if _is_emphysema_measured(patient, share):
        yield f"Emphysema is taken as present: {100 * (share or 0):.0f} % of the lungs lie below -950 HU, smoothed."
    if result.unreliable and patient.setting != INCIDENTAL:
        yield may_be_0(result)
    if not_assessed:
        which = ", ".join(map(str, not_assessed))
        yield f"Not outlined and therefore not assessed: nodule{'s' * (len(not_assessed) > 1)} {which}."
    yield "Not assessed: cysts, lymph nodes, airways and anything else but the nodules that are listed."
