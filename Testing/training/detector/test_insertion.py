"""Synthetic nodules come where the lung is, where their boxes say, and never in an exclusion region."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.preset import DEFAULT
from LungCancerDxLib.training.cases.prepare import prepare_case
from LungCancerDxLib.training.detector.insertion import LungInserter
from LungCancerDxLib.training.detector.patches import cut_out
from Testing.helpers import COARSE, chest

pytestmark = pytest.mark.slow
SIZE, MARGIN = 64, 12


@pytest.fixture(scope="module")
def case():
    return prepare_case("chest", chest(**COARSE).volume, DEFAULT)


@pytest.fixture(scope="module")
def inserter():
    return LungInserter(DEFAULT)


def middle_of_a_lung(case, label):
    return np.rint(np.argwhere(case.lungs.labels == label).mean(axis=0)).astype(int)


def insertions(case, inserter, diameter=10.0, count=8):
    """What was inserted into crops around the middles of both lungs: crop, painted crop, box in the crop."""
    for n in range(count):
        start = middle_of_a_lung(case, 1 + n % 2) - SIZE // 2
        crop = cut_out(case.scan.image, start, SIZE)
        found = inserter(np.random.default_rng(n), case, crop, start, diameter, MARGIN)
        if found is not None:
            yield crop, found[0], found[1] - [*start, 0]


def test_the_change_lies_under_the_box_within_the_margin_and_nothing_else_changes(case, inserter):
    seen = 0
    for crop, painted, box in insertions(case, inserter):
        seen += 1
        assert ((box[:3] - box[3] / 2 >= MARGIN) & (box[:3] + box[3] / 2 <= SIZE - 1 - MARGIN)).all()
        assert box[3] == pytest.approx(10, rel=0.01)
        change = np.abs(painted.astype(int) - crop)
        changed = np.argwhere(change > 20)
        np.testing.assert_allclose(np.average(changed, axis=0, weights=change[change > 20]), box[:3], atol=2)
        assert np.linalg.norm(changed - box[:3], axis=1).max() < 2.5 * box[3]
    assert seen >= 6


def test_a_crop_without_lung_gets_no_nodule(case, inserter):
    crop = np.full((SIZE,) * 3, 170, dtype=np.uint8)
    assert inserter(np.random.default_rng(0), case, crop, np.array([-200, 0, 0]), 10.0, MARGIN) is None


def test_exclusion_regions_get_no_nodule(case):
    everywhere = np.array([[*middle_of_a_lung(case, label), 400.0] for label in (1, 2)])
    forbidden = replace(case, name="forbidden", exclusion_regions=everywhere)
    assert list(insertions(forbidden, LungInserter(DEFAULT), count=2)) == []


def test_prepared_lung_labels_lie_on_the_working_grid(case):
    lungs, image = case.lungs.labels, case.scan.image
    assert lungs.shape == image.shape
    assert set(np.unique(lungs)) == {0, 1, 2}
    assert np.median(image[lungs > 0]) < 80  # air: the grid was hit
    assert middle_of_a_lung(case, 1)[2] > middle_of_a_lung(case, 2)[2]  # i runs to the patient's left
