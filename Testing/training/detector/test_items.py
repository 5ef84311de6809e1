"""The detector's training patches, from the store to the labels."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from LungCancerDxLib.datasets.nodule_bank import read_nodule_bank
from LungCancerDxLib.detection.anchors import IGNORED, POOLED, POSITIVE, cell_centers
from LungCancerDxLib.detection.proposals import Proposals
from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.training.detector.items import DetectorItems
from LungCancerDxLib.training.detector.recipe import CPU
from Testing.real_nodules import write_bank
from Testing.training.tiny import BALL, LUNG, NONE, SMALL, TINY, ball_case, insert_ball, store_of

INSERTING = replace(SMALL, inserted_share=1.0, inserted_diameter=(8.0, 0.1))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return store_of(tmp_path_factory.mktemp("store"), ball_case(), ball_case("other", boxes=[(20.0, 20, 40, 12.0)]))


def items_of(store, recipe=SMALL, seed=3, inserter=None):
    return DetectorItems(store, recipe, TINY, seed, inserter)


def several(items, count=40):
    return [items.item(step, number) for step in range(count // 2) for number in range(2)]


def test_an_item_is_a_function_of_seed_step_and_number(store):
    first, again, other = items_of(store), items_of(store), items_of(store, seed=4)
    again.item(0, 0)  # whatever was drawn before
    for name, tensor in first.batch(7, range(2)).items():
        assert torch.equal(tensor, again.batch(7, range(2))[name]), name
    assert not torch.equal(first.batch(7, range(2))["image"], other.batch(7, range(2))["image"])
    assert not np.array_equal(first.item(7, 0).image, first.item(7, 1).image)


@pytest.mark.slow
def test_seven_of_ten_patches_are_drawn_for_a_nodule(store):
    far = replace(SMALL, random_patches="within the scan", patch=16, margin=1)
    shares = [len(item.boxes) > 0 for item in several(items_of(store, far), 400)]
    assert 0.64 < np.mean(shares) < 0.8  # random ones may show a nodule too


@pytest.mark.slow
def test_half_of_the_inserted_nodules_are_put_into_scans_where_most_cases_are_synthetic(tmp_path):
    synthetic = [replace(ball_case(f"synthetic-{number}", boxes=[]), synthetic=True) for number in range(3)]
    store = store_of(tmp_path, ball_case("scan", boxes=[]), *synthetic)
    into = []

    def noted(rng, case, crop, start_kji, diameter_mm, margin):
        into.append(case.name)
        return insert_ball(rng, case, crop, start_kji, diameter_mm, margin)

    several(items_of(store, replace(INSERTING, nodule_share=1.0), inserter=noted), 200)
    assert 0.4 < np.mean([name == "scan" for name in into]) < 0.6


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_patches_without_a_nodule_show_false_alarms_of_the_detector_to_start_from(tmp_path, share):
    boxes = [(20.0, 20, 40, 12.0)]
    unknown = replace(ball_case("alarm", boxes=boxes), nodules=np.zeros((0, 4)))
    store = store_of(tmp_path, ball_case("described"), unknown)
    recipe = replace(SMALL, nodule_share=0.0, false_alarm_share=share, patch=16, margin=2, scale=(1.0, 1.0))
    alarms = [Proposals.from_rows([]), Proposals.from_rows([[1.0, *box] for box in boxes])]
    items = DetectorItems(store, recipe, TINY, 3, false_alarms=alarms)
    shown = [(item.image > (LUNG + BALL) / 2).mean() for item in several(items)]
    assert (min(shown) > 0.1) == (share == 1.0)
    assert all(len(item.labels.positives) == 0 for item in several(items)) or share == 0.0


@pytest.mark.parametrize(("at_ball", "at_lung"), [(2.0, -5.0), (-5.0, 2.0)])
def test_false_alarms_that_the_detector_is_sure_of_are_shown_more_often(tmp_path, at_ball, at_lung):
    unknown = replace(ball_case("alarm", boxes=[(20.0, 20, 40, 12.0)]), nodules=np.zeros((0, 4)))
    recipe = replace(SMALL, nodule_share=0.0, false_alarm_share=1.0, patch=16, margin=2, scale=(1.0, 1.0))
    none, some = Proposals.from_rows([]), Proposals.from_rows([[at_ball, 20, 20, 40, 12], [at_lung, 40, 40, 14, 6]])
    store = store_of(tmp_path, ball_case("described"), unknown)
    items = DetectorItems(store, recipe, TINY, 3, false_alarms=[none, some])
    shown = np.mean([(item.image > (LUNG + BALL) / 2).mean() > 0.1 for item in several(items)])
    assert shown > 0.9 if at_ball > at_lung else shown < 0.1


@pytest.mark.parametrize("scale", [(1.0, 1.0), (0.8, 1.15)])
def test_every_box_lies_on_a_ball_and_its_anchor_decodes_to_it(store, scale):
    for item in several(items_of(store, replace(SMALL, scale=scale))):
        for box, positive, target in zip(item.boxes, item.labels.positives, item.labels.targets, strict=True):
            centre = tuple(np.rint(box[:3]).astype(int))
            assert item.image[centre] > (LUNG + BALL) / 2
            anchor = TINY.anchors_mm[positive[3]]
            np.testing.assert_allclose(cell_centers(positive[:3]) + target[:3] * anchor, box[:3], atol=1e-4)
            assert anchor * np.exp(target[3]) == pytest.approx(box[3], rel=1e-5)
            assert item.labels.labels[tuple(positive)] == POSITIVE


def test_small_nodules_are_neither_positive_nor_negative(tmp_path):
    store = store_of(tmp_path, ball_case(boxes=[(30.0, 28, 32, 10), (30.0, 28, 44, 5)]))
    seen = 0
    for item in several(items_of(store, replace(SMALL, nodule_share=1.0, flipped_axes=(), scale=(1.0, 1.0)))):
        assert len(item.boxes) == 1
        small = item.boxes[0, :3] + [0, 0, 12]
        cell = np.rint((small - 1.5) / 4).astype(int)
        if (cell < 8).all():
            seen += 1
            assert item.labels.labels[(*cell, 0)] == IGNORED
    assert seen > 10


def test_the_published_recipe_looks_only_for_the_nodule_that_a_patch_was_drawn_for(tmp_path):
    store = store_of(tmp_path, ball_case(boxes=[(30.0, 28, 26, 8), (30.0, 28, 38, 8)]))
    both, one = (replace(SMALL, nodule_share=1.0, margin=1, every_nodule=every) for every in (True, False))
    assert max(len(item.boxes) for item in several(items_of(store, both))) == 2
    assert {len(item.boxes) for item in several(items_of(store, one))} == {1}


def test_cells_in_exclusion_regions_are_never_negative(tmp_path):
    region = (30.0, 28.0, 46.0, 9.0)
    store = store_of(tmp_path, ball_case(exclusion_regions=[region]))
    plain = replace(SMALL, nodule_share=1.0, flipped_axes=(), scale=(1.0, 1.0))
    checked = 0
    for item in several(items_of(store, plain)):
        start = np.array([30.0, 28, 32]) - item.boxes[0, :3]
        cells = np.stack(np.meshgrid(*[cell_centers(np.arange(8))] * 3, indexing="ij"), axis=-1) + start
        inside = np.linalg.norm(cells - region[:3], axis=-1) < 9.0
        checked += inside.sum()
        assert (item.labels.labels[inside] >= IGNORED).all()
    assert checked > 100


def test_a_background_gets_nodules_inserted_and_labelled(tmp_path):
    store = store_of(tmp_path, ball_case(boxes=NONE))
    items = several(items_of(store, INSERTING, inserter=insert_ball))
    shares = [len(item.boxes) for item in items]
    assert 0.5 < np.mean(shares) < 0.9
    assert max(shares) == 1
    for item in items:
        bright = (item.image == BALL).any()
        assert bright == (len(item.boxes) > 0)
        for box in item.boxes:
            assert item.image[tuple(np.rint(box[:3]).astype(int))] == BALL


def test_some_patches_get_a_second_nodule_that_does_not_touch_the_first(tmp_path):
    store = store_of(tmp_path, ball_case(boxes=NONE))
    recipe = replace(INSERTING, second_inserted=1.0, nodule_share=1.0, inserted_diameter=(6.5, 0.01))
    pairs = [item.boxes for item in several(items_of(store, recipe, inserter=insert_ball)) if len(item.boxes) == 2]
    assert len(pairs) > 5
    assert all(np.linalg.norm(a[:3] - b[:3]) >= (a[3] + b[3]) / 2 for a, b in pairs)


@pytest.mark.slow
def test_inserted_diameters_are_log_normal_within_their_range(tmp_path):
    seen = []

    def note(rng, case, crop, start_kji, diameter_mm, margin):
        seen.append(diameter_mm)
        return crop, np.array([*start_kji + 16.0, diameter_mm])

    store = store_of(tmp_path, ball_case(boxes=NONE))
    recipe = replace(INSERTING, nodule_share=1.0, inserted_diameter=CPU.inserted_diameter)
    several(items_of(store, recipe, inserter=note), 400)
    assert np.median(seen) == pytest.approx(11, rel=0.1)
    assert min(seen) >= 5
    assert max(seen) <= 36


def test_a_cube_of_the_bank_is_found_where_it_lies_and_counts_nowhere_else(tmp_path):
    write_bank(tmp_path)
    cubes = [nodule for nodule in read_nodule_bank(tmp_path) if nodule.is_cube]
    recipe = replace(SMALL, patch=64, nodule_share=1.0, cube_share=1.0, smallest_target=4.0)
    items = DetectorItems(store_of(tmp_path / "store", ball_case()), recipe, TINY, 3, cubes=cubes)
    for number in range(4):
        item = items.item(0, number)
        ((k, j, i, diameter),) = item.boxes
        scale = diameter / cubes[0].diameter_mm
        assert 0.8 <= scale <= 1.15
        near = np.linalg.norm(np.indices(item.image.shape).reshape(3, -1).T - (k, j, i), axis=1).reshape((64,) * 3)
        assert item.image[near < 0.35 * diameter].mean() > 150
        assert item.image[(near > 0.75 * diameter) & (near < diameter)].mean() < 90
        assert sorted(np.unique(item.labels.labels)) == [IGNORED, POSITIVE]


def test_a_store_with_nothing_to_find_is_refused(tmp_path):
    store = store_of(tmp_path, ball_case(boxes=[(30.0, 28, 32, 5.0)]))
    with pytest.raises(UsageError, match=r"No case in .* has a nodule of 6 mm or more"):
        items_of(store)


def test_the_pool_of_hard_negatives_has_the_recipes_size(store):
    assert (items_of(store).item(0, 0).labels.labels == POOLED).sum() == 100
