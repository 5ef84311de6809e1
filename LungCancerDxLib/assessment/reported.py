"""A case as it is reported, where that is not as it was measured: by what the user told, set and ticked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..case import CaseResult, Nodule
from .patient import Patient
from .possible import told_type

_BY_OUTLINE = ("diameter_mm", "longest_axial_diameter_mm", "solid_component_mm", "volume_mm3", "mean_hu", "type")
_BY_PLACE = ("side", "third", "distance_to_pleura_mm")


def as_reported(result: CaseResult) -> CaseResult:
    """The case with the outlines of `with_lent_outlines` and the types that follow from what the user told.

    Raises
    ------
    UsageError
        Where what is known of the patient is damaged.
    """
    patient, lent = Patient.from_table(result.patient), with_lent_outlines(result)
    told = ((nodule, told_type(nodule, patient.facts(nodule.rank))) for nodule in lent.nodules)
    return replace(lent, nodules=tuple(replace(nodule, type=kind) if kind else nodule for nodule, kind in told))


def with_lent_outlines(result: CaseResult) -> CaseResult:
    """The case in which nodules that are reported have the outlines in which they lie.

    A lesion has one outline, which may be that of a nodule that is not reported: a proposal that does not count, on
    which the user has set a point. The point is what the user wants to know of, so outline and figures go to it.
    """
    nodules, labels = {nodule.rank: nodule for nodule in result.nodules}, result.nodule_labels
    outlined = [nodule for nodule in result.nodules if nodule.volume_mm3 is not None]
    outlined.sort(key=lambda nodule: not nodule.is_reported)
    for nodule in result.nodules:
        owner = nodule_around(nodule, outlined) if nodule.is_reported and nodule.volume_mm3 is None else None
        if owner is None or owner.is_reported:
            continue
        figures = {name: getattr(owner, name) for name in (*_BY_OUTLINE, *_BY_PLACE)}
        boxed: dict[str, Any] = {**dict.fromkeys(_BY_OUTLINE), "diameter_mm": owner.box_diameter_mm}
        nodules[nodule.rank], nodules[owner.rank] = replace(nodule, **figures), replace(owner, **boxed)
        outlined = [nodules[nodule.rank], *(other for other in outlined if other != owner)]
        if labels is not None:
            labels = labels.copy()
            labels[labels == owner.rank] = nodule.rank
    return replace(result, nodules=tuple(nodules.values()), nodule_labels=labels)


def nodule_around(nodule: Nodule, outlined: Sequence[Nodule]) -> Nodule | None:
    """The outlined nodule in whose sphere another one has its centre."""
    for other in outlined:
        if math.dist(nodule.center_lps_mm, other.center_lps_mm) < (other.diameter_mm or 0.0) / 2:
            return other
    return None
