"""Fleischner 2017: every cell of Table 1 (MacMahon et al., Radiology 2017;284:228-43), at its edges."""

import pytest

from LungCancerDxLib.assessment.fleischner import recommendation, why_not

NONE, OPTIONAL = "no routine follow-up", "optional CT at 12 months"

# (type, mm, multiple, high risk) -> how the recommendation begins
CELLS = [
    ("solid", 3.0, False, False, NONE),
    ("solid", 5.4, False, False, NONE),
    ("solid", 5.4, False, True, OPTIONAL),
    ("solid", 5.4, True, False, NONE),
    ("solid", 5.4, True, True, OPTIONAL),
    ("solid", 5.5, False, False, "CT at 6-12 months, then consider"),  # whole mm: 6
    ("solid", 6.0, False, False, "CT at 6-12 months, then consider CT at 18-24"),
    ("solid", 8.4, False, False, "CT at 6-12 months, then consider CT at 18-24"),
    ("solid", 6.0, False, True, "CT at 6-12 months, then at 18-24"),
    ("solid", 8.4, False, True, "CT at 6-12 months, then at 18-24"),
    ("solid", 8.5, False, False, "consider CT at 3 months, PET/CT, or tissue sampling"),  # halves up: 9
    ("solid", 20.0, False, True, "consider CT at 3 months, PET/CT, or tissue sampling"),
    ("solid", 6.0, True, False, "CT at 3-6 months, then consider CT at 18-24"),
    ("solid", 7.0, True, True, "CT at 3-6 months, then at 18-24"),
    ("solid", 12.0, True, False, "CT at 3-6 months, then consider CT at 18-24"),
    ("solid", 12.0, True, True, "CT at 3-6 months, then at 18-24"),
    ("ground-glass", 5.0, False, False, NONE),
    ("ground-glass", 5.0, False, True, NONE),
    ("ground-glass", 6.0, False, False, "CT at 6-12 months to confirm persistence, then CT every 2 years until 5"),
    ("ground-glass", 25.0, False, True, "CT at 6-12 months to confirm persistence, then CT every 2 years until 5"),
    ("part-solid", 5.0, False, True, NONE),
    ("part-solid", 6.0, False, False, "CT at 3-6 months to confirm persistence; if unchanged"),
    ("ground-glass", 5.0, True, False, "CT at 3-6 months; if stable, consider CT at 2 and 4 years"),
    ("part-solid", 5.0, True, True, "CT at 3-6 months; if stable, consider CT at 2 and 4 years"),
    ("ground-glass", 9.0, True, False, "CT at 3-6 months, then by the most suspicious nodule"),
    ("part-solid", 9.0, True, True, "CT at 3-6 months, then by the most suspicious nodule"),
    ("calcified", 12.0, False, True, NONE),
]


@pytest.mark.parametrize(("kind", "diameter", "multiple", "high_risk", "begins"), CELLS)
def test_every_cell_of_the_table(kind, diameter, multiple, high_risk, begins):
    found = recommendation(kind, diameter, multiple=multiple, high_risk=high_risk)
    assert found.text.startswith(begins)
    assert found.rule


@pytest.mark.parametrize(
    ("volume", "begins"),
    [
        (99.0, NONE),
        (100.0, "CT at 6-12 months, then consider"),
        (250.0, "CT at 6-12 months, then consider"),
        (251.0, "consider CT at 3 months"),
    ],
)
def test_a_measured_volume_goes_before_the_diameter(volume, begins):
    found = recommendation("solid", 7.0, multiple=False, high_risk=False, volume_mm3=volume)
    assert found.text.startswith(begins)
    assert "mm³" in found.rule


@pytest.mark.parametrize(
    ("diameter", "solid", "is_told"),
    [
        (15.0, 6.0, True),
        (12.0, 5.7, True),  # whole mm: 6
        (12.0, 5.5, True),  # halves up
        (12.0, 5.4, False),
        (15.0, None, False),
        (5.4, 5.5, False),  # less than 6 mm in total
    ],
)
def test_a_large_solid_part_is_told(diameter, solid, is_told):
    text = recommendation("part-solid", diameter, multiple=False, high_risk=False, solid_mm=solid).text
    assert ("highly suspicious" in text) == is_told


def test_whom_the_recommendations_are_not_for():
    assert "35" in why_not(34, None, None)
    assert "cancer" in why_not(50, True, None)
    assert "immuno" in why_not(50, False, True)
    assert why_not(None, None, None) == why_not(35, False, False) == ""
