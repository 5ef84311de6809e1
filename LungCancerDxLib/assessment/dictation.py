"""A case as a radiologist dictates it: a sentence on each nodule, and the suggested category."""

from __future__ import annotations

from collections.abc import Iterable

from ..case import CaseResult, Nodule
from ..names import OUTCOME_REMARKS, RESEARCH_USE_ONLY
from .assess import DECIDES, NoduleAssessment, assess, category_text, may_be_0
from .lung_rads import NAME
from .possible import AT_PLEURA_MM
from .reported import as_reported


def dictated(result: CaseResult) -> str:
    """The nodules that count or that the user set, each in a sentence, and what the measurements suggest.

    Raises
    ------
    UsageError
        Where what is known of the patient is damaged.
    """
    result = as_reported(result)
    assessment = assess(result)
    shown = [nodule for nodule in result.nodules if nodule.is_reported]
    lines = [_sentence(nodule, assessment.of(nodule.rank), result) for nodule in shown]
    if not shown:
        lines.append("No nodule was found that counts.")
    if assessment.lung_rads:
        lines.append(f"{NAME}, suggested for a screening CT: category {assessment.scan_category}.")
        lines += [may_be_0(result)] if result.unreliable else []
    unreliable = result.warnings[:1] if result.unreliable else ()
    overruling = [f"{result.overruling}."] if result.overruling else []
    notices = [DECIDES, OUTCOME_REMARKS[result.model["outcome"]], RESEARCH_USE_ONLY]
    return "\n".join([*unreliable, *lines, *overruling, *notices]) + "\n"


def _sentence(nodule: Nodule, found: NoduleAssessment | None, result: CaseResult) -> str:
    about = ", ".join(_parts(nodule))
    name = result.short_nodule_score_name
    score = "" if nodule.malignancy is None else f" The model's {name}: {nodule.malignancy:.2f}."
    risks = "" if found is None or found.brock.high is None else f" {found.brock.name}: {found.brock.full_text}."
    category = "" if found is None or not found.lung_rads else f" Lung-RADS {category_text(found.lung_rads)}."
    return f"Nodule {nodule.rank}: {about}.{category}{risks}{score}"


def _parts(nodule: Nodule) -> Iterable[str]:
    yield from filter(None, [nodule.lung, f"{nodule.third} third" if nodule.third else "", nodule.type])
    if nodule.volume_mm3 is None:
        yield "not outlined" if nodule.diameter_mm is None else f"about {nodule.diameter_mm:.0f} mm, not outlined"
        return
    longest = nodule.longest_axial_diameter_mm
    yield f"{nodule.diameter_mm:.1f} mm" + ("" if longest is None else f" (longest axial diameter {longest:.1f} mm)")
    yield f"{nodule.volume_mm3:.0f} mm³"
    if nodule.distance_to_pleura_mm is not None:
        is_near = nodule.distance_to_pleura_mm < AT_PLEURA_MM
        yield "at the lung's edge" if is_near else f"{nodule.distance_to_pleura_mm:.0f} mm from the pleura"
