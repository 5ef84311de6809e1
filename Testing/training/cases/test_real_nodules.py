"""What may be learned from a bank, the nodules that it lacks, and its cubes as the networks see them."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.datasets.nodule_bank import bank_digest
from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.models.find import untrained_model
from LungCancerDxLib.preset import DEFAULT
from LungCancerDxLib.training.cases.real_nodules import (
    cube_image,
    draw_lacking,
    draw_turn,
    folds_learned,
    held_out_scan,
    learnable,
    place_lacking,
    refuse_known_fold,
    refuse_test_scans,
)
from Testing.training.tiny import ball_case, store_of


class Slab:
    """Lungs of 100 mm, as deep as they are far from x = 0."""

    low_lps_mm, high_lps_mm = (0.0, 0.0, 0.0), (100.0, 100.0, 100.0)
    vessels = bronchi = np.empty((0, 4))

    def depth_mm(self, points):
        return np.asarray(points)[:, 0]

    def upper(self, points):
        return np.zeros(len(points), dtype=bool)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_a_fold_is_held_out_and_test_patients_are_never_learned_from(bank):
    known, held = learnable(bank, 1)
    assert ([nodule.id for nodule in known], [nodule.id for nodule in held]) == (["a-1"], ["a-2", "c"])
    forbidden = [replace(bank[0], patient="LIDC-IDRI-0002"), *bank[1:]]
    assert [nodule.id for nodule in learnable(forbidden, None)[0]] == ["a-2", "c"]
    assert learnable(forbidden, None)[1] == []


def test_the_scan_of_a_fold_is_counted_among_scans_alone(tmp_path):
    one, two = ball_case("one"), ball_case("two")
    store = store_of(tmp_path, one, replace(one, name="patient", synthetic=True), two)
    assert [held_out_scan(store, fold) for fold in range(3)] == [0, 2, None]


def test_a_model_knows_the_parts_of_the_bank_that_it_its_start_and_its_cases_have_learned_from(bank, tmp_path):
    rated, plain = replace(ball_case("rated"), bank_fold=3, bank="ab12"), ball_case("plain")
    store, start = store_of(tmp_path, rated, plain), replace(untrained_model(), bank_folds=(4,))
    assert folds_learned(None, store) == (3,)
    assert folds_learned(start, store, bank[:1]) == (0, 3, 4)
    assert folds_learned(start, store.without({"rated"})) == (4,)
    assert (store.bank, store.without({"rated"}).bank) == ("ab12", "")


def test_no_fold_of_another_bank_is_held_out_from_a_model(bank, tmp_path):
    cases = store_of(tmp_path, ball_case("plain"))
    start = replace(untrained_model(), bank_folds=(0,), bank=bank_digest(bank))
    refuse_known_fold(start, 1, bank, cases)
    refuse_known_fold(start, None, bank[1:], cases)
    refuse_known_fold(start, 1, [nodule for nodule in bank if not nodule.is_cube], cases)
    with pytest.raises(UsageError, match="part 0 of the bank already"):
        refuse_known_fold(start, 0, bank, cases)
    moved = [replace(nodule, fold=4 - nodule.fold) for nodule in bank]
    with pytest.raises(UsageError, match="has learned from another bank"):
        refuse_known_fold(start, 1, moved, cases)
    refuse_known_fold(replace(start, bank=""), 1, moved, cases)  # a card from before


def test_a_fold_whose_nodules_are_in_the_cases_is_not_held_out(bank, tmp_path):
    rated = replace(ball_case("rated"), bank_fold=3, bank=bank_digest(bank))
    cases = store_of(tmp_path, rated, ball_case("plain"))
    refuse_known_fold(untrained_model(), 2, bank, cases)
    with pytest.raises(UsageError, match="cases with nodules of part 3 of the bank, which would be learned although"):
        refuse_known_fold(untrained_model(), 3, bank, cases)


def test_no_fold_is_held_out_from_cases_with_nodules_of_another_bank(bank, tmp_path):
    """Its parts are others: a patient of part 0 here may be of part 3 there."""
    cases = store_of(tmp_path, replace(ball_case("rated"), bank_fold=3, bank="ab12"))
    refuse_known_fold(untrained_model(), None, bank, cases)
    with pytest.raises(UsageError, match="nodules of another bank"):
        refuse_known_fold(untrained_model(), 0, bank, cases)


def test_test_scans_are_refused():
    with pytest.raises(UsageError, match="QIN-LSC-0064 in here is for tests only"):
        refuse_test_scans(["one", "QIN-LSC-0064"], "here")


def test_what_the_bank_lacks_has_the_size_and_the_depth_of_its_sort(rng):
    seen = set()
    for _ in range(60):
        sort, diameter = draw_lacking(rng)
        nodule = place_lacking(rng, sort, diameter, Slab())
        seen.add(nodule.kind)
        low, high = (depth * diameter / 2 for depth in sort.depths)
        assert sort.diameters_mm[0] <= nodule.diameter_mm <= sort.diameters_mm[1]
        assert nodule.margin in sort.margins
        assert low - 2 <= nodule.center_lps_mm[0] <= high + 2
    assert {"solid", "calcified"} <= seen


def test_a_cube_lies_turned_and_shifted_in_its_image_with_tissue_around(bank, rng):
    turn, shift = draw_turn(rng, 12.0), np.array([3.0, -4.0, 5.0])
    image = cube_image(bank[2], turn, shift, 64, DEFAULT)
    grey = image.astype(float)
    middle = 31.5 - turn.T @ shift
    near = np.linalg.norm(np.indices(image.shape).reshape(3, -1).T - middle, axis=1).reshape(image.shape)
    assert grey[near < 3].mean() > 150  # the ball
    assert grey[(near > 7) & (near < 12)].mean() < 90  # lung
    assert (image[:2] == DEFAULT.tissue_value).mean() > 0.9  # beyond the cube
