"""Overlap of cubes and the suppression of the weaker ones."""

import numpy as np
import pytest

from LungCancerDxLib.detection.nms import cube_iou, suppress
from Testing.Oracles import nms as oracle


def _boxes(*rows):
    return np.array(rows, dtype=float).reshape(-1, 5)


def _random_proposals(count, seed):
    draw = np.random.default_rng(seed)
    logits = np.sort(draw.normal(0, 2, count))[::-1]
    return np.column_stack([logits, draw.uniform(0, 60, (count, 3)), draw.uniform(2, 30, count)])


@pytest.mark.parametrize(
    ("other", "iou"),
    [
        ((0, 0, 0, 4), 1.0),
        ((0, 0, 0, 2), 8 / 64),
        ((2, 0, 0, 4), 32 / 96),
        ((0, 2, 2, 4), 16 / 112),
        ((0, 0, 4, 4), 0.0),
        ((9, 9, 9, 4), 0.0),
        ((9, 9, 0, 4), 0.0),
    ],
)
def test_overlap_of_a_cube_of_four_at_the_origin(other, iou):
    assert cube_iou(np.array([0.0, 0, 0, 4]), np.array([other], dtype=float)) == pytest.approx([iou])
    assert cube_iou(np.array(other, dtype=float), np.array([[0.0, 0, 0, 4]])) == pytest.approx([iou])


@pytest.mark.parametrize("iou", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("at_most", [1, 7, 1000])
def test_the_same_boxes_are_kept_as_pair_by_pair(iou, at_most):
    for seed, count in enumerate((0, 1, 2, 80)):
        proposals = _random_proposals(count, seed)
        expected = oracle.suppressed(proposals.tolist(), iou, at_most)
        np.testing.assert_array_equal(suppress(proposals, iou, at_most), np.array(expected).reshape(-1, 5))


def test_boxes_that_overlap_by_the_threshold_touch_and_the_weaker_goes():
    pair = _boxes((2, 0, 0, 0, 3), (1, 1, 0, 0, 3))  # 18 of 36: an overlap of exactly one half
    assert len(suppress(pair, 0.5, 10)) == 1
    assert len(suppress(pair, np.nextafter(0.5, 1), 10)) == 2


def test_a_box_that_only_a_suppressed_one_overlaps_is_kept():
    chain = _boxes((3, 0, 0, 0, 4), (2, 2, 0, 0, 4), (1, 4, 0, 0, 4))
    assert suppress(chain, 0.05, 10)[:, 0].tolist() == [3, 1]


def test_no_more_than_asked_for_are_kept_the_best_of_them():
    apart = _boxes(*[(5 - n, 50 * n, 0, 0, 4) for n in range(5)])
    assert suppress(apart, 0.05, 3)[:, 0].tolist() == [5, 4, 3]


def test_nothing_to_suppress():
    assert suppress(np.empty((0, 5)), 0.05, 20).shape == (0, 5)


def test_the_proposals_given_stay_as_they_are():
    proposals = _random_proposals(20, 5)
    before = proposals.copy()
    suppress(proposals, 0.05, 20)
    np.testing.assert_array_equal(proposals, before)
