"""The oracle of grey values, working grid and the whole on arrays small enough to know the answer by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from LungCancerDxLib.preset import GRT123, PAPER
from Testing.Oracles import preprocessing
from Testing.Oracles.blocks import AIR, TISSUE, UNIT, block


def test_grey_values_are_clipped_and_truncated():
    hu = np.array([-2048, -1200, -1193, -1192, -300, 0, 593, 600, 3071], dtype=np.int16)
    # 7 / 1800 * 255 = 0.99, 8 -> 1.13, 900 -> 127.5, 1200 -> 170, 1793 -> 254.008
    assert preprocessing.to_grey(hu, PAPER).tolist() == [0, 0, 0, 1, 127, 170, 254, 255, 255]


def test_masking_fills_the_outside_and_the_bone_around_the_lungs():
    grey = np.array([30, 250, 210, 211, 30, 250], dtype=np.uint8)
    dilated = np.array([0, 0, 1, 1, 1, 1], dtype=bool)
    lungs = np.array([0, 0, 0, 0, 0, 1], dtype=bool)
    assert preprocessing.mask_grey(grey, dilated, lungs, PAPER).tolist() == [170, 170, 210, 170, 30, 250]


def test_corner_aligned_grid_is_rounded():
    shape = preprocessing.corner_aligned_shape((5, 11, 1), np.array([2.5, 0.7, 1.0]), GRT123)
    assert shape.tolist() == [12, 8, 1]  # 12.5 rounds to even, 7.7 up


def test_exact_grid_interpolates_and_rounds_halves_up():
    grey = np.array([10, 13, 255, 255], dtype=np.uint8).reshape(1, 1, 4)
    working = preprocessing.sampled_grey(grey, [np.zeros(1), np.zeros(1), np.arange(-1, 7) / 2])
    assert working.dtype == np.uint8
    assert working.ravel().tolist() == [10, 10, 12, 13, 134, 255, 255, 255]  # 11.5 and 134.0; beyond the ends as there


def test_zoom_into_uint8_adds_one_half_and_truncates():
    random = np.random.default_rng(1)
    for size, factor in (((7, 9, 5), (13 / 7, 17 / 9, 9 / 5)), ((12, 20, 21), (30 / 12, 14 / 20, 15 / 21))):
        grey = random.integers(0, 256, size).astype(np.uint8)
        real = ndimage.zoom(grey.astype(np.float64), factor, order=1, mode="nearest")
        assert size[0] != 7 or (np.abs(real % 1 - 0.5) < 1e-12).sum() > 100  # these steps are halves: exact ties
        assert np.array_equal(ndimage.zoom(grey, factor, order=1, mode="nearest"), np.floor(real + 0.5))


def test_corner_aligned_grid_has_the_stated_step():
    random = np.random.default_rng(2)
    grey = random.integers(0, 256, (6, 10, 11)).astype(np.uint8)
    working = preprocessing.corner_aligned_grey(grey, np.array([2.5, 0.7, 0.8]), GRT123)
    assert working.shape == (15, 7, 9)
    at = [np.linspace(0, n - 1, m) for n, m in zip(grey.shape, working.shape, strict=True)]
    grid = np.stack(np.meshgrid(*at, indexing="ij"))
    real = ndimage.map_coordinates(grey.astype(np.float64), grid, order=1, mode="nearest")
    assert np.abs(working - real).max() <= 0.5 + 1e-9
    assert working[-1, -1, -1] == grey[-1, -1, -1]


def test_corner_aligned_box():
    lungs = block((40, 50, 100), ((10, 3, 5), (20, 40, 99)))
    low, high = preprocessing.corner_aligned_box(lungs, np.array([2.5, 0.7, 1.0]), GRT123)
    assert low.tolist() == [25 - 5, 0, 0]  # floor 2.1 - 5 and 5 - 5
    assert high.tolist() == [47 + 10, 35, 100]  # floor 47.5; floor 27.3 + 10 > round 35; 98 + 10 > 100
    with pytest.raises(ValueError, match="no lung"):
        preprocessing.corner_aligned_box(np.zeros((2, 2, 2), dtype=bool), UNIT, GRT123)


def test_exact_grid_lies_about_the_middle_of_the_lungs():
    lungs = block((40, 50, 100), ((10, 3, 5), (20, 40, 99)))  # last voxels 19, 39 and 98
    k, j, i = preprocessing.centred_positions(lungs, np.array([2.5, 0.7, 1.0]), PAPER)
    assert len(k) == 44  # 22.5 + 1 + 20 = 43.5
    np.testing.assert_allclose((k[0], k[-1]), (14.5 - 21.5 / 2.5, 14.5 + 21.5 / 2.5))
    assert len(j) == 36  # 25.2 + 21 = 46.2, 48 of them, less two fours in front and one behind
    np.testing.assert_allclose((j[0], j[-1]), (21 - 15.5 / 0.7, 21 + 19.5 / 0.7))
    assert len(i) == 104  # 93 + 21 = 114, 116 of them from -6, less one four in front and two behind
    np.testing.assert_allclose((i[0], i[-1]), (-2, 101))


@pytest.mark.parametrize("preset", [PAPER, GRT123])
def test_a_box_of_tissue_with_two_boxes_of_air_comes_out_as_two_lungs(preset):
    preset = replace(preset, volume_range_l=(0.05, 7.5), big_slice_area_mm2=500.0)
    spacing = np.array([4.0, 2.0, 2.0])
    hu = np.full((30, 60, 60), AIR, dtype=np.int16)
    hu[:, 5:55, 5:55] = TISSUE
    hu[5:25, 20:40, 10:25] = hu[5:25, 20:40, 35:50] = -850  # 20 x 20 x 15 voxels each
    hu[15:17, 29:31, 25:35] = -850  # carina
    hu[15, 30, 15] = 300  # a calcified nodule
    hu[:, 30, 5:55] = np.where(hu[:, 30, 5:55] == TISSUE, 1000, hu[:, 30, 5:55])  # bone
    result = preprocessing.preprocess(hu, spacing, preset)
    lungs = result["lung_a"] | result["lung_b"]
    assert result["lung_a"].any()
    assert result["lung_b"].any()
    columns = [np.nonzero(result[key])[2] for key in ("lung_a", "lung_b")]
    assert min(columns[0].max(), columns[1].max()) < 30 <= max(columns[0].min(), columns[1].min())
    assert lungs[15, 30, 15]  # the nodule is a filled hole
    assert not (lungs & ~result["hull"]).any()
    assert not (result["hull"] & ~result["dilated"]).any()
    masked = result["masked"]
    assert (masked[~result["dilated"]] == 170).all()
    assert masked[15, 30, 15] == result["grey"][15, 30, 15] == 212
    assert (masked[~lungs] <= 210).all()
    assert result["cropped"].dtype == np.uint8
    lungs_of_20_18_38 = {"corner aligned": (91, 49, 89), "exact": (100, 56, 96)}
    assert result["cropped"].shape == lungs_of_20_18_38[preset.working_grid]


def test_a_mask_that_never_splits_keeps_every_part():
    preset = replace(PAPER, volume_range_l=(0.01, 7.5), big_slice_area_mm2=500.0)
    hu = np.full((20, 60, 60), TISSUE, dtype=np.int16)
    hu[5:15, 15:45, 5:25] = AIR
    hu[8:12, 24:32, 30:40] = AIR  # far smaller, but a component of its own: 0.01 L
    result = preprocessing.preprocess(hu, np.array([4.0, 2.0, 2.0]), preset)
    assert not result["lung_b"].any()
    assert result["lung_a"][10, 30, 15]
    assert np.array_equal(result["lung_a"], result["filled"])
