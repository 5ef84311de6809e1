"""Lung-RADS v2022 (American College of Radiology): the category of a nodule of a screening CT, and its rule.

The tables below are those of the published summary (Lung-RADS 2022 Assessment Categories; Christensen et al., ACR
Lung-RADS v2022, Chest 2024;165:738-53), a row each, the most serious first. Sizes are mean diameters in mm to one
decimal; the guideline's volumes (113, 268, 1767 mm³, ...) are those of balls of these diameters, so that a measured
volume enters as the diameter of its ball. Atypical pulmonary cysts are not measured and not assessed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..names import CALCIFIED, GROUND_GLASS, PART_SOLID, SOLID
from .patient import AIRWAY_SEGMENTAL, AIRWAY_SUBSEGMENTAL, BASELINE, GROWING, JUXTAPLEURAL, NEW, SLOWLY, STABLE

NAME = "Lung-RADS v2022"
CATEGORIES = ("0", "1", "2", "3", "4A", "4B", "4X")
_PET_CT = "PET/CT may be considered if there is a solid nodule or solid part of 8 mm or more"
_SUSPICIOUS = f"diagnostic chest CT; {_PET_CT}; tissue sampling; and/or referral for further clinical evaluation"
MANAGEMENT = {
    "0": "comparison with an earlier CT, or another CT",
    "1": "screening CT in 12 months",
    "2": "screening CT in 12 months",
    "3": "low-dose CT in 6 months",
    "4A": f"low-dose CT in 3 months; {_PET_CT}",
    "4B": _SUSPICIOUS,
    "4X": _SUSPICIOUS,
}
"""What the guideline recommends for a category, in short."""

GROWTH_MM, GROWTH_MONTHS = 1.5, 12.0
_STEP_MONTHS = {"3": 6.0, "4A": 3.0}  # after which a stable nodule moves one category down
_EARLY_MONTHS = 0.5  # that a follow-up may come early
_LARGER = "larger than before by more than 1.5 mm"

CHANGED = (NEW, GROWING)
_SEEN = (BASELINE, STABLE)  # what is stable is read by its size, then moved down
_ANY = (0.0, math.inf)


@dataclass(frozen=True)
class Category:
    """A category and its rule in words."""

    name: str
    rule: str


@dataclass(frozen=True)
class _Row:
    """A row: mean diameters of the whole nodule and of its solid part, from (included) and to (excluded) in mm."""

    category: str
    type: str
    statuses: tuple[str, ...]
    total_mm: tuple[float, float]
    solid_mm: tuple[float, float]
    rule: str


_ROWS = (
    _Row("4B", SOLID, _SEEN, (15, math.inf), _ANY, "Solid nodule of 15 mm or more at baseline"),
    _Row("4A", SOLID, _SEEN, (8, 15), _ANY, "Solid nodule of 8 to less than 15 mm at baseline"),
    _Row("3", SOLID, _SEEN, (6, 8), _ANY, "Solid nodule of 6 to less than 8 mm at baseline"),
    _Row("2", SOLID, _SEEN, (0, 6), _ANY, "Solid nodule of less than 6 mm at baseline"),
    _Row("4B", SOLID, (NEW,), (8, math.inf), _ANY, "New solid nodule of 8 mm or more"),
    _Row("4A", SOLID, (NEW,), (6, 8), _ANY, "New solid nodule of 6 to less than 8 mm"),
    _Row("3", SOLID, (NEW,), (4, 6), _ANY, "New solid nodule of 4 to less than 6 mm"),
    _Row("2", SOLID, (NEW,), (0, 4), _ANY, "New solid nodule of less than 4 mm"),
    _Row("4B", SOLID, (GROWING,), (8, math.inf), _ANY, "Growing solid nodule of 8 mm or more"),
    _Row("4A", SOLID, (GROWING,), (0, 8), _ANY, "Growing solid nodule of less than 8 mm"),
    _Row("4B", SOLID, (SLOWLY,), _ANY, _ANY, "Solid nodule that grows slowly over several screening scans"),
    _Row("4B", PART_SOLID, _SEEN, (6, math.inf), (8, math.inf), "Solid part of 8 mm or more at baseline"),
    _Row("4A", PART_SOLID, _SEEN, (6, math.inf), (6, 8), "Part-solid, 6 mm or more, solid part 6 to less than 8 mm"),
    _Row("3", PART_SOLID, _SEEN, (6, math.inf), (0, 6), "Part-solid, 6 mm or more, solid part less than 6 mm"),
    _Row("2", PART_SOLID, _SEEN, (0, 6), _ANY, "Part-solid nodule of less than 6 mm in total at baseline"),
    _Row("4B", PART_SOLID, (NEW, GROWING), _ANY, (4, math.inf), "New or growing solid part of 4 mm or more"),
    _Row("3", PART_SOLID, (NEW,), (0, 6), (0, 4), "New part-solid nodule of less than 6 mm in total"),
    _Row("4A", PART_SOLID, (NEW, GROWING), _ANY, (0, 4), "New or growing solid part of less than 4 mm"),
    _Row("4B", PART_SOLID, (SLOWLY,), _ANY, _ANY, "Part-solid nodule that grows slowly over several screening scans"),
    _Row("3", GROUND_GLASS, (BASELINE, NEW), (30, math.inf), _ANY, "Ground glass of 30 mm or more, baseline or new"),
    _Row("3", GROUND_GLASS, (GROWING,), (30, math.inf), _ANY, "Ground glass that has grown to 30 mm or more"),
    _Row("2", GROUND_GLASS, (STABLE, SLOWLY), (30, math.inf), _ANY, "Ground glass of 30 mm or more, stable or slow"),
    _Row("2", GROUND_GLASS, (BASELINE, NEW, STABLE, GROWING, SLOWLY), (0, 30), _ANY, "Ground glass below 30 mm"),
)
_AIRWAY = {
    (AIRWAY_SEGMENTAL, BASELINE): ("4A", "Airway nodule, segmental or more proximal, at baseline"),
    (AIRWAY_SEGMENTAL, NEW): ("4A", "New airway nodule, segmental or more proximal"),
    (AIRWAY_SEGMENTAL, STABLE): ("4B", "Airway nodule, segmental or more proximal, that persists"),
    (AIRWAY_SEGMENTAL, GROWING): ("4B", "Airway nodule, segmental or more proximal, that grows"),
    (AIRWAY_SEGMENTAL, SLOWLY): ("4B", "Airway nodule, segmental or more proximal, that grows"),
    (AIRWAY_SUBSEGMENTAL, BASELINE): ("2", "Airway nodule, subsegmental, at baseline"),
    (AIRWAY_SUBSEGMENTAL, NEW): ("2", "New airway nodule, subsegmental"),
    (AIRWAY_SUBSEGMENTAL, STABLE): ("2", "Airway nodule, subsegmental, stable"),
}
_JUXTAPLEURAL_BELOW_MM = 10.0


def status_of(diameter_mm: float, prior_diameter_mm: float | None, months: float | None) -> str:
    """What a nodule is against an earlier scan: growth is more than 1.5 mm of mean diameter within 12 months.

    Parameters
    ----------
    prior_diameter_mm
        0 where the nodule was not there; None where it is not known.
    months
        Since then; None where it is not known or there is no earlier scan.
    """
    if prior_diameter_mm == 0:
        return NEW
    if months is None or prior_diameter_mm is None:
        return BASELINE
    growth_mm = round(diameter_mm - prior_diameter_mm, 1)
    return GROWING if growth_mm * min(1.0, GROWTH_MONTHS / max(months, 1e-6)) > GROWTH_MM else STABLE


def is_larger(diameter_mm: float | None, prior_diameter_mm: float | None) -> bool:
    """Whether it is known to have grown by more than 1.5 mm, in however long a time: it is not stable, then."""
    if diameter_mm is None or prior_diameter_mm is None:
        return False
    return round(diameter_mm - prior_diameter_mm, 1) > GROWTH_MM


def nodule_category(
    nodule_type: str,
    diameter_mm: float,
    *,
    solid_mm: float | None = None,
    status: str = BASELINE,
    prior_diameter_mm: float | None = None,
    prior_solid_mm: float | None = None,
    months_since_prior: float | None = None,
    place: str | None = None,
    suspicious: bool = False,
) -> Category | None:
    """The category of a nodule; None where the guideline has no row for it.

    Parameters
    ----------
    nodule_type
        "solid", "part-solid", "ground-glass" or "calcified" (benign calcification).
    solid_mm
        Mean diameter of the solid part, for part-solid nodules.
    status
        One of `patient.STATUSES`.
    prior_diameter_mm, prior_solid_mm, months_since_prior
        For stable nodules, which move one category down with time: not where they crossed a size, up or down, and not
        where they have grown by more than 1.5 mm, if slowly.
    place
        As in `patient.NoduleFacts`.
    suspicious
        Spiculation or something else that adds suspicion.

    Raises
    ------
    ValueError
        For a part-solid nodule of 6 mm or more, or a new or growing one, without the size of its solid part.
    """
    if nodule_type == CALCIFIED:
        return Category("1", "Nodule with benign calcification")
    diameter_mm = _to_decimal(diameter_mm)
    if place in (AIRWAY_SEGMENTAL, AIRWAY_SUBSEGMENTAL):
        found = _AIRWAY.get((place, status))
        return _with_suspicion(Category(*found), suspicious) if found else None
    may_be_benign = place == JUXTAPLEURAL and nodule_type == SOLID and diameter_mm < _JUXTAPLEURAL_BELOW_MM
    if may_be_benign and not suspicious and status in (BASELINE, NEW, STABLE):
        return Category("2", "Juxtapleural solid nodule of less than 10 mm, smooth, oval, lentiform or triangular")
    needs_solid = nodule_type == PART_SOLID and not (status in _SEEN and diameter_mm < 6) and status != SLOWLY
    if needs_solid and solid_mm is None:
        raise ValueError("the category of a part-solid nodule depends on the size of its solid part")
    solid_mm = 0.0 if solid_mm is None else _to_decimal(solid_mm)
    category = _by_size(nodule_type, diameter_mm, solid_mm, status)
    if status == STABLE and nodule_type != GROUND_GLASS:
        before_mm = diameter_mm if prior_diameter_mm is None else _to_decimal(prior_diameter_mm)
        solid_before_mm = solid_mm if prior_solid_mm is None else _to_decimal(prior_solid_mm)
        has_crossed = _by_size(nodule_type, before_mm, solid_before_mm, STABLE).name != category.name
        has_grown = is_larger(diameter_mm, before_mm) or is_larger(solid_mm, solid_before_mm)
        category = _stepped(category, None if has_crossed or has_grown else months_since_prior, has_grown)
    return _with_suspicion(category, suspicious)


def _by_size(nodule_type: str, diameter_mm: float, solid_mm: float, status: str) -> Category:
    """The first row of the tables that fits."""
    for row in _ROWS:
        is_kind = row.type == nodule_type and status in row.statuses
        if is_kind and _within(diameter_mm, row.total_mm) and _within(solid_mm, row.solid_mm):
            return Category(row.category, row.rule)
    raise ValueError(f"no rule for a {nodule_type} nodule that is {status}")


def _stepped(category: Category, months: float | None, has_grown: bool) -> Category:
    """One category down where a nodule of category 3 or 4A has been stable for 6 or 3 months."""
    size = category.rule.removesuffix(" at baseline")
    after = _STEP_MONTHS.get(category.name)
    if after is None or months is None or months < after - _EARLY_MONTHS:
        return Category(category.name, f"{size}, {_LARGER if has_grown else 'stable'}")
    lower = CATEGORIES[CATEGORIES.index(category.name) - 1]
    return Category(lower, f"{size}: category {category.name}, stable or smaller after {after:.0f} months or more")


def _with_suspicion(category: Category, suspicious: bool) -> Category:
    if suspicious and category.name in ("3", "4A", "4B"):
        return Category("4X", f"{category.rule} (category {category.name}), with features that increase suspicion")
    return category


def scan_category(categories: list[Category]) -> Category:
    """The category of a scan: that of its highest nodule, of one or more."""
    return max(categories, key=lambda category: CATEGORIES.index(category.name))


def _to_decimal(diameter_mm: float) -> float:
    """To one decimal, halves up."""
    return math.floor(diameter_mm * 10 + 0.5) / 10


def _within(value: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= value < bounds[1]
