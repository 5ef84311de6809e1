"""Proposals to train on: drawn by their confidence, or made of the truth."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.detection.proposals import Proposals
from LungCancerDxLib.training.cases.proposals import of_nodules
from LungCancerDxLib.training.classifier.items import scorable
from LungCancerDxLib.training.classifier.proposals import (
    chances,
    draw,
    proposals_from_truth,
)
from LungCancerDxLib.training.classifier.recipe import GRT123, PAPER
from Testing.training.tiny import TINY, ball_case


def test_the_papers_chance_is_proportional_to_the_confidence():
    logits = np.array([np.log(9), 0.0, -np.log(9)])  # confidences .9 .5 .1
    np.testing.assert_allclose(chances(logits, "confidence", 1e-5), np.array([9, 5, 1]) / 15)


def test_the_published_chance_is_a_softmax_with_a_floor():
    np.testing.assert_allclose(chances(np.log([6.0, 3, 1]), "softmax", 1e-5), [0.6, 0.3, 0.1])
    np.testing.assert_allclose(chances(np.array([40.0, 0.0]), "softmax", 1e-5), [1, 1e-5], rtol=1e-4)


@pytest.mark.parametrize("recipe", [PAPER, GRT123], ids=["PAPER", "GRT123"])
def test_proposals_are_drawn_as_often_as_their_confidence_says(recipe):
    logits, rng = np.array([1.0, 0.0, -1.0]), np.random.default_rng(0)
    p = chances(logits, recipe.chance, recipe.chance_floor)
    pairs = [tuple(draw(rng, logits, 2, recipe)) for _ in range(3000)]
    for first in range(3):
        left = np.delete(np.arange(3), first)
        then = dict(zip(left, chances(logits[left], recipe.chance, recipe.chance_floor), strict=True))
        for second in left:
            share = pairs.count((first, second)) / len(pairs)
            assert share == pytest.approx(p[first] * then[second], abs=0.03)


def test_all_proposals_are_taken_where_there_are_no_more_than_places():
    np.testing.assert_array_equal(draw(np.random.default_rng(0), np.array([3.0, 1, 0]), 5, PAPER), [0, 1, 2])
    assert len(draw(np.random.default_rng(0), np.zeros(0), 5, PAPER)) == 0


def test_proposals_made_from_the_truth_hit_every_nodule_and_are_else_false_alarms():
    case = ball_case(boxes=[(30.0, 28, 32, 10), (45.0, 40, 20, 14)], exclusion_regions=[(15.0, 15, 15, 8)])
    case.scan.dilated[:8] = False
    for seed in range(10):
        made = proposals_from_truth(case, np.random.default_rng(seed))
        hits = of_nodules(made, case.nodules)
        assert hits.sum() == 2
        assert 4 <= (~hits).sum() <= 12
        assert (np.diff(made.logit) <= 0).all()
        false_kji = made.center_kji[~hits]
        assert case.scan.dilated[tuple(false_kji.astype(int).T)].all()
        assert (np.linalg.norm(false_kji - (15, 15, 15), axis=1) > 8).all()
    assert not np.array_equal(made.rows(), proposals_from_truth(case, np.random.default_rng(0)).rows())


def test_a_proposal_that_inference_would_not_score_is_not_trained_on():
    found = Proposals.from_rows([[2.0, 0, 0, 0, 5], [-0.9, 0, 0, 0, 5], [-1.1, 0, 0, 0, 5]])
    assert len(scorable(found, replace(TINY, score_above_logit=-1.0))) == 2
