"""A late fusion follows the ratings that it was fitted to, and what is cross-validated has not seen its own."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.evaluation import ratings
from LungCancerDxLib.evaluation.fusion import (
    COLUMNS,
    OutlinedNodules,
    cross_validated,
    fitted_scale,
    read_outlined_nodules,
)
from LungCancerDxLib.evaluation.ratings import RatedNodules, parts_of_patients, rated_auc
from LungCancerDxLib.io.tables import write_table

pytest.importorskip("sklearn")


def nodules(number, seed=0):
    """Rated over 3 by size, by calcification, and by a sign that the network alone sees; a tenth has no outline."""
    rng = np.random.default_rng(seed)
    mm, calcified = np.exp(rng.uniform(np.log(4), np.log(32), number)), rng.random(number) < 0.15
    sign, doublings = 1.5 * rng.normal(size=number), np.log2(mm / 8)
    rating = np.where(rng.random(number) < expit(2 * doublings - 2 * calcified - 1 + sign), 4.0, 2.0)
    network = expit(doublings - 1 + sign + rng.normal(size=number))
    patients = np.array([f"P{n}" for n in rng.integers(number, size=number)])
    outlined_mm = np.where(rng.random(number) < 0.1, np.nan, mm)
    return OutlinedNodules(
        np.arange(number).astype(str), RatedNodules(patients, rating, mm, network), outlined_mm, calcified
    )


@pytest.fixture(scope="module")
def held_out():
    return nodules(2000, seed=1)


def without_outlines(some):
    return replace(some, outlined_mm=np.full(len(some.names), np.nan))


def test_a_fusion_is_better_than_the_network_and_than_size_and_calibrated(held_out):
    scale, test = fitted_scale(held_out), nodules(4000, seed=3)
    there, rating = test.there, test.rated.rating[test.there]
    fused = scale.suspicion(test)[there]
    assert rated_auc(fused, rating) > rated_auc(test.rated.suspicion[there], rating) + 0.03
    assert rated_auc(fused, rating) > rated_auc(test.outlined_mm[there], rating) + 0.03
    assert fused.mean() == pytest.approx((rating > 3).mean(), abs=0.03)
    assert scale.fusion.calcified < -0.5


def test_what_has_no_outline_has_the_networks_scaled_logit(held_out):
    scale = fitted_scale(held_out)
    there, network = held_out.there, held_out.rated.suspicion
    expected = scale.slope * logit(network[~there]) + scale.intercept
    assert logit(scale.suspicion(held_out)[~there]) == pytest.approx(expected)
    bare = fitted_scale(without_outlines(held_out))
    assert bare == (scale.slope, scale.intercept, None)


def test_a_network_that_says_nothing_more_gets_little_weight(held_out):
    rng = np.random.default_rng(5)
    noise = replace(held_out.rated, suspicion=rng.uniform(0.05, 0.95, len(held_out.names)))
    scale, other = fitted_scale(replace(held_out, rated=noise)), fitted_scale(held_out)
    assert abs(scale.fusion.network * scale.slope) < 0.15 < other.fusion.network * other.slope


def test_a_sign_that_no_suspicious_nodule_has_gets_a_finite_weight(held_out):
    rating = np.where(held_out.is_calcified, 1.0, held_out.rated.rating)
    fusion = fitted_scale(replace(held_out, rated=replace(held_out.rated, rating=rating))).fusion
    assert -8 < fusion.calcified < -1


def with_alarms(some, count):
    """False alarms beside nodules, large and rated high by the network."""
    mm = np.full(count, 30.0)
    rated = RatedNodules(np.full(count, "scan"), np.zeros(count), mm, np.full(count, 0.8))
    both = [np.concatenate(pair) for pair in zip(vars(some.rated).values(), vars(rated).values(), strict=True)]
    names = np.concatenate([some.names, np.char.add("alarm", np.arange(count).astype(str))])
    outlined_mm, calcified = (np.concatenate(pair) for pair in ((some.outlined_mm, mm), (some.is_calcified, mm < 0)))
    return OutlinedNodules(names, RatedNodules(*both), outlined_mm, calcified)


def test_false_alarms_scale_the_fusion_and_have_no_say_in_what_tells_nodules_apart(held_out):
    more = with_alarms(held_out, 200)
    one, other = fitted_scale(held_out), fitted_scale(more)
    assert other.suspicion(held_out).mean() < one.suspicion(held_out).mean() - 0.03
    alone, beside = (scale.fusion.doubling / (scale.fusion.network * scale.slope) for scale in (one, other))
    assert beside == pytest.approx(alone, rel=0.05)
    assert other.suspicion(more).mean() == pytest.approx(more.rated.over_three.mean(), abs=0.03)


def test_without_scikit_learn_the_cure_is_named_where_there_is_something_to_fuse(held_out, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(UsageError, match=r"pip install 'lungcancerdx\[evaluate\]'"):
        fitted_scale(held_out)
    assert fitted_scale(without_outlines(held_out)).fusion is None


def test_too_few_with_an_outline_are_not_fused_and_too_few_at_all_refused(held_out):
    rare = held_out.rated.over_three & (np.cumsum(held_out.rated.over_three) > 9)
    assert fitted_scale(replace(held_out, outlined_mm=np.where(rare, np.nan, held_out.outlined_mm))).fusion is None
    with pytest.raises(UsageError, match="too few for Platt scaling, which needs 10 of each"):
        fitted_scale(held_out.chosen(~rare))


def test_what_is_cross_validated_does_not_hang_on_its_own_patients_ratings(held_out):
    parts = parts_of_patients(held_out.rated.patients)
    own = cross_validated(held_out)
    turned = replace(held_out.rated, rating=np.where(parts == 2, 6 - held_out.rated.rating, held_out.rated.rating))
    other = cross_validated(replace(held_out, rated=turned))
    assert np.array_equal(own[parts == 2], other[parts == 2])
    assert not np.array_equal(own, other)
    assert rated_auc(own, held_out.rated.rating) > rated_auc(held_out.rated.suspicion, held_out.rated.rating) + 0.03
    assert own.mean() == pytest.approx(held_out.rated.over_three.mean(), abs=0.02)


def test_all_of_a_patient_is_in_one_of_five_parts():
    parts = parts_of_patients(np.array(["c", "a", "b", "a", "f", "e", "d", "c"]))
    assert parts.tolist() == [2, 0, 1, 0, 0, 4, 3, 2]


def table(path, rows, columns=(*ratings.COLUMNS, *COLUMNS)):
    write_table(path, columns, rows)
    return path


ROWS = [
    ("a", "A", 5, 12.0, 0.9, 0.7, 11.5, 0),
    ("b", "B", 1, 6.0, 0.4, 0.5, None, 0),
    ("c", "C", 0, 0.0, 0.1, 0.2, 7, 1),
]


def test_tables_with_outlines_are_read_and_others_are_not_mistaken_for_them(tmp_path):
    one = table(tmp_path / "one.csv", ROWS)
    read = read_outlined_nodules([one])
    assert read.names.tolist() == ["a", "b", "c"]
    assert read.rated.suspicion.tolist() == [0.7, 0.5, 0.2]  # the network's, not that of an earlier fusion
    assert read.there.tolist() == [True, False, True]
    assert read.is_calcified.tolist() == [False, False, True]
    bare = table(tmp_path / "bare.csv", [row[:5] for row in ROWS], ratings.COLUMNS)
    read = read_outlined_nodules([bare])
    assert read.rated.suspicion.tolist() == [0.9, 0.4, 0.1]
    assert not read.there.any()
    other = table(tmp_path / "other.csv", [(f"{row[0]}2", *row[1:5]) for row in ROWS], ratings.COLUMNS)
    with pytest.raises(UsageError, match=r"other.csv has no column network_suspicion"):
        read_outlined_nodules([one, other])


@pytest.mark.parametrize(("column", "value"), [(5, 1.2), (6, -3.0), (7, 2)])
def test_numbers_out_of_range_are_refused_with_their_line(column, value, tmp_path):
    rows = [list(row) for row in ROWS]
    rows[2][column] = value
    with pytest.raises(UsageError, match=r"line 4, column .* is not within 0 to"):
        read_outlined_nodules([table(tmp_path / "one.csv", rows)])
