"""What a nodule may be for the guidelines, from what is measured and what the user says of it."""

from __future__ import annotations

from ..case import Nodule
from ..names import CALCIFIED, GROUND_GLASS, PART_SOLID, SOLID
from . import lung_rads
from .patient import GROWING, SLOWLY, STABLE, NoduleFacts

AT_PLEURA_MM = 1.0  # the accuracy of distances to the pleura


def told_type(nodule: Nodule, facts: NoduleFacts) -> str | None:
    """The type that follows from what the user says of solid part and calcification; None where it is the measured."""
    told = None
    if facts.benign_calcification:
        told = CALCIFIED
    elif facts.solid_component_mm is not None and nodule.type in (GROUND_GLASS, PART_SOLID, SOLID):
        told = PART_SOLID if facts.solid_component_mm > 0 else GROUND_GLASS
    return told if told != nodule.type else None


def statuses(nodule: Nodule, facts: NoduleFacts, months: float | None) -> tuple[str, ...]:
    """What a nodule may be against the earlier scan.

    What has grown by more than 1.5 mm, but not within 12 months, may be a slowly growing one. A part-solid one that has
    not grown as a whole may have in its solid part, which is what counts there.
    """
    assert nodule.diameter_mm is not None
    if facts.status is not None:
        return (facts.status,)
    status = lung_rads.status_of(nodule.diameter_mm, facts.prior_diameter_mm, months)
    is_part_solid = nodule.type == PART_SOLID
    if is_part_solid and status not in lung_rads.CHANGED and has_solid_part_grown(nodule, facts, months):
        return (GROWING,)
    if status != STABLE:
        return (status,)
    now_mm, before_mm = solid_mm(nodule, facts), facts.prior_solid_component_mm
    is_larger = lung_rads.is_larger(nodule.diameter_mm, facts.prior_diameter_mm) or (
        is_part_solid and lung_rads.is_larger(now_mm, before_mm)
    )
    is_open = is_part_solid and (now_mm is None or before_mm is None)
    return (STABLE, *([SLOWLY] if is_larger else []), *([GROWING] if is_open else []))


def has_solid_part_grown(nodule: Nodule, facts: NoduleFacts, months: float | None) -> bool:
    """Whether the solid part is known to be new or to have grown since the earlier scan."""
    now_mm = solid_mm(nodule, facts)
    if now_mm is None or facts.prior_solid_component_mm is None:
        return False
    return lung_rads.status_of(now_mm, facts.prior_solid_component_mm, months) in lung_rads.CHANGED


def kinds(nodule: Nodule, facts: NoduleFacts) -> tuple[str, ...]:
    """What a nodule may be for the guidelines: calcified ones without a benign pattern are solid ones."""
    assert nodule.type is not None
    if nodule.type != CALCIFIED or facts.benign_calcification:
        return (nodule.type,)
    return (CALCIFIED, SOLID) if facts.benign_calcification is None else (SOLID,)


def is_at_pleura(nodule: Nodule) -> bool:
    """Whether it may be juxtapleural."""
    return nodule.distance_to_pleura_mm is not None and nodule.distance_to_pleura_mm < AT_PLEURA_MM


def solid_mm(nodule: Nodule, facts: NoduleFacts) -> float | None:
    """Diameter of the solid part, the user's or the measured one."""
    return nodule.solid_component_mm if facts.solid_component_mm is None else facts.solid_component_mm
