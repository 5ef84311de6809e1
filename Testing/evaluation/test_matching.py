"""Marks are right, wrong or ignored by the rules of LUNA16 and of the paper."""

import numpy as np
import pytest

from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.evaluation.matching import match
from Testing.evaluation.tables_by_hand import along_x, detections, nodule_at, random_rows
from Testing.Oracles import froc as oracle


def test_a_mark_on_the_border_of_a_nodule_misses_it():
    nodules = [nodule_at(0, 0.0), nodule_at(0, 100.0)]
    matching = match(detections(1, [along_x(0, 4.999, 0.9), along_x(0, 105.0, 0.8)], nodules), "luna16")
    assert matching.hit.tolist() == [True, False]
    assert matching.false_score.tolist() == [0.8]


def test_a_mark_hits_nothing_in_another_scan():
    matching = match(detections(2, [along_x(1, 0.0, 0.9)], [nodule_at(0, 0.0)]), "luna16")
    assert not matching.hit.any()
    assert (matching.false_scan.tolist(), matching.false_score.tolist()) == ([1], [0.9])


def test_the_best_of_several_marks_on_a_nodule_counts_and_the_others_are_ignored_by_luna16():
    marks = [along_x(0, 1.0, 0.3), along_x(0, 2.0, 0.7), along_x(0, 0.0, 0.5)]
    matching = match(detections(1, marks, [nodule_at(0, 0.0)]), "luna16")
    assert matching.nodule_score.tolist() == [0.7]
    assert (matching.double, len(matching.false_score)) == (2, 0)


def test_a_second_mark_on_a_nodule_is_wrong_by_the_paper():
    marks = [along_x(0, 1.0, 0.3), along_x(0, 2.0, 0.7), along_x(0, 0.0, 0.5)]
    matching = match(detections(1, marks, [nodule_at(0, 0.0)]), "paper")
    assert matching.nodule_score.tolist() == [0.7]
    assert sorted(matching.false_score.tolist()) == [0.3, 0.5]


@pytest.mark.parametrize("rules", ["luna16", "paper"])
def test_marks_on_excluded_findings_are_neither_right_nor_wrong(rules):
    found = detections(1, [along_x(0, 50.0, 0.9), along_x(0, 0.0, 0.5)], [nodule_at(0, 0.0)], [nodule_at(0, 50.0)])
    matching = match(found, rules)
    assert len(matching.nodule_scan) == 1
    assert (matching.ignored, len(matching.false_score)) == (1, 0)


def test_a_mark_on_a_nodule_and_an_excluded_finding_is_a_hit():
    found = detections(1, [along_x(0, 0.0, 0.9)], [nodule_at(0, 1.0)], [nodule_at(0, 0.0)])
    matching = match(found, "luna16")
    assert (matching.hit.tolist(), matching.ignored) == ([True], 0)


def test_an_excluded_finding_without_a_diameter_reaches_five_millimetres():
    marks = [along_x(0, 4.9, 0.9), along_x(0, 5.1, 0.8)]
    matching = match(detections(1, marks, [nodule_at(0, 90.0)], [nodule_at(0, 0.0, -1.0)]), "luna16")
    assert (matching.ignored, matching.false_score.tolist()) == (1, [0.8])


def test_nodules_under_six_millimetres_are_ruled_out_by_the_paper_only():
    marks = [along_x(0, 0.0, 0.9, 6.0), along_x(0, 50.0, 0.8, 6.0)]
    found = detections(1, marks, [nodule_at(0, 0.0, 5.9), nodule_at(0, 50.0, 6.0)])
    by_paper = match(found, "paper")
    assert (len(by_paper.hit), by_paper.ignored, len(by_paper.false_score)) == (1, 1, 0)
    assert len(match(found, "luna16").hit) == 2


def test_a_box_must_overlap_by_more_than_a_twentieth():
    # Cubes of 10 mm moved apart by s share (10 - s) / (10 + s) of their union: 0.05 at 9.0476 mm.
    marks = [along_x(0, 9.04, 0.9), along_x(0, 109.06, 0.8)]
    matching = match(detections(1, marks, [nodule_at(0, 0.0), nodule_at(0, 100.0)]), "paper")
    assert matching.hit.tolist() == [True, False]


def test_a_mark_belongs_to_the_first_of_two_nodules_that_it_overlaps_equally_by_the_paper():
    nodules = [nodule_at(0, -4.0), nodule_at(0, 4.0)]
    matching = match(detections(1, [along_x(0, 0.0, 0.9), along_x(0, 1.0, 0.8)], nodules), "paper")
    assert matching.nodule_score.tolist() == [0.9, 0.8]
    assert match(detections(1, [along_x(0, 0.0, 0.9)], nodules), "luna16").hit.all()


def test_every_mark_takes_a_place_in_its_scan():
    marks = [along_x(0, 70.0, 0.9), along_x(0, 50.0, 0.8), along_x(1, 70.0, 0.95), along_x(0, 0.0, 0.7)]
    matching = match(detections(2, marks, [nodule_at(0, 0.0), nodule_at(1, 0.0)], [nodule_at(0, 50.0)]), "luna16")
    assert matching.nodule_rank.tolist() == [3, np.inf]


def test_equal_scores_keep_the_order_of_the_table():
    marks = [along_x(0, 70.0, 0.5), along_x(0, 0.0, 0.5), along_x(0, 80.0, 0.5)]
    assert match(detections(1, marks, [nodule_at(0, 0.0)]), "luna16").nodule_rank.tolist() == [2]


@pytest.mark.parametrize("rules", ["luna16", "paper"])
@pytest.mark.parametrize("seed", range(20))
def test_any_marks_are_judged_as_plain_loops_judge_them(rules, seed):
    marks, nodules, excluded = random_rows(np.random.default_rng(seed))
    expected = {"luna16": oracle.by_luna16, "paper": oracle.by_paper}[rules](6, marks, nodules, excluded)
    matching = match(detections(6, marks, nodules, excluded), rules)
    of_nodules = zip(matching.nodule_scan, matching.nodule_score, matching.nodule_rank, strict=True)
    judged = [(scan, -np.inf if score is None else score, rank or np.inf) for scan, score, rank in expected.nodules]
    assert sorted(of_nodules) == sorted(judged)
    assert sorted(zip(matching.false_scan, matching.false_score, strict=True)) == sorted(expected.false)


def test_no_nodule_to_find_is_an_error():
    with pytest.raises(UsageError, match="no nodule to find: none of 1 findings on 3 scans counts"):
        match(detections(3, [along_x(0, 0.0, 0.5)], [], [nodule_at(0, 0.0)]), "luna16")


def test_the_papers_rules_ask_for_boxes():
    with pytest.raises(UsageError, match="not every mark a positive diameter_mm"):
        match(detections(1, [along_x(0, 0.0, 0.5, np.nan)], [nodule_at(0, 0.0)]), "paper")
