"""Where patches are taken, how often, and from where never."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.training.detector.patches import (
    case_chances,
    draw_scale,
    nodule_start,
    patches_of_epoch,
    random_start,
    reaches,
    targets_of,
)
from LungCancerDxLib.training.detector.recipe import CPU, GRT123, PAPER
from Testing.training.tiny import NONE, SMALL


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize(("recipe", "weights"), [(PAPER, [1, 1, 2, 6]), (GRT123, [1, 1, 3, 7])])
def test_large_nodules_are_drawn_more_often_and_small_ones_never(recipe, weights):
    nodules = [np.array([[9.0, 9, 9, 6], [9, 9, 9, 5.9]]), NONE, np.array([[9.0, 9, 9, d] for d in (30, 30.1, 40.1)])]
    targets = targets_of(nodules, recipe)
    assert targets.cases.tolist() == [0, 2, 2, 2]
    assert targets.numbers.tolist() == [0, 0, 1, 2]
    assert targets.weights.tolist() == weights
    assert patches_of_epoch(nodules, recipe) == pytest.approx(sum(weights) / 0.7)


def test_half_of_the_patches_of_the_short_recipe_are_from_scans():
    chances = case_chances(np.array([False, True, True, True, True]), CPU)
    np.testing.assert_allclose(chances, [1 / 2, 1 / 8, 1 / 8, 1 / 8, 1 / 8])


@pytest.mark.parametrize("synthetic", [[True, False], [True, True], [False, False]])
def test_cases_are_drawn_alike_where_the_recipe_or_the_store_asks_for_it(synthetic):
    recipe = CPU if len(set(synthetic)) == 1 else PAPER
    np.testing.assert_allclose(case_chances(np.array(synthetic), recipe), [1 / 2, 1 / 2])


@pytest.mark.parametrize("scale", [0.8, 1.0, 1.15])
def test_a_nodule_keeps_the_margin_to_every_side_and_uses_all_of_the_room(rng, scale):
    box = np.array([40.0, 50.5, 60.2, 14.0])
    starts = np.array([nodule_start(rng, box, scale, PAPER) for _ in range(3000)])
    center, radius = (box[:3] - starts) * scale, box[3] * scale / 2
    assert (center - radius).min() >= 12
    assert (center + radius).max() <= 127 - 12
    assert (center - radius).min() < 13.2
    assert (center + radius).max() > 127 - 13.2


def test_a_nodule_too_large_for_the_margin_is_shown_in_the_middle(rng):
    box = np.array([100.0, 100.0, 100.0, 110.0])
    starts = np.array([nodule_start(rng, box, 1.0, PAPER) for _ in range(300)])
    assert np.abs(box[:3] - starts - 63.5).max() == pytest.approx(6.5, abs=0.51)


def test_random_patches_of_the_paper_lie_within_the_scan(rng):
    dilated = np.ones((200, 100, 128), dtype=bool)
    starts = np.array([random_start(rng, dilated, NONE, 128, PAPER) for _ in range(2000)])
    assert starts.min(axis=0).tolist() == [0, -28, 0]
    assert starts.max(axis=0).tolist() == [72, 0, 0]


def test_random_patches_of_the_published_code_miss_the_first_half_patch_and_hang_over_the_end(rng):
    dilated = np.ones((300, 300, 100), dtype=bool)
    starts = np.array([random_start(rng, dilated, NONE, 128, GRT123) for _ in range(3000)])
    assert starts.min(axis=0).tolist() == [64, 64, 38]
    assert starts.max(axis=0).tolist() == [235, 235, 61]


def test_random_patches_for_the_processor_are_centred_in_the_dilated_lungs(rng):
    dilated = np.zeros((60, 60, 60), dtype=bool)
    dilated[20:40, 10:30, 30:50] = True
    for _ in range(100):
        assert dilated[tuple(random_start(rng, dilated, NONE, 32, SMALL) + 16)]


@pytest.mark.parametrize("recipe", [CPU, PAPER, GRT123])
def test_random_patches_do_not_reach_into_exclusion_regions(rng, recipe):
    region = np.array([[100.0, 100.0, 100.0, 40.0]])
    dilated, recipe = np.ones((260,) * 3, dtype=bool), replace(recipe, patch=64)
    starts = [random_start(rng, dilated, region, 64, recipe) for _ in range(200)]
    assert not any(reaches(start, 64, region) for start in starts)


def test_a_cube_reaches_into_a_region_by_its_nearest_voxel():
    start = np.array([10, 10, 10])  # voxels 10 to 41
    assert reaches(start, 32, np.array([[20.0, 20, 45, 4.0]]))
    assert not reaches(start, 32, np.array([[20.0, 20, 45, 3.9]]))
    assert not reaches(start, 32, np.array([[45.0, 45, 45, 6.9]]))  # the corner is 4 * sqrt(3) away
    assert reaches(start, 32, np.array([[45.0, 45, 45, 6.95]]))


def test_sizes_change_by_the_papers_factors(rng):
    factors = [draw_scale(rng, PAPER.scale, PAPER.scaled_diameters, 20.0) for _ in range(2000)]
    assert 0.8 <= min(factors) < 0.802
    assert 1.148 < max(factors) <= 1.15


@pytest.mark.parametrize(("diameter", "low", "high"), [(9.0, 8 / 9, 1.25), (7.0, 1.0, 1.25), (110.0, 0.75, 120 / 110)])
def test_the_published_code_does_not_scale_nodules_out_of_its_range(rng, diameter, low, high):
    factors = [draw_scale(rng, GRT123.scale, GRT123.scaled_diameters, diameter) for _ in range(3000)]
    assert min(factors) == pytest.approx(low, abs=2e-3)
    assert max(factors) == pytest.approx(high, abs=2e-3)
