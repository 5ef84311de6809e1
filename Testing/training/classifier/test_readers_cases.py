"""The leak stands for what the detector misses."""

import numpy as np
import pytest

from LungCancerDxLib.training.classifier.readers import learned_leak

PATIENTS = ["a", "a", "b", "c", "d"]
TARGETS = np.array([0.2, 0.5, 0.8, 0.97, 0.03])


def leak_of(diameter_mm, alarms=(), suspicion=TARGETS):
    sizes = np.full(len(TARGETS), diameter_mm)
    return learned_leak(suspicion, TARGETS, sizes, PATIENTS, np.array(alarms), 1.0, np.random.default_rng(0))


@pytest.mark.slow
def test_a_detector_that_misses_more_has_a_larger_leak():
    assert leak_of(4.0) > 3 * leak_of(12.0) > 0


@pytest.mark.slow
def test_the_leak_gives_way_to_false_alarms():
    assert leak_of(12.0, alarms=[0.3]) < leak_of(12.0)


@pytest.mark.slow
def test_the_leak_of_a_seed_is_the_same_again():
    assert leak_of(4.0) == pytest.approx(leak_of(4.0))
