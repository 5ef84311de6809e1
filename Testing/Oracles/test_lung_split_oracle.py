"""The oracle of two lungs, hull and dilation on arrays small enough to know the answer by hand."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.preset import GRT123, PAPER
from Testing.Oracles import lung_mask, preprocessing
from Testing.Oracles.blocks import UNIT, block


def test_two_lungs_joined_by_a_bridge_are_split_in_its_middle():
    mask = block((9, 9, 25), ((1, 1, 1), (8, 8, 8)), ((1, 1, 16), (8, 8, 23)), ((4, 4, 8), (5, 5, 16)))
    lung_a, lung_b = preprocessing.split_lungs(mask, UNIT, PAPER)
    # cores end at columns 6 and 17; columns 8..11 are nearer to the first, 12..15 to the second; 11.5 is no voxel
    assert np.array_equal(lung_a, mask & (np.arange(25) <= 11))
    assert np.array_equal(lung_b, mask & (np.arange(25) >= 12))
    # a bridge one voxel longer has a middle voxel, which goes to neither
    mask = block((9, 9, 26), ((1, 1, 1), (8, 8, 8)), ((1, 1, 17), (8, 8, 24)), ((4, 4, 8), (5, 5, 17)))
    lung_a, lung_b = preprocessing.split_lungs(mask, UNIT, PAPER)
    assert np.argwhere(mask & ~lung_a & ~lung_b).tolist() == [[4, 4, 12]]


def test_split_measures_in_mm():
    mask = np.zeros((1, 6, 8), dtype=bool)
    mask[0, 2:6, 2] = True  # the larger core
    mask[0, 0, 5:8] = True  # the smaller one
    mask[0, 0, 2] = True  # 2 rows from the larger, 3 columns from the smaller
    for spacing, wins in ((UNIT, 0), (np.array([1.0, 2.0, 1.0]), 1)):
        assert preprocessing.split_lungs(mask, spacing, PAPER)[wins][0, 0, 2]
        assert not preprocessing.split_lungs(mask, spacing, PAPER)[1 - wins][0, 0, 2]


def test_split_ratio_is_strict_and_one_lung_stays_whole():
    mask = block((1, 1, 12), ((0, 0, 0), (1, 1, 10)), ((0, 0, 11), (1, 1, 12)))
    mask[0, 0, 5:9] = False  # 5 + 1 + 1 voxels
    whole, nothing = preprocessing.split_lungs(mask, UNIT, GRT123)
    assert np.array_equal(whole, mask)
    assert not nothing.any()
    lung_a, lung_b = preprocessing.split_lungs(mask, UNIT, replace(GRT123, max_split_ratio=5.01))
    assert lung_a[0, 0, :5].all()
    assert (lung_a | lung_b).sum() == 7


def test_clean_lung_keeps_main_components_and_what_their_hulls_hold():
    lung = np.zeros((3, 40, 40), dtype=bool)
    lung[:, 5:25, 5:10] = lung[:, 20:25, 5:25] = True  # an L of 175 pixels
    lung[1, 17:19, 12:14] = True  # 4 pixels in the L's hull, not attached to it
    lung[1, 5, 30] = True  # far away, less than 5 %
    lung[:, 8, 7] = False  # a hole
    expected = np.zeros_like(lung)
    expected[:, 5:25, 5:10] = expected[:, 20:25, 5:25] = True
    cleaned = preprocessing.clean_lung(lung, PAPER)
    assert np.array_equal(cleaned, expected)  # the 4 pixels pass the slice but are no part of the largest 3D component
    assert lung_mask.main_hulls(lung[1], PAPER)[17:19, 12:14].all()
    assert not lung_mask.main_hulls(lung[1], PAPER)[5, 30]
    lung[0, 17:19, 12:14] = lung[0, 19, 13] = True  # now attached through the slice below
    assert preprocessing.clean_lung(lung, PAPER)[1, 17:19, 12:14].all()


def test_clean_lung_keeps_the_fewest_components_that_cover_enough():
    image = np.zeros((10, 40), dtype=bool)
    image[0:2, 0:30] = True  # 60
    image[5, 0:35] = True  # 35: together 95 of 100
    image[8, 0:5] = True  # 5
    assert not lung_mask.main_hulls(image, PAPER)[8].any()
    assert lung_mask.main_hulls(image, replace(PAPER, slice_cover=0.951))[8, :5].all()
    assert not preprocessing.clean_lung(np.zeros((2, 5, 5), dtype=bool), PAPER).any()


def test_hull_replaces_a_slice_unless_it_is_too_large():
    lung = np.zeros((3, 30, 30), dtype=bool)
    lung[0, 5:15, 5:15] = True
    lung[0, 8:12, 11:15] = False  # a bay of 16 of 100 pixels
    lung[1, 5:25, 5:8] = lung[1, 22:25, 5:25] = True  # a thin L: its hull is more than twice its area
    hull = preprocessing.hull_lung(lung, PAPER)
    assert hull[0].sum() == 100
    assert np.array_equal(hull[1], lung[1])
    assert not hull[2].any()
    assert preprocessing.hull_lung(lung, replace(PAPER, max_hull_ratio=100.0))[1].sum() > 2 * lung[1].sum()
    # the hull may be exactly that much larger: 100 of 80 pixels
    lung[0, 8:12, 10:15] = False
    assert preprocessing.hull_lung(lung, replace(PAPER, max_hull_ratio=1.25))[0].sum() == 100
    assert preprocessing.hull_lung(lung, replace(PAPER, max_hull_ratio=1.249))[0].sum() == 80


def test_cross_dilation_counts_steps_on_the_ct_grid():
    mask = np.zeros((9, 9, 9), dtype=bool)
    mask[4, 4, 4] = True
    k, j, i = np.indices(mask.shape) - 4
    grown = preprocessing.dilate_lungs(mask, np.array([2.5, 0.7, 0.7]), replace(GRT123, dilation_voxels=3))
    assert np.array_equal(grown, abs(k) + abs(j) + abs(i) <= 3)


@pytest.mark.parametrize("at", [(4, 4, 4), (0, 8, 3)])
def test_ball_dilation_reaches_the_radius_in_mm(at):
    mask = np.zeros((9, 9, 9), dtype=bool)
    mask[at] = True
    spacing = np.array([2.5, 0.7, 1.25])
    k, j, i = (np.indices(mask.shape).T - at).T
    grown = preprocessing.dilate_lungs(mask, spacing, replace(PAPER, dilation_voxels=5))
    expected = (2.5 * k) ** 2 + (0.7 * j) ** 2 + (1.25 * i) ** 2 <= 25 + 1e-9
    assert expected[at[0] + 2, at[1], at[2]]  # exactly 5 mm away counts
    assert np.array_equal(grown, expected)
