"""Figures of suspicions against readers' ratings: by hand, and on scores that are made to be good or bad."""

import numpy as np
import pytest

from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.evaluation.ratings import (
    COLUMNS,
    RatedNodules,
    platt_scaling,
    rated_auc,
    ratings_report,
    read_rated_nodules,
)
from LungCancerDxLib.io.tables import write_table

AUC, DIFFERENCE = "AUC of ratings 4 and 5 against 1 and 2", "AUC minus that of the diameter"


def rated(number=300, seed=0, patients=100):
    """Nodules whose rating depends on a hidden number, which the suspicion follows and the diameter hardly does."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=number)
    rating = np.clip(np.rint(3 + 1.2 * hidden + 0.3 * rng.normal(size=number)), 1, 5)
    return RatedNodules(
        rng.integers(patients, size=number).astype(str),
        rating,
        np.exp(2.2 + 0.2 * hidden + 0.4 * rng.normal(size=number)),
        1 / (1 + np.exp(-2 * hidden)),
    )


def rows_of(nodules, samples=200):
    return {row.name: row for row in ratings_report(nodules, np.random.default_rng(0), samples).rows}


def test_auc_leaves_rating_three_out():
    assert rated_auc(np.array([0.1, 0.9, 0.2, 0.8, 0.5]), np.array([1, 5, 2, 4, 3])) == 1
    assert rated_auc(np.array([0.5, 0.5]), np.array([1, 5])) == 0.5
    assert np.isnan(rated_auc(np.array([0.5]), np.array([5])))


def test_suspicion_that_knows_more_than_the_diameter_is_told_apart_from_it():
    rows = rows_of(rated())
    assert rows[AUC].value > 0.95 > rows["AUC of the diameter alone"].value
    assert rows[DIFFERENCE].low > 0
    assert rows["rank correlation with the rating"].value > 0.9 > rows["rank correlation of the diameter"].value
    assert f"{DIFFERENCE}, 8 to 20 mm" in rows


def test_suspicion_that_is_the_diameter_differs_by_nothing():
    nodules = rated()
    same = RatedNodules(nodules.patients, nodules.rating, nodules.diameter_mm, nodules.diameter_mm / 100)
    difference = rows_of(same)[DIFFERENCE]
    assert difference.value == difference.low == difference.high == 0


def test_intervals_are_over_patients_not_nodules():
    few, many = (rows_of(rated(patients=patients))[AUC] for patients in (8, 300))
    assert few.high - few.low != pytest.approx(many.high - many.low, rel=1e-3)


def test_calibration_is_against_ratings_over_three():
    rating = np.tile([3.0, 3, 4, 5, 1, 2, 4, 4], 5)
    nodules = RatedNodules(np.arange(40).astype(str), rating, np.arange(40) + 5.0, np.where(rating > 3, 0.9, 0.2))
    row = rows_of(nodules)["expected calibration error against ratings over 3, 10 bins"]
    assert row.value == pytest.approx((4 * 0.1 + 4 * 0.2) / 8)


def test_a_calibration_error_stands_beside_what_chance_makes_of_right_suspicions():
    rating = np.tile([2.0, 4.0], 50)
    nodules = RatedNodules(np.arange(100).astype(str), rating, np.arange(100) + 5.0, np.full(100, 0.55))
    row = rows_of(nodules, samples=2000)["the same by chance, were the suspicions right"]
    deviation = np.sqrt(0.55 * 0.45 / 100)  # of the share of 100 nodules in one bin
    assert row.value == pytest.approx(deviation * np.sqrt(2 / np.pi), rel=0.05)
    assert row.high == pytest.approx(2.24 * deviation, rel=0.1)


def test_false_alarms_count_in_calibration_and_in_a_row_of_their_own(tmp_path):
    nodules = rated()
    rows = list(zip(map(str, range(300)), *vars(nodules).values(), strict=True))
    both = table(tmp_path / "both.csv", [*rows, *((f"alarm-{n}", "scan", 0, 0, 0.3) for n in range(50))])
    alone, beside = rows_of(nodules), rows_of(read_rated_nodules([both]))
    assert beside.pop("mean suspicion of false alarms").value == pytest.approx(0.3)
    assert {name: one.value for name, one in beside.items()} == pytest.approx(
        {name: one.value for name, one in alone.items()}
    )
    with_alarms = read_rated_nodules([both])
    assert with_alarms.basis.endswith("and 50 false alarms")
    lines = [platt_scaling(these.suspicion, these.over_three) for these in (nodules, with_alarms)]
    slopes, intercepts = zip(*lines, strict=True)
    assert slopes[1] * np.log(0.3 / 0.7) + intercepts[1] < slopes[0] * np.log(0.3 / 0.7) + intercepts[0]


def table(path, rows):
    write_table(path, COLUMNS, rows)
    return path


def test_folds_are_read_together(tmp_path):
    one = table(tmp_path / "one.csv", [("a", "A", 5, 12.0, 0.9), ("b", "B", 3, 6.0, 0.4)])
    two = table(tmp_path / "two.csv", [("c", "A", 1, 5.0, 0.1)])
    nodules = read_rated_nodules([one, two])
    assert nodules.patients.tolist() == ["A", "B", "A"]
    assert nodules.suspicion.tolist() == [0.9, 0.4, 0.1]
    assert nodules.basis == "3 nodules of 2 patients, 1 rated over 3"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("a", "A", 5, 12.0, 0.9), "nodule a is also in .*one.csv, line 2"),
        (("c", "A", 6, 12.0, 0.9), "two.csv, line 2, column malignancy: 6 is not within 0 to 5"),
        (("c", "A", 3.4, 12.0, 0.9), "two.csv, line 2, column malignancy: expected a whole number of 1 to 5, or 0 for"),
        (("c", "A", 5, 12.0, 1.2), "column suspicion: 1.2 is not within 0 to 1"),
    ],
)
def test_a_table_that_cannot_be_is_refused(tmp_path, row, said):
    one = table(tmp_path / "one.csv", [("a", "A", 5, 12.0, 0.9), ("b", "B", 1, 6.0, 0.4)])
    with pytest.raises(UsageError, match=said):
        read_rated_nodules([one, table(tmp_path / "two.csv", [row])])


def test_nodules_of_one_kind_are_refused(tmp_path):
    with pytest.raises(UsageError, match="expected nodules rated 4 or 5"):
        read_rated_nodules([table(tmp_path / "one.csv", [("a", "A", 3, 12.0, 0.9), ("b", "B", 1, 6.0, 0.4)])])


def test_platt_scaling_finds_by_how_much_suspicions_are_too_sure():
    rng = np.random.default_rng(0)
    truth = rng.normal(-1, 1.5, 20_000)
    event = rng.random(20_000) < 1 / (1 + np.exp(-truth))
    slope, intercept = platt_scaling(1 / (1 + np.exp(-(3 * truth + 2))), event)
    assert slope == pytest.approx(1 / 3, rel=0.05)
    assert intercept == pytest.approx(-2 / 3, abs=0.05)


EVENT = np.repeat([True, False], 30)


@pytest.mark.parametrize(
    ("suspicion", "event", "said"),
    [
        (np.where(EVENT, 0.9, 0.1), EVENT, "do not overlap, so that Platt scaling has no finite slope"),
        (np.where(EVENT, 0.1, 0.9), EVENT, "do not overlap"),
        (np.where(EVENT, 0.9, np.linspace(0, 0.9, 60)), EVENT, "do not overlap"),
        (np.full(60, 0.4), EVENT, "All suspicions are equal"),
        (np.linspace(0, 1, 60), np.arange(60) % 7 == 0, "9 nodules rated over 3 and 51 others are too few"),
        (np.linspace(0, 1, 60), np.arange(60) % 7 > 0, "51 nodules rated over 3 and 9 others are too few"),
    ],
)
def test_platt_scaling_is_refused_with_the_reason_where_nothing_supports_a_line(suspicion, event, said):
    with pytest.raises(UsageError, match=rf"{said}.*give the tables of further folds"):
        platt_scaling(suspicion, event)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("patients", [1, 4, 100])
@pytest.mark.parametrize("constant", ["suspicion", "diameter_mm", "nothing"])
def test_figures_that_cannot_be_had_are_left_out_without_a_warning(patients, constant):
    nodules = vars(rated(patients=patients))
    rows = rows_of(RatedNodules(**{**nodules, constant: np.full(300, 0.5)} if constant in nodules else nodules))
    assert not np.isnan([row.value for row in rows.values()]).any()
    scaled = "the same after Platt scaling on other patients, in five parts" in rows
    assert scaled == (patients == 100 and constant != "suspicion")
    assert ("rank correlation with the rating" in rows) == (constant != "suspicion")
    assert ("rank correlation of the diameter" in rows) == (constant != "diameter_mm")


def test_suspicions_that_are_too_sure_are_better_after_scaling_on_others():
    nodules, name = rated(2000, patients=700), "expected calibration error against ratings over 3, 10 bins"
    sure = RatedNodules(nodules.patients, nodules.rating, nodules.diameter_mm, nodules.suspicion**0.2)
    rows = rows_of(sure)
    assert rows["the same after Platt scaling on other patients, in five parts"].value < 0.06 < 0.15 < rows[name].value
