"""The oracle of the lung mask on arrays small enough to know the answer by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from LungCancerDxLib.preset import GRT123, PAPER
from Testing.Oracles import lung_mask, preprocessing
from Testing.Oracles.blocks import AIR, TISSUE, UNIT, block


def test_air_keeps_the_compact_and_drops_the_small_and_the_thin():
    hu = np.full((1, 60, 60), TISSUE, dtype=np.int16)
    hu[0, 5:25, 5:25] = AIR
    hu[0, 40:45, 40:45] = AIR  # 25 mm2
    hu[0, 55:57, 0:60] = AIR  # thin: eccentricity near 1
    air = preprocessing.air_components_per_slice(hu, UNIT, PAPER)
    assert air[0, 6:24, 6:24].all()
    air[0, 5:25, 5:25] = False
    assert not air.any()
    # on larger pixels the same 5 x 5 pixels are large enough
    assert preprocessing.air_components_per_slice(hu, np.array([1.0, 1.5, 1.5]), PAPER)[0, 42, 42]


def test_air_joins_pixels_that_touch_at_a_corner():
    hu = np.full((1, 40, 40), TISSUE, dtype=np.int16)
    hu[0, 10:15, 10:15] = AIR
    hu[0, 15:20, 15:20] = AIR
    flat = replace(PAPER, gaussian_sigma_px=1e-3)  # no smoothing
    assert preprocessing.air_components_per_slice(hu, UNIT, flat).sum() == 50


def test_air_threshold_is_strict():
    hu = np.full((1, 20, 20), -600, dtype=np.int16)
    assert not preprocessing.air_components_per_slice(hu, UNIT, PAPER).any()
    assert preprocessing.air_components_per_slice(hu - np.int16(1), UNIT, PAPER).all()


def test_circle_is_blanked_only_in_a_square_slice_with_a_blank_corner():
    hu = np.full((1, 41, 41), AIR, dtype=np.int16)
    assert preprocessing.air_components_per_slice(hu, UNIT, PAPER).all()
    air = preprocessing.air_components_per_slice(hu, UNIT, GRT123)[0]
    # along the middle row the circle holds every pixel, but nowhere near the corners
    assert air[20, 20]
    assert not air[:6, :6].any()
    # NaN spreads by the two pixels of the filter: row 2 is inside the circle between columns 11 and 29
    inside = ~lung_mask.outside_inscribed_circle(41)
    assert np.flatnonzero(inside[2]).tolist() == list(range(11, 30))
    assert np.array_equal(air, ndimage.binary_erosion(inside, np.ones((5, 5)), border_value=1))
    speckled = hu.copy()
    speckled[0, 0, 0] = AIR - 1
    assert preprocessing.air_components_per_slice(speckled, UNIT, GRT123).all()
    assert preprocessing.air_components_per_slice(hu[:, :, :40], UNIT, GRT123).all()


LUNG_SIZED = replace(PAPER, volume_range_l=(0.001, 0.01), big_slice_area_mm2=80.0, max_central_distance_mm=12.0)


def test_lung_is_of_the_right_volume_and_central():
    lung = ((5, 20, 12), (15, 30, 22))  # 1 ml = 0.001 L, slices of 100 mm2
    far = ((5, 45, 45), (15, 55, 55))
    small = ((5, 35, 25), (14, 45, 35))  # 0.0009 L
    air = block((20, 60, 60), lung, far, small)
    found = preprocessing.lung_components(air, UNIT, LUNG_SIZED)
    assert np.array_equal(found, block(air.shape, lung))
    # the area must exceed the limit, and without a big slice nothing is lung
    assert not preprocessing.lung_components(air, UNIT, replace(LUNG_SIZED, big_slice_area_mm2=100.0)).any()
    # nearest pixel centre: rows reach 29 of 0..59, columns 21, the centre is 29.5, 29.5: hypot(0.5, 8.5)
    nearest = np.hypot(0.5, 8.5)
    assert lung_mask.mean_central_distance_mm(block(air.shape, lung), UNIT, LUNG_SIZED) == pytest.approx(nearest)
    assert not preprocessing.lung_components(air, UNIT, replace(LUNG_SIZED, max_central_distance_mm=nearest)).any()


def test_central_distance_is_in_mm_and_averaged_over_the_big_slices():
    mask = block((3, 60, 60), ((0, 25, 10), (1, 35, 20)), ((1, 25, 20), (2, 35, 28)), ((2, 0, 0), (3, 2, 2)))
    # columns 19 and 27: 10.5 and 2.5 pixels of 2 mm off; rows 0.5 pixels of 1 mm; the third slice is small
    expected = (np.hypot(0.5, 21.0) + np.hypot(0.5, 5.0)) / 2
    assert lung_mask.mean_central_distance_mm(mask, np.array([1.0, 1.0, 2.0]), LUNG_SIZED) == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.parametrize("touched", [(0, 0, 0), (0, 0, 59), (0, 59, 30), (0, 0, 30), (19, 59, 59), (19, 59, 0)])
def test_components_at_corners_and_mid_column_edges_are_outer_air(touched):
    assert preprocessing.lung_components(bridged_to(touched), UNIT, LOOSE).sum() == 0


@pytest.mark.parametrize("touched", [(0, 0, 29), (0, 30, 0), (10, 0, 0), (18, 59, 30)])
def test_other_edge_pixels_do_not_matter(touched):
    assert preprocessing.lung_components(bridged_to(touched), UNIT, LOOSE).any()


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
    assert not preprocessing.lung_components(air, UNIT, replace(LUNG_SIZED, top_slices_per_cut=100)).any()
    found = preprocessing.lung_components(air, UNIT, LUNG_SIZED)  # the second search leaves out two slices
    assert np.array_equal(found[:19], air[:19])
    # slice 19 is two steps away from slice 17, so nothing but the lung's own square comes back
    assert np.array_equal(found[19], block(air.shape, lung)[19])
    # five slices at once: 15 is one step away, 19 five, of which none is left to go sideways; slice 18 is all lung
    found = preprocessing.lung_components(air, UNIT, replace(LUNG_SIZED, top_slices_per_cut=5))
    assert np.array_equal(found, block(air.shape, lung))


def test_air_given_back_must_be_near_and_connected():
    lung = ((5, 20, 20), (18, 30, 30))
    found = block((20, 60, 60), lung)
    air = found.copy()
    air[18, 25, 20:34] = True  # on top of the lung and 4 pixels beyond it
    air[19, 25, 33] = True
    air[18, 22, 31] = True  # three steps from slice 17, column 29
    air[18, 27, 30] = True  # two steps from it, but touching it by an edge only
    given_back = lung_mask.with_top_slices(found, air, 2)
    expected = found.copy()
    expected[18, 25, 20:31] = True  # column 30 is two steps from slice 17, column 29
    assert np.array_equal(given_back, expected)


def test_nothing_found_is_an_empty_mask():
    air = np.zeros((5, 20, 20), dtype=bool)
    assert not preprocessing.lung_components(air, UNIT, PAPER).any()


def test_fill_holes_fills_what_the_corners_cannot_reach():
    shell = block((9, 9, 9), ((2, 2, 2), (7, 7, 7)))
    solid = shell.copy()
    shell[4, 4, 4] = False
    assert np.array_equal(preprocessing.fill_holes(shell), solid)
    # a hole that reaches a face of the volume, but no corner, is filled; one that leaks over a corner is not
    wall = block((9, 9, 9), ((0, 2, 2), (7, 7, 7)))
    dented = wall.copy()
    dented[0, 4, 4] = False
    assert np.array_equal(preprocessing.fill_holes(dented), wall)
    leaking = shell.copy()
    leaking[3, 3, 3] = leaking[2, 2, 2] = False
    assert np.array_equal(preprocessing.fill_holes(leaking), leaking)
    # a corner of the volume that is mask does not make the mask outside
    assert preprocessing.fill_holes(np.ones((3, 3, 3), dtype=bool)).all()
