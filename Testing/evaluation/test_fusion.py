"""A late fusion is found again from ratings that it made, and is judged on patients that it was not fitted to."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.classification.late_fusion import LateFusion
from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.evaluation import ratings
from LungCancerDxLib.evaluation.fusion import (
    COLUMNS,
    OutlinedNodules,
    cross_fitted,
    fitted_fusion,
    read_outlined_nodules,
)
from LungCancerDxLib.evaluation.ratings import RatedNodules, rated_auc
from LungCancerDxLib.io.tables import write_table

pytest.importorskip("sklearn")

TRUTH = LateFusion(network=0.4, doubling=1.5, intercept=-1.0)


def nodules(number, patients=200, seed=0):
    """Nodules rated over 3 as the true fusion says, a tenth of them without an outline."""
    rng = np.random.default_rng(seed)
    network, mm = rng.uniform(0.02, 0.98, number), np.exp(rng.uniform(np.log(4), np.log(32), number))
    over = rng.random(number) < TRUTH.malignancy(network, mm)
    rated = RatedNodules(rng.integers(patients, size=number).astype(str), np.where(over, 4.0, 2.0), mm, network)
    return OutlinedNodules(rated, network, np.where(rng.random(number) < 0.1, np.nan, mm))


def test_the_fusion_that_made_the_ratings_is_found():
    fusion = fitted_fusion(nodules(40_000))
    for name, value in vars(TRUTH).items():
        assert getattr(fusion, name) == pytest.approx(value, abs=0.12), name


def test_nodules_without_an_outline_and_those_left_out_have_no_say():
    some = nodules(2000)
    wrong = replace(some.rated, rating=np.where(some.outlined, some.rated.rating, 6 - some.rated.rating))
    assert fitted_fusion(replace(some, rated=wrong)) == fitted_fusion(some)
    first = np.arange(2000) < 1000
    wrong = replace(some.rated, rating=np.where(first, some.rated.rating, 6 - some.rated.rating))
    assert fitted_fusion(replace(some, rated=wrong), first) == fitted_fusion(some, first)


def test_few_nodules_get_small_weights():
    assert 0 < fitted_fusion(nodules(60)).doubling < 0.8 * TRUTH.doubling


def test_too_few_nodules_are_refused():
    some = nodules(300)
    rare = np.where(np.arange(300) % 60 == 0, some.rated.rating, 2.0)
    with pytest.raises(UsageError, match="too few for a late fusion, which needs 10 of each"):
        fitted_fusion(replace(some, rated=replace(some.rated, rating=rare)))


def test_each_patient_is_rated_by_a_fusion_fitted_on_others():
    some = nodules(2000)
    made = cross_fitted(some)
    bare = ~some.outlined
    assert np.array_equal(made.suspicion[bare], some.network[bare])
    assert rated_auc(made.suspicion, made.rating) > rated_auc(some.network, made.rating) + 0.1
    owner = np.unique(some.rated.patients, return_inverse=True)[1]
    part = owner % ratings.CALIBRATION_PARTS == 2
    turned = replace(some.rated, rating=np.where(part, 6 - some.rated.rating, some.rated.rating))
    again = cross_fitted(replace(some, rated=turned))
    assert np.array_equal(again.suspicion[part], made.suspicion[part])
    assert not np.array_equal(again.suspicion[~part & ~bare], made.suspicion[~part & ~bare])


def table(path, rows, columns=(*ratings.COLUMNS, *COLUMNS)):
    write_table(path, columns, rows)
    return path


ROWS = [
    ("a", "A", 5, 12.0, 0.9, 0.7, 11.5),
    ("b", "B", 1, 6.0, 0.4, 0.5, None),
    ("c", "C", 0, 0.0, 0.1, 0.2, 7),
]


def test_tables_with_outlines_are_read_and_others_are_not_mistaken_for_them(tmp_path):
    read = read_outlined_nodules([table(tmp_path / "one.csv", ROWS)])
    assert read is not None
    assert read.network.tolist() == [0.7, 0.5, 0.2]
    assert read.outlined.tolist() == [True, False, True]
    assert read.basis == "1 nodules of 1 patients, 1 rated over 3 and 1 false alarms"
    bare = table(tmp_path / "bare.csv", [row[:5] for row in ROWS], ratings.COLUMNS)
    assert read_outlined_nodules([bare]) is None
    other = table(tmp_path / "other.csv", [(f"{row[0]}2", *row[1:5]) for row in ROWS], ratings.COLUMNS)
    with pytest.raises(UsageError, match=r"other.csv has no column network_suspicion"):
        read_outlined_nodules([tmp_path / "one.csv", other])


@pytest.mark.parametrize(("column", "value"), [(5, 1.2), (6, -3.0)])
def test_numbers_out_of_range_are_refused_with_their_line(column, value, tmp_path):
    rows = [list(row) for row in ROWS]
    rows[2][column] = value
    with pytest.raises(UsageError, match=r"line 4, column .* is not within 0 to"):
        read_outlined_nodules([table(tmp_path / "one.csv", rows)])
