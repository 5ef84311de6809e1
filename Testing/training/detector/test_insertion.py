"""Synthetic nodules come where the lung is, where their boxes say, and never in an exclusion region."""

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.datasets.nodule_bank import read_nodule_bank
from LungCancerDxLib.preset import DEFAULT
from LungCancerDxLib.training.cases.prepare import prepare_case
from LungCancerDxLib.training.detector import insertion
from LungCancerDxLib.training.detector.insertion import BankInserter, LungInserter, insert
from LungCancerDxLib.training.detector.patches import Cut
from LungCancerDxLib.training.detector.recipe import READERS
from Testing.helpers import COARSE, chest
from Testing.real_nodules import write_bank

pytestmark = pytest.mark.slow
SIZE, MARGIN = 64, 12


@pytest.fixture(scope="module")
def case():
    return prepare_case("chest", chest(**COARSE).volume, DEFAULT)


@pytest.fixture(scope="module", autouse=True)
def looked_at_once(case):
    """What is found out of the case, which takes seconds, is found out once for all tests."""
    look = insertion.known_scan
    known = look(case, DEFAULT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(insertion, "known_scan", lambda one, preset: known if one is case else look(one, preset))
        yield


@pytest.fixture(scope="module")
def inserter():
    return LungInserter(DEFAULT)


def middle_of_a_lung(case, label):
    return np.rint(np.argwhere(case.lungs.labels == label).mean(axis=0)).astype(int)


def starts_in_both_lungs(case):
    """Where crops around the middles of the lungs begin."""
    return [middle_of_a_lung(case, label) - SIZE // 2 for label in (1, 2)]


def insertions(case, inserter, diameter=10.0, count=8):
    """What was inserted into crops around the middles of both lungs: crop, painted crop, box in the crop."""
    starts = starts_in_both_lungs(case)
    for n in range(count):
        start = starts[n % 2]
        crop = Cut(start, SIZE).source(case.scan.image)
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


def test_what_is_found_out_of_a_case_is_kept_as_long_as_the_case(case, monkeypatch):
    found, known_scan = [], insertion.known_scan

    def counted(case, preset):
        found.append(weakref.ref(places := known_scan(case, preset)[1]))
        return None, places

    monkeypatch.setattr(insertion, "known_scan", counted)
    monkeypatch.setattr(LungInserter, "_painted", lambda *rest: (rest[2], np.zeros(4)))
    inserter, shown = LungInserter(DEFAULT), replace(case)
    assert len(list(insertions(shown, inserter, count=4))) > 1
    assert (len(found), found[0]() is None) == (1, False)
    del shown
    gc.collect()
    assert found[0]() is None
    list(insertions(case, inserter, count=1))
    assert len(found) == 2


def test_prepared_lung_labels_lie_on_the_working_grid(case):
    lungs, image = case.lungs.labels, case.scan.image
    assert lungs.shape == image.shape
    assert set(np.unique(lungs)) == {0, 1, 2}
    assert np.median(image[lungs > 0]) < 80  # air: the grid was hit
    assert middle_of_a_lung(case, 1)[2] > middle_of_a_lung(case, 2)[2]  # i runs to the patient's left


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bank")
    write_bank(folder)
    return [nodule for nodule in read_nodule_bank(folder) if not nodule.is_cube]


def test_real_nodules_have_their_own_size_and_lie_where_their_boxes_say(case, bank):
    real = BankInserter(DEFAULT, bank[:1], replace(READERS, real_share=1.0))
    sizes = []
    for crop, painted, box in insertions(case, real, diameter=30.0):
        sizes.append(box[3])
        assert ((box[:3] - box[3] / 2 >= MARGIN - 2) & (box[:3] + box[3] / 2 <= SIZE + 1 - MARGIN)).all()
        changed = np.argwhere(np.abs(painted.astype(int) - crop) > 60)
        np.testing.assert_allclose(changed.mean(axis=0), box[:3], atol=2)
    assert len(sizes) >= 6
    assert 0.8 * 9 <= min(sizes) < max(sizes) <= 1.25 * 9


def test_the_other_nodules_are_of_sorts_that_the_bank_lacks_and_no_larger_than_the_patch(case, bank):
    synthetic = BankInserter(DEFAULT, bank, replace(READERS, real_share=0.0))
    sizes = [box[3] for *_, box in insertions(case, synthetic, diameter=5.0, count=40)]
    assert len(sizes) >= 30
    assert max(sizes) == pytest.approx(SIZE, rel=0.01)
    assert np.mean(np.array(sizes) >= 30) > 0.25


def test_a_patch_gets_several_real_nodules_apart_from_each_other(case, bank):
    inserter, counts = BankInserter(DEFAULT, bank, READERS), []
    starts = starts_in_both_lungs(case)
    for seed in range(8):
        start = starts[seed % 2]
        crop = Cut(start, SIZE).source(case.scan.image)
        _, boxes = insert(np.random.default_rng(seed), inserter, case, crop, start, READERS)
        counts.append(len(boxes))
        gaps = np.linalg.norm(boxes[:, None, :3] - boxes[None, :, :3], axis=2) + 1e9 * np.eye(len(boxes))
        assert (gaps >= (boxes[:, None, 3] + boxes[None, :, 3]) / 2).all()
    assert max(counts) == 3
