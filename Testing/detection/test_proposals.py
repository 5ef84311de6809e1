"""Overlap of cubes and the suppression of the weaker ones."""

import numpy as np
import pytest

from LungCancerDxLib.detection.proposals import Proposals, cube_iou, suppress
from Testing.Oracles import nms as oracle


def _boxes(*rows):
    return Proposals.from_rows(rows)


def _random_proposals(count, seed):
    draw = np.random.default_rng(seed)
    logits = np.sort(draw.normal(0, 2, count))[::-1]
    center_kji, diameter = draw.uniform(0, 60, (count, 3)), draw.uniform(2, 30, count)
    return Proposals(logit=logits, center_kji=center_kji, diameter=diameter)


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
    origin, (*center, edge) = np.zeros(3), np.array(other, dtype=float)
    assert cube_iou(origin, 4, np.array([center]), np.array([edge])) == pytest.approx([iou])
    assert cube_iou(np.array(center), edge, origin[None], np.array([4.0])) == pytest.approx([iou])


@pytest.mark.parametrize("iou", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("at_most", [1, 7, 1000])
def test_the_same_boxes_are_kept_as_pair_by_pair(iou, at_most):
    for seed, count in enumerate((0, 1, 2, 80)):
        proposals = _random_proposals(count, seed)
        expected = oracle.suppressed(proposals.rows().tolist(), iou, at_most)
        np.testing.assert_array_equal(suppress(proposals, iou, at_most).rows(), np.array(expected).reshape(-1, 5))


def test_boxes_that_overlap_by_the_threshold_touch_and_the_weaker_goes():
    pair = _boxes((2, 0, 0, 0, 3), (1, 1, 0, 0, 3))  # 18 of 36: an overlap of exactly one half
    assert len(suppress(pair, 0.5, 10)) == 1
    assert len(suppress(pair, np.nextafter(0.5, 1), 10)) == 2


def test_a_box_that_only_a_suppressed_one_overlaps_is_kept():
    chain = _boxes((3, 0, 0, 0, 4), (2, 2, 0, 0, 4), (1, 4, 0, 0, 4))
    assert suppress(chain, 0.05, 10).logit.tolist() == [3, 1]


def test_no_more_than_asked_for_are_kept_the_best_of_them():
    apart = _boxes(*[(5 - n, 50 * n, 0, 0, 4) for n in range(5)])
    assert suppress(apart, 0.05, 3).logit.tolist() == [5, 4, 3]


@pytest.mark.parametrize("voting_iou", [0.05, 0.3, 0.9])
@pytest.mark.parametrize("at_most", [1, 7, 1000])
def test_the_same_centres_are_voted_as_pair_by_pair(voting_iou, at_most):
    for seed, count in enumerate((0, 1, 2, 80)):
        proposals = _random_proposals(count, seed)
        expected = np.array(oracle.voted(proposals.rows().tolist(), 0.05, at_most, voting_iou)).reshape(-1, 5)
        np.testing.assert_allclose(suppress(proposals, 0.05, at_most, voting_iou).rows(), expected, rtol=1e-12)


def test_a_vote_moves_the_centre_by_confidence_and_leaves_logit_and_diameter():
    sure, unsure = 30.0, -np.log(3)  # confidences 1 and 1/4
    pair = _boxes((sure, 10, 20, 30, 8), (unsure, 15, 20, 25, 10))
    np.testing.assert_allclose(suppress(pair, 0.05, 9, 0.05).rows(), [(sure, 11, 20, 29, 8)], rtol=1e-12)


def test_boxes_that_overlap_less_than_asked_do_not_vote_and_still_go():
    pair = _boxes((2, 0, 0, 0, 3), (1, 1, 0, 0, 3))  # an overlap of exactly one half
    np.testing.assert_array_equal(suppress(pair, 0.05, 9, np.nextafter(0.5, 1)).rows(), pair[:1].rows())
    assert suppress(pair, 0.05, 9, 0.5).center_kji[0, 0] > 0


def test_a_box_votes_once_for_the_best_that_it_overlaps():
    chain = _boxes((3, 0, 0, 0, 4), (2, 2, 0, 0, 4), (1, 4, 0, 0, 4))
    first, last = suppress(chain, 0.05, 9, 0.05).center_kji[:, 0]
    assert 0 < first < 1
    assert last == 4


@pytest.mark.parametrize("voting_iou", [None, 0.3])
def test_nothing_to_suppress(voting_iou):
    assert len(suppress(_boxes(), 0.05, 20, voting_iou)) == 0


def test_the_proposals_given_stay_as_they_are():
    proposals = _random_proposals(20, 5)
    before = proposals.rows()
    suppress(proposals, 0.05, 20, 0.3)
    np.testing.assert_array_equal(proposals.rows(), before)


def test_proposals_are_chosen_by_a_mask_a_slice_or_their_numbers_and_come_back_from_their_table():
    three = _boxes((3, 0, 1, 2, 4), (2, 2, 0, 0, 5), (1, 4, 0, 0, 6))
    for which in (np.array([True, False, True]), slice(None, None, 2), np.array([0, 2])):
        assert three[which].diameter.tolist() == [4, 6]
        assert three[which].center_kji.tolist() == [[0, 1, 2], [4, 0, 0]]
    np.testing.assert_array_equal(Proposals.from_rows(three.rows()).rows(), three.rows())
