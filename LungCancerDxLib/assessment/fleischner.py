"""Fleischner Society 2017: what is recommended for nodules found incidentally in adults.

MacMahon et al., Guidelines for management of incidental pulmonary nodules detected on CT images: from the Fleischner
Society 2017, Radiology 2017;284:228-43, Table 1 (A solid, B subsolid nodules). Diameters are rounded to whole mm; a
measured volume goes before them (100 and 250 mm³).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..names import CALCIFIED, GROUND_GLASS, PART_SOLID, SOLID

NAME = "Fleischner 2017"
_YOUNGEST = 35.0

_NO_FOLLOW_UP = "no routine follow-up"
_SMALL = {False: _NO_FOLLOW_UP, True: "optional CT at 12 months"}
_SINGLE = {
    False: "CT at 6-12 months, then consider CT at 18-24 months",
    True: "CT at 6-12 months, then at 18-24 months",
}
_GUIDE = "; the most suspicious nodule guides management"
_MULTIPLE = {
    False: f"CT at 3-6 months, then consider CT at 18-24 months{_GUIDE}",
    True: f"CT at 3-6 months, then at 18-24 months{_GUIDE}",
}
"""By whether the risk is high."""

_LARGE_SINGLE = "consider CT at 3 months, PET/CT, or tissue sampling"
_GROUND_GLASS = "CT at 6-12 months to confirm persistence, then CT every 2 years until 5 years"
_PART_SOLID = (
    "CT at 3-6 months to confirm persistence; if unchanged and the solid part remains below 6 mm, annual CT for 5 years"
)
_HIGHLY_SUSPICIOUS = "; persistent part-solid nodules with a solid part of 6 mm or more are highly suspicious"
_WORDS = {GROUND_GLASS: "ground glass", PART_SOLID: "part-solid"}
_SUBSOLID_SMALL = "CT at 3-6 months; if stable, consider CT at 2 and 4 years"
_SUBSOLID_LARGE = "CT at 3-6 months, then by the most suspicious nodule"


@dataclass(frozen=True)
class Recommendation:
    """What the table recommends, and the row that says so."""

    text: str
    rule: str


def recommendation(
    nodule_type: str,
    diameter_mm: float,
    *,
    multiple: bool,
    high_risk: bool,
    volume_mm3: float | None = None,
    solid_mm: float | None = None,
) -> Recommendation:
    """What is recommended for a nodule.

    Parameters
    ----------
    nodule_type
        "solid", "part-solid", "ground-glass" or "calcified" (benign calcification).
    diameter_mm
        Mean diameter.
    multiple
        Whether there are more nodules.
    high_risk
        Of the patient; it matters for solid nodules only.
    volume_mm3
        Where it is measured.
    solid_mm
        Mean diameter of the solid part, where it is known.
    """
    if nodule_type == CALCIFIED:
        return Recommendation(_NO_FOLLOW_UP, "Nodule with benign calcification")
    if volume_mm3 is None:
        whole_mm = _to_whole(diameter_mm)
        small, large = whole_mm < 6, whole_mm > 8
        sizes = ("less than 6 mm", "6 to 8 mm", "more than 8 mm", "6 mm or more")
    else:
        small, large = volume_mm3 < 100, volume_mm3 > 250
        sizes = ("less than 100 mm³", "100 to 250 mm³", "more than 250 mm³", "100 mm³ or more")
    number = "Multiple" if multiple else "Single"
    if nodule_type == SOLID:
        size = sizes[0] if small else sizes[2] if large else sizes[1]
        rule = f"{number} solid, {size}"
        if large and not multiple:
            return Recommendation(_LARGE_SINGLE, rule)
        by_risk = _SMALL if small else _MULTIPLE if multiple else _SINGLE
        return Recommendation(by_risk[high_risk], f"{rule}, {'high' if high_risk else 'low'} risk")
    size = sizes[0] if small else sizes[3]
    if multiple:
        return Recommendation(_SUBSOLID_SMALL if small else _SUBSOLID_LARGE, f"Multiple subsolid, {size}")
    text = _NO_FOLLOW_UP if small else {GROUND_GLASS: _GROUND_GLASS, PART_SOLID: _PART_SOLID}[nodule_type]
    if nodule_type == PART_SOLID and not small and _to_whole(solid_mm or 0.0) >= 6:
        text += _HIGHLY_SUSPICIOUS
    return Recommendation(text, f"Single {_WORDS[nodule_type]}, {size}")


def _to_whole(diameter_mm: float) -> int:
    """In mm, halves up."""
    return math.floor(diameter_mm + 0.5)


def why_not(age_years: float | None, known_cancer: bool | None, immunosuppressed: bool | None) -> str:
    """Why the recommendations do not hold for a patient; empty where nothing known speaks against them."""
    if age_years is not None and age_years < _YOUNGEST:
        return f"They do not hold below {_YOUNGEST:.0f} years."
    if known_cancer:
        return "They do not hold for patients with a known cancer."
    if immunosuppressed:
        return "They do not hold for immunosuppressed patients."
    return ""
