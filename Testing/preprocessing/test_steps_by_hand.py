"""Each step of the preprocessing on arrays small enough to know the answer by hand (III-B)."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from LungCancerDxLib.preprocessing.hull import dilate_lungs, hull_lung
from LungCancerDxLib.preprocessing.lung_mask import air_components, fill_holes, lung_components
from LungCancerDxLib.preprocessing.lung_split import clean_lung, split_lungs
from LungCancerDxLib.preprocessing.working_grid import mask_grey, to_grey
from LungCancerDxLib.preset import GRT123, PAPER

UNIT = np.ones(3)
AIR, TISSUE = -1000, 0


def block(shape, *corners):
    """A mask with one box of ones per (low, high) pair."""
    mask = np.zeros(shape, dtype=bool)
    for low, high in corners:
        mask[low[0] : high[0], low[1] : high[1], low[2] : high[2]] = True
    return mask


def test_air_keeps_the_compact_and_drops_the_small_and_the_thin():
    hu = np.full((1, 60, 60), TISSUE, dtype=np.int16)
    hu[0, 5:25, 5:25] = AIR
    hu[0, 40:45, 40:45] = AIR  # 25 mm2
    hu[0, 55:57, 0:60] = AIR  # thin: eccentricity near 1
    air = air_components(hu, UNIT, PAPER)
    assert air[0, 6:24, 6:24].all()
    air[0, 5:25, 5:25] = False
    assert not air.any()
    # on larger pixels the same 5 x 5 pixels are large enough
    assert air_components(hu, np.array([1.0, 1.5, 1.5]), PAPER)[0, 42, 42]


def test_air_joins_pixels_that_touch_at_a_corner():
    hu = np.full((1, 40, 40), TISSUE, dtype=np.int16)
    hu[0, 10:15, 10:15] = AIR
    hu[0, 15:20, 15:20] = AIR
    flat = replace(PAPER, gaussian_sigma_px=1e-3)  # no smoothing
    assert air_components(hu, UNIT, flat).sum() == 50


def test_air_threshold_is_strict():
    hu = np.full((1, 20, 20), -600, dtype=np.int16)
    assert not air_components(hu, UNIT, PAPER).any()
    assert air_components(hu - np.int16(1), UNIT, PAPER).all()


def test_circle_is_blanked_only_in_a_square_slice_with_a_blank_corner():
    hu = np.full((1, 41, 41), AIR, dtype=np.int16)
    assert air_components(hu, UNIT, PAPER).all()
    air = air_components(hu, UNIT, GRT123)[0]
    # along the middle row the circle holds every pixel, but nowhere near the corners
    assert air[20, 20]
    assert not air[:6, :6].any()
    # NaN spreads by the two pixels of the filter: row 2 is inside the circle between columns 11 and 29
    inside = np.hypot(*(np.indices((41, 41)) - 20.0)) < 20.5
    assert np.flatnonzero(inside[2]).tolist() == list(range(11, 30))
    assert np.array_equal(air, ndimage.binary_erosion(inside, np.ones((5, 5)), border_value=1))
    speckled = hu.copy()
    speckled[0, 0, 0] = AIR - 1
    assert air_components(speckled, UNIT, GRT123).all()
    assert air_components(hu[:, :, :40], UNIT, GRT123).all()


LUNG_SIZED = replace(PAPER, volume_range_l=(0.001, 0.01), big_slice_area_mm2=80.0, max_central_distance_mm=12.0)


def test_lung_is_of_the_right_volume_and_central():
    lung = ((5, 20, 12), (15, 30, 22))  # 1 ml = 0.001 L, slices of 100 mm2
    far = ((5, 45, 45), (15, 55, 55))
    small = ((5, 35, 25), (14, 45, 35))  # 0.0009 L
    air = block((20, 60, 60), lung, far, small)
    found = lung_components(air, UNIT, LUNG_SIZED)
    assert np.array_equal(found, block(air.shape, lung))
    # the area must exceed the limit, and without a big slice nothing is lung
    assert not lung_components(air, UNIT, replace(LUNG_SIZED, big_slice_area_mm2=100.0)).any()
    # nearest pixel centre: rows reach 29 of 0..59, columns 21, the centre is 29.5, 29.5: hypot(0.5, 8.5)
    nearest = np.hypot(0.5, 8.5)
    assert not lung_components(air, UNIT, replace(LUNG_SIZED, max_central_distance_mm=nearest)).any()


@pytest.mark.slow
@pytest.mark.parametrize("touched", [(0, 0, 0), (0, 0, 59), (0, 59, 30), (0, 0, 30), (19, 59, 59), (19, 59, 0)])
def test_components_at_corners_and_mid_column_edges_are_outer_air(touched):
    assert lung_components(bridged_to(touched), UNIT, LOOSE).sum() == 0


@pytest.mark.parametrize("touched", [(0, 0, 29), (0, 30, 0), (10, 0, 0), (18, 59, 30)])
def test_other_edge_pixels_do_not_matter(touched):
    assert lung_components(bridged_to(touched), UNIT, LOOSE).any()


LOOSE = replace(LUNG_SIZED, max_central_distance_mm=1000.0, top_slices_per_cut=100)  # no second search


def bridged_to(touched):
    """A lung-sized block with a thin path (6-connected) to one voxel."""
    air = block((20, 60, 60), ((5, 20, 12), (15, 30, 22)))
    k, j, i = touched
    air[min(k, 10) : max(k, 10) + 1, 25, 17] = True
    air[k, min(j, 25) : max(j, 25) + 1, 17] = True
    air[k, j, min(i, 17) : max(i, 17) + 1] = True
    return air


def test_lung_open_on_top_is_found_by_cutting_and_given_its_top_back():
    lung = ((5, 20, 20), (20, 30, 30))
    air = block((20, 60, 60), lung, ((19, 0, 0), (20, 60, 60)))  # the top slice is all air
    assert not lung_components(air, UNIT, replace(LUNG_SIZED, top_slices_per_cut=100)).any()
    found = lung_components(air, UNIT, LUNG_SIZED)  # the second search leaves out two slices
    assert np.array_equal(found[:19], air[:19])
    # slice 19 is two steps away from slice 17, so nothing but the lung's own square comes back
    assert np.array_equal(found[19], block(air.shape, lung)[19])
    # five slices at once: 15 is one step away, 19 five, of which none is left to go sideways; slice 18 is all lung
    found = lung_components(air, UNIT, replace(LUNG_SIZED, top_slices_per_cut=5))
    assert np.array_equal(found, block(air.shape, lung))


def test_nothing_found_is_an_empty_mask():
    air = np.zeros((5, 20, 20), dtype=bool)
    assert not lung_components(air, UNIT, PAPER).any()


def test_fill_holes_fills_what_the_corners_cannot_reach():
    shell = block((9, 9, 9), ((2, 2, 2), (7, 7, 7)))
    solid = shell.copy()
    shell[4, 4, 4] = False
    assert np.array_equal(fill_holes(shell), solid)
    # a hole that reaches a face of the volume, but no corner, is filled; one that leaks over a corner is not
    wall = block((9, 9, 9), ((0, 2, 2), (7, 7, 7)))
    dented = wall.copy()
    dented[0, 4, 4] = False
    assert np.array_equal(fill_holes(dented), wall)
    leaking = shell.copy()
    leaking[3, 3, 3] = leaking[2, 2, 2] = False
    assert np.array_equal(fill_holes(leaking), leaking)
    # a corner of the volume that is mask does not make the mask outside
    assert fill_holes(np.ones((3, 3, 3), dtype=bool)).all()


def test_two_lungs_joined_by_a_bridge_are_split_in_its_middle():
    mask = block((9, 9, 25), ((1, 1, 1), (8, 8, 8)), ((1, 1, 16), (8, 8, 23)), ((4, 4, 8), (5, 5, 16)))
    right, left = sorted(split_lungs(mask, UNIT, PAPER), key=lambda lung: np.nonzero(lung)[2].min())
    # cores end at columns 6 and 17; columns 8..11 are nearer to the first, 12..15 to the second; 11.5 is no voxel
    assert np.array_equal(right, mask & (np.arange(25) <= 11))
    assert np.array_equal(left, mask & (np.arange(25) >= 12))


def test_split_measures_in_mm():
    mask = np.zeros((1, 6, 8), dtype=bool)
    mask[0, 2:6, 2] = True  # the larger core
    mask[0, 0, 5:8] = True  # the smaller one
    mask[0, 0, 2] = True  # 2 rows from the larger, 3 columns from the smaller
    for spacing, wins in ((UNIT, 0), (np.array([1.0, 2.0, 1.0]), 1)):
        assert split_lungs(mask, spacing, PAPER)[wins][0, 0, 2]
        assert not split_lungs(mask, spacing, PAPER)[1 - wins][0, 0, 2]


def test_split_ratio_is_strict_and_one_lung_stays_whole():
    mask = block((1, 1, 12), ((0, 0, 0), (1, 1, 10)), ((0, 0, 11), (1, 1, 12)))
    mask[0, 0, 5:9] = False  # 5 + 1 + 1 voxels
    whole, nothing = split_lungs(mask, UNIT, GRT123)
    assert np.array_equal(whole, mask)
    assert not nothing.any()
    lung_a, lung_b = split_lungs(mask, UNIT, replace(GRT123, max_split_ratio=5.01))
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
    cleaned = clean_lung(lung, PAPER)
    assert np.array_equal(cleaned, expected)  # the 4 pixels pass the slice but are no part of the largest 3D component
    lung[0, 17:19, 12:14] = lung[0, 19, 13] = True  # now attached through the slice below
    assert clean_lung(lung, PAPER)[1, 17:19, 12:14].all()


def test_clean_lung_keeps_the_fewest_components_that_cover_enough():
    image = np.zeros((10, 40), dtype=bool)
    image[0:2, 0:30] = True  # 60
    image[5, 0:35] = True  # 35: together 95 of 100
    image[8, 0:5] = True  # 5
    lung = np.stack([image, np.ones_like(image)])  # the slice above holds all of them together
    assert not clean_lung(lung, PAPER)[0, 8].any()
    assert clean_lung(lung, replace(PAPER, slice_cover=0.951))[0, 8, :5].all()
    assert not clean_lung(np.zeros((2, 5, 5), dtype=bool), PAPER).any()


def test_hull_replaces_a_slice_unless_it_is_too_large():
    lung = np.zeros((3, 30, 30), dtype=bool)
    lung[0, 5:15, 5:15] = True
    lung[0, 8:12, 11:15] = False  # a bay of 16 of 100 pixels
    lung[1, 5:25, 5:8] = lung[1, 22:25, 5:25] = True  # a thin L: its hull is more than twice its area
    hull = hull_lung(lung, PAPER)
    assert hull[0].sum() == 100
    assert np.array_equal(hull[1], lung[1])
    assert not hull[2].any()
    assert hull_lung(lung, replace(PAPER, max_hull_ratio=100.0))[1].sum() > 2 * lung[1].sum()
    # the hull may be exactly that much larger: 100 of 80 pixels
    lung[0, 8:12, 10:15] = False
    assert hull_lung(lung, replace(PAPER, max_hull_ratio=1.25))[0].sum() == 100
    assert hull_lung(lung, replace(PAPER, max_hull_ratio=1.249))[0].sum() == 80


def test_cross_dilation_counts_steps_on_the_ct_grid():
    mask = np.zeros((9, 9, 9), dtype=bool)
    mask[4, 4, 4] = True
    k, j, i = np.indices(mask.shape) - 4
    grown = dilate_lungs(mask, np.array([2.5, 0.7, 0.7]), replace(GRT123, dilation_voxels=3))
    assert np.array_equal(grown, abs(k) + abs(j) + abs(i) <= 3)


@pytest.mark.parametrize("at", [(4, 4, 4), (0, 8, 3)])
def test_ball_dilation_reaches_the_radius_in_mm(at):
    mask = np.zeros((9, 9, 9), dtype=bool)
    mask[at] = True
    spacing = np.array([2.5, 0.7, 1.25])
    k, j, i = (np.indices(mask.shape).T - at).T
    grown = dilate_lungs(mask, spacing, replace(PAPER, dilation_voxels=5))
    expected = (2.5 * k) ** 2 + (0.7 * j) ** 2 + (1.25 * i) ** 2 <= 25 + 1e-9
    assert expected[at[0] + 2, at[1], at[2]]  # exactly 5 mm away counts
    assert np.array_equal(grown, expected)


def test_grey_values_are_clipped_and_truncated():
    hu = np.array([-2048, -1200, -1193, -1192, -300, 0, 593, 600, 3071], dtype=np.int16)
    # 7 / 1800 * 255 = 0.99, 8 -> 1.13, 900 -> 127.5, 1200 -> 170, 1793 -> 254.008
    assert to_grey(hu, PAPER).tolist() == [0, 0, 0, 1, 127, 170, 254, 255, 255]


def test_masking_fills_the_outside_and_the_bone_around_the_lungs():
    grey = np.array([30, 250, 210, 211, 30, 250], dtype=np.uint8)
    dilated = np.array([0, 0, 1, 1, 1, 1], dtype=bool)
    lungs = np.array([0, 0, 0, 0, 0, 1], dtype=bool)
    assert mask_grey(grey, dilated, lungs, PAPER).tolist() == [170, 170, 210, 170, 30, 250]
