"""A late fusion follows the ratings that it was fitted to, and keeps apart what it is fitted on."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.evaluation import ratings
from LungCancerDxLib.evaluation.fusion import (
    COLUMNS,
    OUTLINE_COLUMNS,
    OutlinedNodules,
    Outlines,
    fitted_fusion,
    read_outlined_nodules,
    read_outlines,
    with_network_scaled,
)
from LungCancerDxLib.evaluation.ratings import RatedNodules, rated_auc
from LungCancerDxLib.io.tables import write_table

pytest.importorskip("sklearn")


def nodules(number, seed=0, name="P"):
    """Rated over 3 by size, by calcification, and by a sign that the network alone sees; a tenth has no outline."""
    rng = np.random.default_rng(seed)
    mm, calcified = np.exp(rng.uniform(np.log(4), np.log(32), number)), rng.random(number) < 0.15
    sign, doublings = 1.5 * rng.normal(size=number), np.log2(mm / 8)
    rating = np.where(rng.random(number) < expit(2 * doublings - 2 * calcified - 1 + sign), 4.0, 2.0)
    network = expit(doublings - 1 + sign + rng.normal(size=number))
    patients = np.array([f"{name}{n}" for n in rng.integers(number, size=number)])
    outlines = Outlines(patients, rating, np.where(rng.random(number) < 0.1, np.nan, mm), calcified)
    return OutlinedNodules(RatedNodules(patients, rating, mm, network), outlines)


@pytest.fixture(scope="module")
def held_out():
    return nodules(600, seed=1)


@pytest.fixture(scope="module")
def others():
    return nodules(2000, seed=2, name="other").outlines


def test_a_fusion_is_better_than_the_network_and_than_size_and_calibrated(held_out, others):
    fusion, test = fitted_fusion(held_out, others), nodules(4000, seed=3)
    there, known = test.outlines.there, test.outlines
    network, rating = test.rated.suspicion[there], test.rated.rating[there]
    fused = fusion.malignancy(network, known.outlined_mm[there], known.is_calcified[there])
    assert rated_auc(fused, rating) > rated_auc(network, rating) + 0.03
    assert rated_auc(fused, rating) > rated_auc(known.outlined_mm[there], rating) + 0.03
    assert fused.mean() == pytest.approx((rating > 3).mean(), abs=0.03)
    assert fusion.calcified < -0.5


def test_the_network_and_the_outline_weigh_alike_whatever_is_held_out(held_out, others):
    fusion, again = fitted_fusion(held_out, others), fitted_fusion(nodules(600, seed=4), others)
    assert fusion != again
    assert fusion.doubling / fusion.network == pytest.approx(again.doubling / again.network)
    assert fusion.calcified / fusion.network == pytest.approx(again.calcified / again.network)


def test_the_networks_logit_is_scaled(held_out):
    scaled = with_network_scaled(held_out, 2.0, -1.0)
    assert logit(scaled.rated.suspicion) == pytest.approx(2 * logit(held_out.rated.suspicion) - 1)


def test_a_sign_that_no_suspicious_nodule_has_gets_a_finite_weight(held_out, others):
    fusion = fitted_fusion(held_out, replace(others, rating=np.where(others.is_calcified, 1.0, others.rating)))
    assert -6 < fusion.calcified < -1


def test_what_has_no_outline_and_false_alarms_among_the_others_have_no_say(held_out, others):
    assert not others.there.all()
    wrong = np.where(others.there, others.rating, 6 - others.rating)
    assert fitted_fusion(held_out, replace(others, rating=wrong)) == fitted_fusion(held_out, others)
    alarms = Outlines(np.array(["scan"]), np.array([0.0]), np.array([30.0]), np.array([False]))
    more = Outlines(*(np.concatenate(pair) for pair in zip(vars(others).values(), vars(alarms).values(), strict=True)))
    assert fitted_fusion(held_out, more) == fitted_fusion(held_out, others)


def test_without_scikit_learn_the_cure_is_named(held_out, others, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(UsageError, match=r"pip install 'lungcancerdx\[evaluate\]'"):
        fitted_fusion(held_out, others)


def test_a_patient_on_both_sides_and_too_few_nodules_are_refused(held_out, others):
    patients = others.patients.copy()
    patients[np.flatnonzero(others.there)[5]] = held_out.rated.patients[0]
    with pytest.raises(UsageError, match=f"Patient {held_out.rated.patients[0]} is among the nodules held out"):
        fitted_fusion(held_out, replace(others, patients=patients))
    rare = np.where(np.arange(2000) % 400 == 0, others.rating, 2.0)
    with pytest.raises(UsageError, match="too few for a late fusion, which needs 10 of each"):
        fitted_fusion(held_out, replace(others, rating=rare))
    unseen = replace(held_out.outlines, outlined_mm=np.full(len(held_out.outlines.outlined_mm), np.nan))
    with pytest.raises(UsageError, match="0 outlined nodules rated over 3 and 0 others among those held out"):
        fitted_fusion(replace(held_out, outlines=unseen), others)


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
    assert read is not None
    assert read.rated.suspicion.tolist() == [0.7, 0.5, 0.2]  # the network's, not that of an earlier fusion
    assert read.outlines.there.tolist() == [True, False, True]
    assert read.outlines.is_calcified.tolist() == [False, False, True]
    bare = table(tmp_path / "bare.csv", [row[:5] for row in ROWS], ratings.COLUMNS)
    assert read_outlined_nodules([bare]) is None
    other = table(tmp_path / "other.csv", [(f"{row[0]}2", *row[1:5]) for row in ROWS], ratings.COLUMNS)
    with pytest.raises(UsageError, match=r"other.csv has no column network_suspicion"):
        read_outlined_nodules([one, other])
    rows = [("d", "D", 3, 9.5, 1)]
    outlines = read_outlines(table(tmp_path / "outlines.csv", rows, OUTLINE_COLUMNS))
    assert (outlines.patients.tolist(), outlines.outlined_mm.tolist()) == (["D"], [9.5])
    with pytest.raises(UsageError, match="line 3, column id: nodule d is there twice"):
        read_outlines(table(tmp_path / "outlines.csv", rows * 2, OUTLINE_COLUMNS))


@pytest.mark.parametrize(("column", "value"), [(5, 1.2), (6, -3.0), (7, 2)])
def test_numbers_out_of_range_are_refused_with_their_line(column, value, tmp_path):
    rows = [list(row) for row in ROWS]
    rows[2][column] = value
    with pytest.raises(UsageError, match=r"line 4, column .* is not within 0 to"):
        read_outlined_nodules([table(tmp_path / "one.csv", rows)])
