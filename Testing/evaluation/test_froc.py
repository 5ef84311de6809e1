"""The FROC and recall at top k agree with hand computation and with plain loops; their intervals with theory."""

import numpy as np
import pytest

from LungCancerDxLib.evaluation.detection_report import detection_report
from LungCancerDxLib.evaluation.froc import (
    RATES,
    found_within,
    froc,
    most_malignant,
    resampled_recall,
    resampled_sensitivity,
)
from LungCancerDxLib.evaluation.matching import match
from LungCancerDxLib.evaluation.report import interval, resample
from Testing.evaluation.tables_by_hand import along_x, detections, nodule_at, random_rows, with_copies
from Testing.Oracles import froc as oracle


def curve_of(*arguments):
    return froc(match(detections(*arguments), "luna16"))


def four_scans():
    """Scores from the top: a hit .9, a false mark .8, a hit .7, two false marks .6, a nodule missed."""
    marks = [along_x(0, 0, 0.9), along_x(1, 50, 0.8), along_x(1, 0, 0.7), along_x(2, 50, 0.6), along_x(0, 60, 0.6)]
    return detections(4, marks, [nodule_at(0, 0), nodule_at(1, 0), nodule_at(2, 0)])


def test_the_curve_goes_through_the_points_computed_by_hand():
    curve = froc(match(four_scans(), "luna16"))
    assert curve.threshold.tolist() == [np.inf, 0.9, 0.8, 0.7, 0.6]
    assert curve.rate.tolist() == [0, 0, 0.25, 0.25, 0.75]
    np.testing.assert_allclose(curve.sensitivity, [0, 1 / 3, 1 / 3, 2 / 3, 2 / 3])
    np.testing.assert_allclose(curve.at((1 / 8, 1 / 4, 1 / 2, 8)), [1 / 3, 2 / 3, 2 / 3, 2 / 3])


def test_marks_of_equal_score_enter_together_along_a_straight_line():
    curve = curve_of(1, [along_x(0, 0, 0.5), along_x(0, 50, 0.5)], [nodule_at(0, 0)])
    assert curve.rate.tolist() == [0, 1]
    np.testing.assert_allclose(curve.at((1 / 8, 1 / 2, 1)), [1 / 8, 1 / 2, 1])


def test_without_marks_nothing_is_found():
    assert curve_of(2, [], [nodule_at(0, 0)]).at(RATES).tolist() == [0] * 7


def test_without_false_positives_all_that_is_found_is_found_at_every_rate():
    curve = curve_of(2, [along_x(0, 0, 0.5)], [nodule_at(0, 0), nodule_at(1, 0)])
    assert curve.at(RATES).tolist() == [0.5] * 7


def test_scans_without_marks_and_nodules_lower_the_rate_of_false_positives():
    marks, nodules = [along_x(0, 50, 0.9), along_x(0, 0, 0.5)], [nodule_at(0, 0)]
    assert curve_of(1, marks, nodules).at([0.25]) == 0
    assert curve_of(4, marks, nodules).at([0.25]) == 1


@pytest.mark.parametrize("rules", ["luna16", "paper"])
@pytest.mark.parametrize("seed", range(20))
def test_any_curve_agrees_with_plain_loops(rules, seed):
    marks, nodules, excluded = random_rows(np.random.default_rng(seed))
    expected = {"luna16": oracle.by_luna16, "paper": oracle.by_paper}[rules](6, marks, nodules, excluded)
    matching = match(detections(6, marks, nodules, excluded), rules)
    np.testing.assert_allclose(froc(matching).at(RATES), [oracle.sensitivity(expected, 6, rate) for rate in RATES])
    recall = found_within(matching, 10).mean(axis=0)
    np.testing.assert_allclose(recall, [oracle.recall_at(expected, k) for k in range(1, 11)])


def drawn_rows(tables, scans):
    """The rows of the scans drawn, each scan under its new number."""
    return [[(new, *row[1:]) for new, old in enumerate(scans) for row in rows if row[0] == old] for rows in tables]


@pytest.mark.parametrize("seed", range(5))
def test_a_resampled_curve_is_that_of_the_scans_drawn(seed):
    rng = np.random.default_rng(seed)
    marks, nodules, excluded = random_rows(rng)
    matching = match(detections(6, marks, nodules, excluded), "luna16")
    times = resample(rng, 6, 8)
    drawn = resampled_sensitivity(matching, np.array(RATES), times)
    recall = resampled_recall(found_within(matching, 10), matching.nodule_scan, times)
    for sample, counts in enumerate(times):
        rows = drawn_rows((marks, nodules, excluded), np.repeat(np.arange(6), counts))
        if not rows[1]:
            assert np.isnan(drawn[sample]).all()
            continue
        expected = match(detections(6, *rows), "luna16")
        np.testing.assert_allclose(drawn[sample], froc(expected).at(RATES))
        np.testing.assert_allclose(recall[sample], found_within(expected, 10).mean(axis=0))


def test_every_sample_holds_as_many_scans_as_there_are():
    times = resample(np.random.default_rng(0), 7, 50)
    assert times.shape == (50, 7)
    assert (times.sum(axis=1) == 7).all()


def test_the_interval_of_a_recall_is_that_of_its_binomial_law():
    found = with_copies(detections(2, [along_x(0, 0, 0.9)], [nodule_at(0, 0), nodule_at(1, 0)]), 200)
    rows = {row.name: row for row in detection_report(found, "luna16", np.random.default_rng(1)).rows}
    recall = rows["recall at top 1"]
    assert recall.value == 0.5
    half = 1.96 * np.sqrt(0.25 / 400)
    assert (recall.low, recall.high) == pytest.approx((0.5 - half, 0.5 + half), abs=0.008)


def test_a_seed_gives_the_same_intervals_again_and_another_seed_others():
    def spans(seed):
        report = detection_report(with_copies(four_scans(), 10), "luna16", np.random.default_rng(seed), 100)
        return [(row.value, row.low, row.high) for row in report.rows if not np.isnan(row.low)]

    assert spans(3) == spans(3)
    assert spans(3) != spans(4)


def test_samples_without_nodules_are_left_out_of_the_interval():
    low, high = interval(np.array([np.nan, 0.2, 0.2, np.nan]))
    assert (float(low), float(high)) == (0.2, 0.2)


def test_the_most_malignant_nodule_of_each_scan_is_one_of_known_malignancy():
    nodules = [nodule_at(0, 0), nodule_at(0, 50), nodule_at(1, 0), nodule_at(2, 0), nodule_at(2, 50)]
    matching = match(detections(3, [], nodules, (), [0.2, 0.7, np.nan, 0.4, 0.4]), "luna16")
    assert most_malignant(matching).tolist() == [False, True, False, True, False]


def test_the_report_says_on_what_it_rests():
    report = detection_report(four_scans(), "luna16", np.random.default_rng(0), 20)
    assert {row.basis for row in report.rows} == {"4 scans, 3 nodules"}
    assert report.most_malignant is None
    assert "5 marks; 2 of 3 nodules hit; 0 further hits" in report.remarks[1]
    mean = next(row for row in report.rows if row.name == "mean of the seven (CPM)")
    assert mean.value == pytest.approx((1 / 3 + 6 * 2 / 3) / 7)
