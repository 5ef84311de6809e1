"""The synthetic chest is reproducible, anatomically arranged, and tells the truth about itself."""

import numpy as np
import pytest

from LungCancerDxLib.phantom.nodules.nodule import SyntheticNodule
from LungCancerDxLib.phantom.patient import synthetic_chest
from LungCancerDxLib.volume import index_to_world, world_to_index

pytestmark = pytest.mark.slow

COARSE = (5.0, 2.0, 2.0)
LEFT, RIGHT = 1, 2


def chest(seed=3, **options):
    return synthetic_chest(np.random.default_rng(seed), **{"spacing_mm_kji": COARSE, **options})


@pytest.fixture(scope="module")
def patient():
    return chest()


def litres(patient, label):
    return np.count_nonzero(patient.lungs == label) * np.prod(patient.volume.spacing_mm_kji) / 1e6


def test_the_same_seed_gives_the_same_patient_and_scan(patient):
    again = chest()
    np.testing.assert_array_equal(again.volume.voxels, patient.volume.voxels)
    np.testing.assert_array_equal(again.lungs, patient.lungs)
    assert again.nodules == patient.nodules


def test_another_seed_gives_another_anatomy_and_other_nodules(patient):
    other = chest(seed=4)
    assert not np.array_equal(other.lungs, patient.lungs)
    assert other.nodules != patient.nodules


def test_the_scan_is_in_canonical_order_with_the_asked_spacing(patient):
    volume = patient.volume
    assert volume.axis_order().axes == (0, 1, 2)
    assert volume.axis_order().flipped == (False, False, False)
    np.testing.assert_allclose(volume.spacing_mm_kji, COARSE)
    assert volume.info["path"] == "synthetic"
    assert patient.lungs.shape == volume.shape_kji


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_lung_volumes_are_those_of_an_adult_with_the_left_lung_smaller(seed):
    patient = chest(seed)
    left, right = litres(patient, LEFT), litres(patient, RIGHT)
    assert 2.5 < left + right < 7.0
    assert 0.44 < left / (left + right) < 0.51


def test_the_left_lung_lies_at_larger_i_and_at_positive_lps_x(patient):
    left, right = (np.argwhere(patient.lungs == label) for label in (LEFT, RIGHT))
    assert left[:, 2].min() > right[:, 2].max()
    assert index_to_world(patient.volume.kji_to_lps, left)[:, 0].min() > 0
    assert index_to_world(patient.volume.kji_to_lps, right)[:, 0].max() < 0


def test_lungs_are_aerated_and_closed_to_all_faces_of_the_scan(patient):
    assert -920 < np.median(patient.volume.voxels[patient.lungs > 0]) < -800
    inner = np.zeros(patient.lungs.shape, dtype=bool)
    inner[1:-1, 1:-1, 1:-1] = True
    assert not patient.lungs[~inner].any()


def test_the_air_around_the_body_reaches_all_corners(patient):
    last = np.array(patient.lungs.shape) - 1
    corners = patient.volume.voxels[:: last[0], :: last[1], :: last[2]]
    assert corners.size == 8
    assert corners.max() < -900


def test_the_trachea_is_open_above_the_carina_and_the_aorta_runs_left_of_the_spine(patient):
    def hu(point_lps_mm):
        k, j, i = np.round(world_to_index(patient.volume.kji_to_lps, point_lps_mm)).astype(int)
        return patient.volume.voxels[k, j - 1 : j + 2, i - 1 : i + 2].mean()

    def place(x, y, z):
        scale = patient.record["body"]["scale_xyz"]
        return np.multiply((x, y, z), scale)

    assert hu(place(0, 13, 30)) < -700
    assert 0 < hu(place(20, 38, -60)) < 80
    assert hu(place(-55, 38, -60)) < -500


def test_noise_in_the_air_is_that_of_a_scanner_and_edges_are_not_razor_sharp(patient):
    middle = np.array(patient.lungs.shape) // 2
    across_lung_and_muscle = patient.volume.voxels[middle[0], middle[1]]
    assert np.any((across_lung_and_muscle > -600) & (across_lung_and_muscle < -250))
    air = patient.volume.voxels[:, :8, :12]
    assert 4 < air[air > -1024].std() < 20


def test_a_patient_of_no_population_has_three_or_four_nodules_in_the_lungs(patient):
    assert len(patient.nodules) in (3, 4)
    for nodule in patient.nodules:
        k, j, i = np.round(world_to_index(patient.volume.kji_to_lps, nodule.center_lps_mm)).astype(int)
        around = patient.lungs[k - 1 : k + 2, j - 1 : j + 2, i - 1 : i + 2]
        assert around.any()


FINE = {"spacing_mm_kji": (1.0, 1.0, 1.0), "z_range_mm": (0.0, 23.0)}


@pytest.fixture(scope="module")
def without():
    return chest(nodules=(), **FINE)


@pytest.mark.parametrize("hu", [40.0, -600.0, 400.0])
def test_a_nodule_is_a_ball_of_the_given_centre_diameter_and_density(hu, without):
    nodule = SyntheticNodule(center_lps_mm=(-93.3, -21.7, 11.4), diameter_mm=18.0, hu=hu)
    with_it = chest(nodules=[nodule], **FINE)
    change = with_it.volume.voxels.astype(float) - without.volume.voxels
    different = np.abs(change) > 0.35 * (hu + 870)
    centre = world_to_index(with_it.volume.kji_to_lps, nodule.center_lps_mm)
    np.testing.assert_allclose(np.argwhere(different).mean(axis=0), centre, atol=0.8)
    k, j, i = np.round(centre).astype(int)
    assert abs(with_it.volume.voxels[k - 2 : k + 3, j - 2 : j + 3, i - 2 : i + 3].mean() - hu) < 20
    ball = np.pi / 6 * nodule.diameter_mm**3
    assert np.count_nonzero(change > (hu + 870) / 2) == pytest.approx(ball, rel=0.15)
    np.testing.assert_array_equal(with_it.lungs, without.lungs)


def test_a_patient_is_the_same_on_a_finer_grid(patient):
    finer = chest(spacing_mm_kji=(3.0, 1.4, 1.4))
    assert finer.nodules == patient.nodules
    centres = np.moveaxis(np.indices(patient.lungs.shape), 0, -1)
    points = index_to_world(patient.volume.kji_to_lps, centres)
    k, j, i = np.moveaxis(np.round(world_to_index(finer.volume.kji_to_lps, points)).astype(int), -1, 0)
    last = np.array(finer.lungs.shape) - 1
    seen = finer.lungs[np.clip(k, 0, last[0]), np.clip(j, 0, last[1]), np.clip(i, 0, last[2])]
    for label in (LEFT, RIGHT):
        here, there = patient.lungs == label, seen == label
        assert 2 * np.count_nonzero(here & there) / (here.sum() + there.sum()) > 0.95


def test_an_absent_lung_is_soft_tissue_and_the_other_is_untouched(patient):
    without_left = chest(left_lung=False)
    was_left = patient.lungs == LEFT
    assert not np.any(without_left.lungs == LEFT)
    np.testing.assert_array_equal(without_left.lungs == RIGHT, patient.lungs == RIGHT)
    assert np.mean(without_left.volume.voxels[was_left] > -150) > 0.95
    assert all(nodule.center_lps_mm[0] < 0 for nodule in without_left.nodules)


def test_without_lungs_there_are_no_nodules():
    neither = chest(left_lung=False, right_lung=False)
    assert neither.nodules == ()
    assert not neither.lungs.any()


@pytest.mark.parametrize("z_range_mm", [(20.0, 200.0), (-60.0, 10.0), (-300.0, -80.0)])
def test_a_slab_is_the_same_scan_cut(patient, z_range_mm):
    slab = chest(z_range_mm=z_range_mm)
    z = index_to_world(patient.volume.kji_to_lps, np.arange(patient.lungs.shape[0])[:, None] * [1, 0, 0])[:, 2]
    cut = (z >= z_range_mm[0]) & (z <= z_range_mm[1])
    np.testing.assert_array_equal(slab.volume.voxels, patient.volume.voxels[cut])
    np.testing.assert_array_equal(slab.lungs, patient.lungs[cut])
    assert slab.volume.kji_to_lps[2, 3] == z[cut][0]
    assert slab.nodules == patient.nodules


def test_a_slab_outside_the_patient_is_refused():
    with pytest.raises(ValueError, match="no slice within"):
        chest(z_range_mm=(500.0, 600.0))
