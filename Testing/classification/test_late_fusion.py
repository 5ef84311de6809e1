"""A nodule's suspicion from the network's and its outline: by hand, and through the whole case."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.case import Case, CaseResult, Nodule
from LungCancerDxLib.classification.late_fusion import MOST_RAISED, LateFusion, rated_by_outline, rated_by_outlines
from LungCancerDxLib.evidence import combine
from LungCancerDxLib.names import CALCIFIED, SOLID
from LungCancerDxLib.volume import CTVolume

FUSION = LateFusion(network=1.0, doubling=2.0, calcified=-3.0, intercept=-1.0)
LEAK = 0.1


def by(network, diameter_mm, calcified=0):
    return FUSION.malignancy(np.array([network]), np.array([diameter_mm]), np.array([calcified])).item()


def nodule(rank, malignancy, diameter_mm, outlined=True, **known):
    known = {"logit": 9.0, "confidence": 1.0, "scored": True, "type": SOLID} | known
    volume_mm3 = np.pi / 6 * diameter_mm**3 if outlined else None
    sizes = {"box_diameter_mm": 10.0, "diameter_mm": diameter_mm, "volume_mm3": volume_mm3}
    return Nodule(rank, "detected", (float(rank), 0.0, 0.0), malignancy=malignancy, **sizes, **known)


def case_of(*nodules):
    counted = sum(one.scored for one in nodules)
    case = Case(0.5, "suspicion of the case", "leaky-noisy-or", LEAK, 0.1, 0, None, None, counted, True)
    labels = np.zeros((2, 3, 4), np.uint8)
    labels.flat[: len(nodules)] = [one.rank for one in nodules]
    return CaseResult({}, {}, {}, {}, case, {}, nodules, {}, (), nodule_labels=labels)


def test_the_logit_is_a_sum_of_the_networks_of_doublings_of_8_mm_and_of_calcification():
    assert by(0.5, 8.0) == pytest.approx(1 / (1 + np.exp(1)))
    assert by(0.5, 16.0) == pytest.approx(1 / (1 + np.exp(-1)))
    assert by(0.8, 4.0, 1) == pytest.approx(1 / (1 + np.exp(-(np.log(4) - 2 - 3 - 1))))


def test_diameters_beyond_what_was_learned_from_tell_no_more():
    assert by(0.5, 90.0) == by(0.5, 32.0)
    assert by(0.5, 1.0) == by(0.5, 4.0)
    assert 0 < by(0.0, 32.0) < by(1.0, 4.0) < 1


def test_an_outline_does_not_make_suspicious_what_the_network_takes_for_no_nodule():
    hilum = by(0.01, 30.0)
    assert hilum / (1 - hilum) == pytest.approx(MOST_RAISED * 0.01 / 0.99)
    assert hilum < 0.05 < by(0.1, 30.0) < 0.3
    assert by(0.01, 4.0) == pytest.approx(1 / (1 + np.exp(-(np.log(0.01 / 0.99) - 2 - 1))))  # lowered as before


def test_a_nodule_keeps_what_the_network_said_of_it():
    rated = rated_by_outline(nodule(1, 0.4, 12.0), FUSION)
    assert rated.malignancy == pytest.approx(by(0.4, 12.0))
    assert rated.network_malignancy == 0.4
    calcified = rated_by_outline(nodule(1, 0.4, 12.0, type=CALCIFIED), FUSION)
    assert calcified.malignancy == pytest.approx(by(0.4, 12.0, 1))


@pytest.mark.parametrize(
    "without",
    [
        nodule(1, 0.4, 12.0, outlined=False),
        nodule(1, None, 12.0),
        Nodule(1, "user", (0.0, 0.0, 0.0), malignancy=0.4),
    ],
)
def test_without_an_outline_or_a_malignancy_a_nodule_stays_as_it_is(without):
    assert rated_by_outline(without, FUSION) == without


def test_a_case_is_ranked_labelled_and_joined_by_what_its_outlines_say():
    small, large, doubtful = nodule(1, 0.5, 5.0), nodule(2, 0.4, 20.0), nodule(3, 0.4, 19.0, confidence=0.5)
    runner_up = nodule(4, 0.3, 30.0, scored=False)
    made = rated_by_outlines(case_of(small, large, doubtful, runner_up), FUSION)
    assert [(one.rank, one.center_lps_mm[0]) for one in made.nodules] == [(1, 2.0), (2, 3.0), (3, 1.0), (4, 4.0)]
    assert made.nodule_labels.ravel()[:5].tolist() == [3, 1, 2, 4, 0]
    counted = [by(0.4, 20.0), 0.5 * by(0.4, 19.0), by(0.5, 5.0)]
    evidence = combine("leaky-noisy-or", counted, LEAK, None, 0)
    assert made.case.score == pytest.approx(evidence.score)
    assert [one.contribution for one in made.nodules] == [*map(pytest.approx, evidence.shares), None]
    assert made.nodules[3].malignancy == pytest.approx(by(0.3, 30.0))
    assert [one.scored for one in made.nodules] == [True, True, True, False]
    assert not made.overruling


def test_a_case_without_a_fusion_or_without_nodules_stays_as_it_is():
    case = case_of(nodule(1, 0.5, 5.0))
    assert rated_by_outlines(case, None) is case
    assert rated_by_outlines(case_of(), FUSION).case.score == pytest.approx(LEAK)


def test_what_lies_in_anothers_outline_is_no_more_suspicious_than_that():
    owner, twice, away = nodule(1, 0.5, 8.0), nodule(2, 0.45, 9.0, outlined=False), nodule(3, 0.45, 9.0, outlined=False)
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0, 0, 1] = labels[0, 0, 2] = 1
    volume = CTVolume(np.zeros(labels.shape, np.int16), np.eye(4)[[2, 1, 0, 3]])  # i is x, k is z
    made = rated_by_outlines(replace(case_of(owner, twice, away), nodule_labels=labels, volume=volume), FUSION)
    by_place = {one.center_lps_mm[0]: one for one in made.nodules}
    assert by_place[1.0].malignancy == pytest.approx(by(0.5, 8.0))
    assert (by_place[2.0].malignancy, by_place[2.0].network_malignancy) == (by_place[1.0].malignancy, 0.45)
    assert (by_place[3.0].malignancy, by_place[3.0].network_malignancy) == (0.45, None)
    assert [one.center_lps_mm[0] for one in made.nodules] == [3.0, 1.0, 2.0]
    assert (made.nodule_labels == 2).sum() == 2


@pytest.mark.parametrize("of_runner_up", [None, 0.1])
def test_what_is_asked_about_beside_the_score_does_not_change_it(of_runner_up):
    counted, runner_up = nodule(1, 0.6, 9.0, outlined=False), nodule(2, of_runner_up, 13.0, scored=False)
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0, 0, 1] = 2
    volume = CTVolume(np.zeros(labels.shape, np.int16), np.eye(4)[[2, 1, 0, 3]])
    made = rated_by_outlines(replace(case_of(counted, runner_up), nodule_labels=labels, volume=volume), FUSION)
    assert made.nodules[0].malignancy == 0.6
    assert made.case.score == pytest.approx(1 - (1 - LEAK) * (1 - 0.6))


def test_equal_nodules_keep_their_order():
    one = nodule(1, 0.5, 9.0)
    made = rated_by_outlines(case_of(one, replace(one, rank=2, center_lps_mm=(2.0, 0, 0))), FUSION)
    assert [n.center_lps_mm[0] for n in made.nodules] == [1.0, 2.0]
