"""Places in a scan: depth from the pleura, vessels and bronchi where they are, and nothing near known lesions."""

import numpy as np
import pytest

from LungCancerDxLib.phantom.insertion import places_of_scan
from LungCancerDxLib.phantom.nodules.population import draw_nodule
from LungCancerDxLib.volume import CTVolume, index_to_world

AFFINE = np.array([[0, 0, 2.0, -120.0], [0, 2.0, 0, -70.0], [2.5, 0, 0, -80.0], [0, 0, 0, 1]])
SHAPE = (64, 70, 121)
VESSEL_XZ, LESION = (65.0, 10.0), (-65.0, 0.0, -20.0)


@pytest.fixture(scope="module")
def scan():
    """Two round lungs, a vessel along y in the left one, a trachea that forks into a bronchus towards each lung."""
    x, y, z = np.moveaxis(index_to_world(AFFINE, np.moveaxis(np.indices(SHAPE), 0, -1)), -1, 0)
    hu = np.full(SHAPE, 40.0)
    left, right = ((((x - side * 65) / 45) ** 2 + (y / 55) ** 2 + (z / 65) ** 2) < 1 for side in (1, -1))
    hu[left | right] = -850
    hu[np.hypot(x - VESSEL_XZ[0], z - VESSEL_XZ[1]) < 4] = 40
    hu[(np.hypot(x, y) < 8) & (z > 10)] = -1000
    hu[(np.abs(x) < 19) & (np.hypot(y, z - 8) < 6)] = -1000
    return CTVolume(hu.astype(np.int16), AFFINE), (left + 2 * right).astype(np.uint8)


@pytest.fixture(scope="module")
def places(scan):
    return places_of_scan(*scan, exclusion_regions=[(LESION, 12.0)])


@pytest.mark.slow
def test_depth_is_the_way_to_the_pleura_and_negative_outside(places):
    depth = places.depth_mm(np.array([(65.0, 0, 0), (85.0, 0, 0), (0.0, 40, -40), (65.0, 0, 100)]))
    np.testing.assert_allclose(depth[:2], [45, 25], atol=3)
    assert (depth[2:] < 0).all()


def test_the_box_holds_the_lungs(places):
    np.testing.assert_allclose(places.low_lps_mm, (-110, -55, -65), atol=4)
    np.testing.assert_allclose(places.high_lps_mm, (110, 55, 65), atol=4)


def test_vessels_and_bronchi_are_found_where_they_are(places):
    assert len(places.vessels) > 10
    off = np.hypot(places.vessels[:, 0] - VESSEL_XZ[0], places.vessels[:, 2] - VESSEL_XZ[1])
    assert off.max() < 3
    np.testing.assert_allclose(np.median(places.vessels[:, 3]), 4, atol=1.5)
    assert {-1.0, 1.0} <= set(np.sign(places.bronchi[:, 0]))
    assert np.abs(places.bronchi[:, 2] - 8).max() < 7


def test_the_upper_half_counts_as_upper_lobe(places):
    np.testing.assert_array_equal(places.upper(np.array([(60.0, 0, 30), (60.0, 0, -30)])), [True, False])


@pytest.mark.slow
def test_a_scan_without_airways_has_no_bronchi(scan):
    volume, lungs = scan
    voxels = np.where((lungs == 0) & (volume.voxels < -900), 40, volume.voxels).astype(np.int16)
    assert places_of_scan(CTVolume(voxels, AFFINE), lungs).bronchi.shape == (0, 4)


@pytest.mark.parametrize("place", ["isolated", "vessel", "pleura", "bronchus"])
def test_drawn_nodules_stay_away_from_known_lesions_and_from_each_other(places, place):
    rng = np.random.default_rng(1)
    for diameter in (5.0, 14.0, 24.0) * 4:
        nodule = draw_nodule(rng, places, diameter, place=place)
        gap = np.linalg.norm(np.subtract(nodule.center_lps_mm, LESION)) - 12.0 - diameter / 2
        assert gap >= 0
        assert places.depth_mm(np.array([nodule.center_lps_mm]))[0] > 0
