"""Lung-RADS v2022: every row of the published table at its edges, growth, and the steps down."""

import pytest

from LungCancerDxLib.assessment.lung_rads import (
    CATEGORIES,
    MANAGEMENT,
    Category,
    nodule_category,
    scan_category,
    status_of,
)

# (type, mean diameter mm, solid part mm, status) -> category: the rows of the ACR's summary of 2022, at both edges.
ROWS = [
    ("solid", 3.0, None, "baseline", "2"),
    ("solid", 5.9, None, "baseline", "2"),
    ("solid", 5.94, None, "baseline", "2"),  # one decimal: 5.9
    ("solid", 5.96, None, "baseline", "3"),  # 6.0
    ("solid", 6.0, None, "baseline", "3"),
    ("solid", 7.9, None, "baseline", "3"),
    ("solid", 8.0, None, "baseline", "4A"),
    ("solid", 14.9, None, "baseline", "4A"),
    ("solid", 15.0, None, "baseline", "4B"),
    ("solid", 44.0, None, "baseline", "4B"),
    ("solid", 3.9, None, "new", "2"),
    ("solid", 4.0, None, "new", "3"),
    ("solid", 5.9, None, "new", "3"),
    ("solid", 6.0, None, "new", "4A"),
    ("solid", 7.9, None, "new", "4A"),
    ("solid", 8.0, None, "new", "4B"),
    ("solid", 15.0, None, "new", "4B"),
    ("solid", 4.0, None, "growing", "4A"),
    ("solid", 7.9, None, "growing", "4A"),
    ("solid", 8.0, None, "growing", "4B"),
    ("solid", 16.0, None, "growing", "4B"),
    ("solid", 7.0, None, "slowly-growing", "4B"),
    ("solid", 5.0, None, "slowly-growing", "4B"),
    ("part-solid", 5.9, None, "baseline", "2"),
    ("part-solid", 5.9, 3.0, "baseline", "2"),
    ("part-solid", 6.0, 5.9, "baseline", "3"),
    ("part-solid", 10.0, 3.0, "baseline", "3"),
    ("part-solid", 12.0, 6.0, "baseline", "4A"),
    ("part-solid", 12.0, 7.9, "baseline", "4A"),
    ("part-solid", 20.0, 8.0, "baseline", "4B"),
    ("part-solid", 5.0, 2.0, "new", "3"),
    ("part-solid", 5.9, 3.9, "new", "3"),
    ("part-solid", 5.9, 4.0, "new", "4B"),
    ("part-solid", 8.0, 3.0, "new", "4A"),
    ("part-solid", 10.0, 4.0, "new", "4B"),
    ("part-solid", 9.0, 3.9, "growing", "4A"),
    ("part-solid", 9.0, 4.0, "growing", "4B"),
    ("part-solid", 12.0, 6.0, "slowly-growing", "4B"),
    ("ground-glass", 5.0, None, "baseline", "2"),
    ("ground-glass", 29.9, None, "baseline", "2"),
    ("ground-glass", 30.0, None, "baseline", "3"),
    ("ground-glass", 25.0, None, "new", "2"),
    ("ground-glass", 30.0, None, "new", "3"),
    ("ground-glass", 20.0, None, "growing", "2"),
    ("ground-glass", 31.0, None, "growing", "3"),
    ("ground-glass", 35.0, None, "stable", "2"),
    ("ground-glass", 35.0, None, "slowly-growing", "2"),
    ("ground-glass", 20.0, None, "slowly-growing", "2"),
    ("calcified", 12.0, None, "baseline", "1"),
    ("calcified", 12.0, None, "new", "1"),
]

# (place, status) -> category of an airway nodule.
AIRWAY = [
    ("airway-subsegmental", "baseline", "2"),
    ("airway-subsegmental", "new", "2"),
    ("airway-subsegmental", "stable", "2"),
    ("airway-segmental", "baseline", "4A"),
    ("airway-segmental", "new", "4A"),
    ("airway-segmental", "stable", "4B"),
    ("airway-segmental", "growing", "4B"),
]

# (type, mm, solid mm, earlier mm, months) -> category of a stable nodule.
STABLE = [
    ("solid", 7.0, None, 7.0, 6, "2"),  # category 3, stable at six months
    ("solid", 7.0, None, 7.0, 5.6, "2"),  # six months are never six months to the day
    ("solid", 7.0, None, 7.0, 3, "3"),
    ("solid", 6.5, None, 7.2, 12, "2"),  # smaller
    ("solid", 9.0, None, 9.0, 3, "3"),  # category 4A, stable at three months
    ("solid", 9.0, None, 9.0, 1, "4A"),
    ("solid", 16.0, None, 16.0, 12, "4B"),
    ("solid", 5.0, None, 5.0, 12, "2"),
    ("solid", 6.4, None, 5.4, 12, "3"),  # crossed 6 mm without what counts as growth: by its size
    ("solid", 8.2, None, 7.4, 12, "4A"),
    ("solid", 14.6, None, 15.4, 3, "4A"),  # crossed 15 mm on its way down: that is its step
    ("solid", 7.8, None, 8.2, 6, "3"),
    ("solid", 14.0, None, 8.0, 60, "4A"),  # larger, if slowly: not stable
    ("solid", 7.9, None, 6.0, 24, "3"),
    ("solid", 7.6, None, 6.0, 24, "3"),
    ("solid", 7.5, None, 6.0, 24, "2"),  # by no more than 1.5 mm
    ("part-solid", 10.0, 3.0, 10.0, 6, "2"),
    ("part-solid", 12.0, 6.5, 12.0, 3, "3"),
    ("part-solid", 6.6, 3.0, 5.4, 12, "3"),  # crossed 6 mm in total
    ("part-solid", 13.0, 3.0, 11.0, 36, "3"),  # larger in total, if slowly
    ("part-solid", 20.0, 9.0, 20.0, 6, "4B"),
]


@pytest.mark.parametrize(("kind", "diameter", "solid", "status", "category"), ROWS)
def test_every_row_of_the_table(kind, diameter, solid, status, category):
    found = nodule_category(kind, diameter, solid_mm=solid, status=status)
    assert found.name == category
    assert len(found.rule) > 10


@pytest.mark.parametrize(("place", "status", "category"), AIRWAY)
def test_airway_nodules_go_by_their_place(place, status, category):
    assert nodule_category("solid", 5.0, status=status, place=place).name == category


def test_a_growing_subsegmental_nodule_has_no_row():
    assert nodule_category("solid", 5.0, status="growing", place="airway-subsegmental") is None


@pytest.mark.parametrize(("kind", "diameter", "solid", "prior", "months", "category"), STABLE)
def test_stable_nodules_step_down_with_time(kind, diameter, solid, prior, months, category):
    assert status_of(diameter, prior, months) == "stable"
    found = nodule_category(
        kind, diameter, solid_mm=solid, status="stable", prior_diameter_mm=prior, months_since_prior=months
    )
    assert found.name == category


@pytest.mark.parametrize(
    ("solid", "prior_solid", "months", "category"),
    [
        (7.8, 8.2, 3, "4A"),  # crossed 8 mm on its way down
        (5.8, 6.2, 6, "3"),
        (6.3, 5.5, 6, "4A"),  # crossed 6 mm on its way up
        (5.5, 2.0, 36, "3"),  # larger, if slowly
        (7.2, 7.4, 3, "3"),
        (3.5, 2.0, 36, "2"),  # by no more than 1.5 mm
    ],
)
def test_a_stable_part_solid_nodule_steps_down_where_its_solid_part_allows(solid, prior_solid, months, category):
    priors = {"prior_diameter_mm": 20.0, "prior_solid_mm": prior_solid, "months_since_prior": months}
    assert nodule_category("part-solid", 20.0, solid_mm=solid, status="stable", **priors).name == category


def test_the_rule_of_a_nodule_that_has_grown_slowly_does_not_call_it_stable():
    found = nodule_category("solid", 14.0, status="stable", prior_diameter_mm=8.0, months_since_prior=60)
    expected = "Solid nodule of 8 to less than 15 mm, larger than before by more than 1.5 mm"
    assert found == Category("4A", expected)


@pytest.mark.parametrize(
    ("diameter", "status", "category"),
    [
        (9.9, "baseline", "2"),
        (9.9, "new", "2"),
        (9.9, "stable", "2"),
        (10.0, "baseline", "4A"),
        (10.0, "stable", "4A"),
        (9.9, "growing", "4B"),
    ],
)
def test_juxtapleural_nodules_of_benign_shape(diameter, status, category):
    assert nodule_category("solid", diameter, status=status, place="juxtapleural").name == category


@pytest.mark.parametrize(
    ("kind", "diameter", "solid", "category"),
    [
        ("solid", 7.0, None, "4X"),
        ("solid", 9.0, None, "4X"),
        ("solid", 20.0, None, "4X"),
        ("part-solid", 12.0, 6.5, "4X"),
        ("solid", 5.0, None, "2"),  # only categories 3 and 4
        ("ground-glass", 12.0, None, "2"),
    ],
)
def test_suspicious_features_make_4x_of_3_and_4(kind, diameter, solid, category):
    assert nodule_category(kind, diameter, solid_mm=solid, suspicious=True).name == category


@pytest.mark.parametrize("status", ["baseline", "new", "stable"])
@pytest.mark.parametrize("diameter", [8.0, 9.9])
def test_a_suspicious_nodule_at_the_pleura_is_of_no_benign_shape(diameter, status):
    assert nodule_category("solid", diameter, status=status, place="juxtapleural", suspicious=True).name == "4X"


@pytest.mark.parametrize(
    ("now", "before", "months", "status"),
    [
        (7.7, 6.0, 6, "growing"),
        (7.2, 5.4, 6.6, "growing"),
        (7.6, 6.0, 12, "growing"),
        (7.5, 6.0, 12, "stable"),  # 1.5 mm are not more than 1.5 mm
        (7.4, 6.0, 6, "stable"),
        (6.0, 5.2, 6, "stable"),
        (8.0, 6.0, 24, "stable"),  # 1.0 mm in 12 months
        (10.0, 6.0, 24, "growing"),  # 2.0 mm in 12 months
        (5.0, 7.0, 6, "stable"),
        (5.0, 0.0, 12, "new"),
        (5.0, 0.0, None, "new"),
        (5.0, None, 12, "baseline"),
        (5.0, 4.0, None, "baseline"),
    ],
)
def test_growth_is_more_than_one_and_a_half_mm_in_twelve_months(now, before, months, status):
    assert status_of(now, before, months) == status


def test_a_part_solid_nodule_needs_its_solid_part():
    with pytest.raises(ValueError, match="solid part"):
        nodule_category("part-solid", 9.0)


def test_a_scan_is_as_its_highest_nodule():
    found = [Category(name, f"rule {name}") for name in ("2", "4B", "3")]
    assert scan_category(found) is found[1]
    assert set(MANAGEMENT) == set(CATEGORIES)
