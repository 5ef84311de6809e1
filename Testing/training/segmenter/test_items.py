"""Crops to learn outlines from: nodule and outline lie on each other, and what is unknown is said to be."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from LungCancerDxLib.networks.segmenter import CORE, WHOLE, SegmenterNet
from LungCancerDxLib.phantom.insertion import ScanPlaces
from LungCancerDxLib.phantom.patient import grid_affine
from LungCancerDxLib.phantom.scanner.image_quality import ImageQuality
from LungCancerDxLib.training.segmenter import train
from LungCancerDxLib.training.segmenter.items import (
    Background,
    OutlinedCrops,
    collate,
    inserted,
    own,
    proposal,
    synthetic,
    without,
)
from LungCancerDxLib.training.segmenter.recipe import SegmenterRecipe, SegmenterWithLoss
from LungCancerDxLib.volume import CTVolume
from Testing.real_nodules import LUNG_HU, SOFT_HU

RECIPE = SegmenterRecipe()
KINDS = ("own", "inserted", "cubes", "synthetic", "none")


def background_of(exclusion_regions=()):
    """A block of lung with a wall along x, and what is known of it."""
    shape, affine = (50, 80, 80), grid_affine((2.0, 1.5, 1.5), (-60.0, -60.0, -50.0))
    hu = np.full(shape, LUNG_HU, dtype=np.int16)
    hu[..., 70:] = SOFT_HU
    x = np.arange(80) * 1.5
    depth = np.broadcast_to(104 - x, shape).astype(np.float32)
    places = ScanPlaces(
        (-58, -58, -48), (43, 58, 46), np.array([[0.0, 0, 0, 2]]), np.zeros((0, 4)), depth, affine, exclusion_regions
    )
    quality = ImageQuality((0.9, 0.6, 0.6), 20.0, (0.5, 0.5, 0.5))
    return Background(CTVolume(hu, affine), quality, places, exclusion_regions)


@pytest.fixture(scope="module")
def background():
    return background_of()


def only(kind):
    return replace(RECIPE, **{name: float(name == kind) for name in KINDS})


@pytest.mark.parametrize("kind", KINDS)
def test_a_crop_is_a_pure_function_of_seed_step_and_number(background, bank, kind):
    items = OutlinedCrops([background], bank, only(kind), seed=1)
    one, again, other = items.item(3, 1), items.item(3, 1), items.item(4, 1)
    np.testing.assert_array_equal(one.hu, again.hu)
    np.testing.assert_array_equal(one.target, again.target)
    assert not np.array_equal(one.hu, other.hu)
    assert one.target[WHOLE].any() == (kind != "none")
    assert not (one.target[CORE] & ~one.target[WHOLE]).any()


@pytest.mark.parametrize("number", range(3))
def test_the_outline_of_a_real_nodule_lies_on_it(background, bank, number):
    nodule = bank[number]
    crop = own(np.random.default_rng(5), nodule, background, RECIPE)
    dense = (crop.hu > -400) & crop.target[WHOLE]
    assert dense.sum() > 0.9 * crop.target[WHOLE].sum()
    volume_mm3 = crop.target[WHOLE].sum() * crop.spacing_mm**3
    expected = nodule.mask.sum() * np.prod(nodule.spacing_mm_kji)
    assert 0.8**3 * 0.9 < volume_mm3 / expected < 1.25**3 * 1.1


def test_beyond_the_slices_of_a_nodule_nothing_is_known_of_its_outline(background, bank):
    crop = own(np.random.default_rng(2), bank[0], background, replace(RECIPE, turned_share=0.0, scales=(1.0, 1.0)))
    heights = crop.known[WHOLE].any(axis=(1, 2)).sum() * crop.spacing_mm
    assert heights == pytest.approx(bank[0].mask.shape[0] * 2.0, abs=2 * crop.spacing_mm)
    assert not (crop.target & ~crop.known)[WHOLE].any()


def test_a_nodule_in_another_lung_brings_its_outline(background, bank):
    crop = inserted(np.random.default_rng(3), bank[0], background, RECIPE)
    inside = crop.target[WHOLE]
    assert crop.hu[inside].mean() > -200 > -700 > np.median(crop.hu[~inside])
    assert crop.known.all()


def test_a_synthetic_mass_ends_at_the_wall(background):
    masses = (synthetic(np.random.default_rng(seed), background, RECIPE) for seed in range(20))
    solid = (crop for crop in masses if np.array_equal(*crop.target))
    large = [crop for crop in solid if crop.target[WHOLE].sum() * crop.spacing_mm**3 > 10_000]
    assert large
    for crop in large:
        assert np.median(crop.hu[crop.target[WHOLE]]) > -200
    assert any((crop.hu[~crop.target[WHOLE]] > -200).sum() > 1000 for crop in large), "the wall is no nodule"


def test_in_a_region_to_keep_away_from_nothing_is_known():
    region = ((0.0, 0.0, 0.0), 30.0)
    crop = without(np.random.default_rng(0), background_of((region,)), RECIPE)
    assert not crop.target.any()
    items = OutlinedCrops([background_of((region,))], [], only("none"), seed=0)
    assert any(not items.item(0, number).known.all() for number in range(60))


def test_the_core_of_a_nodule_of_mixed_texture_is_not_known(background, bank):
    mixed = replace(bank[0], texture=3)
    crop = own(np.random.default_rng(1), mixed, background, RECIPE)
    assert not crop.known[CORE][crop.target[WHOLE]].any()
    assert not crop.target[CORE].any()
    glass = own(np.random.default_rng(1), replace(mixed, texture=1), background, RECIPE)
    np.testing.assert_array_equal(glass.known[CORE], glass.known[WHOLE])


def test_a_proposal_is_off_by_no_more_than_the_recipe_says():
    recipe = replace(RECIPE, user_share=0.0)
    for seed in range(50):
        crop = proposal(np.random.default_rng(seed), np.zeros(3), 20.0, np.eye(3), recipe)
        middle = crop.kji_to_lps @ [23.5, 23.5, 23.5, 1]
        assert np.abs(middle[:3]).max() <= 3.0 + 1e-9
        assert 14.0 <= crop.diameter_mm <= 28.0
    assert (
        proposal(np.random.default_rng(0), np.zeros(3), 20.0, np.eye(3), replace(recipe, user_share=1)).diameter_mm
        == 10
    )


def test_where_nothing_is_known_nothing_is_learned(background, bank):
    crop = own(np.random.default_rng(2), bank[0], background, RECIPE)
    module = SegmenterWithLoss(SegmenterNet(), RECIPE).eval()
    batch = collate([crop])
    wrong = collate([crop._replace(target=crop.target | ~crop.known)])
    with torch.no_grad():
        losses, same = module(batch), module(wrong)
    assert float(losses["loss"]) == pytest.approx(float(same["loss"]))


def test_dice_of_what_is_held_out_is_one_for_its_own_outlines(background, bank):
    others = train.held_out(background, bank, RECIPE, seed=0, others=1)
    assert set(others.kinds) == {"free", "attached", "inserted", "cube", "synthetic", "none"}

    class Perfect(SegmenterWithLoss):
        def logits(self, batch):
            return batch["target"].float() * 20 - 10

    row = train.measured(Perfect(SegmenterNet(), RECIPE), others, 4)
    assert row["dice_free"] == row["dice_cube_p10"] == row["none_empty"] == 1.0
