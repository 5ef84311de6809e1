"""A nodule inserted into a scan looks as that scanner shows things, and the rest of the scan stays as it was."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from LungCancerDxLib.phantom.insertion import insert_into_preprocessed, insert_nodules
from LungCancerDxLib.phantom.nodules.nodule import SyntheticNodule, nodule_mask
from LungCancerDxLib.phantom.scanner.image_quality import ImageQuality, scan_image_quality
from LungCancerDxLib.preset import DEFAULT
from LungCancerDxLib.volume import CTVolume, index_to_world, world_to_index

SPACING = np.array([2.0, 1.0, 1.0])
SHAPE = (44, 100, 100)
BLUR_MM, NOISE_HU, GRAIN = (1.2, 0.9, 0.9), 25.0, (0.3, 0.6, 0.6)
CENTER = (12.0, -3.0, 5.0)
AFFINE = np.array([[0, 0, 1.0, -49.5], [0, 1.0, 0, -49.5], [2.0, 0, 0, -43.0], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def scan():
    """A lung in a wall, with a vessel along y at x = 12, z = 5: blurred and noisy as given above."""
    index = np.moveaxis(np.indices(SHAPE), 0, -1)
    x, y, z = np.moveaxis(index_to_world(AFFINE, index), -1, 0)
    lungs = (x / 42) ** 2 + (y / 42) ** 2 + (z / 36) ** 2 < 1
    true = np.where(lungs, -850.0, 40.0)
    true[np.hypot(x - 12, z - 5) < 2.2] = 60.0
    noise = gaussian_filter(np.random.default_rng(0).standard_normal(SHAPE), GRAIN)
    seen = gaussian_filter(true, BLUR_MM / SPACING) + noise * (NOISE_HU / noise.std())
    return CTVolume(np.rint(seen).astype(np.int16), AFFINE), lungs.astype(np.uint8)


@pytest.fixture(scope="module")
def quality(scan):
    return scan_image_quality(*scan)


def inserted(scan, quality, **what):
    nodule = SyntheticNodule(**{"center_lps_mm": CENTER, "diameter_mm": 14.0, "seed": 3, **what})
    changed, masks = insert_nodules(scan[0], [nodule], scan[1], quality=quality)
    return nodule, changed.voxels.astype(float), masks


def deep_inside(nodule, radius_mm):
    index = np.moveaxis(np.indices(SHAPE), 0, -1)
    return np.linalg.norm(index_to_world(AFFINE, index) - nodule.center_lps_mm, axis=-1) < radius_mm


def test_the_image_quality_of_a_scan_is_measured(quality):
    np.testing.assert_allclose(quality.blur_mm_kji, np.sqrt(np.square(BLUR_MM) + SPACING**2 / 12), rtol=0.25)
    assert quality.noise_hu == pytest.approx(NOISE_HU, rel=0.15)
    np.testing.assert_allclose(quality.grain_kji, GRAIN, atol=0.2)


def test_a_scan_without_edges_or_soft_tissue_gets_ordinary_values():
    voxels = np.full((20, 30, 30), -850, dtype=np.int16)
    quality = scan_image_quality(CTVolume(voxels, AFFINE), np.ones(voxels.shape, np.uint8))
    assert all(0.3 < blur / step < 1 for blur, step in zip(quality.blur_mm_kji, SPACING, strict=True))
    assert 5 < quality.noise_hu < 50
    assert quality.grain_kji == (0.0, 0.0, 0.0)


def test_everything_outside_a_margin_is_untouched(scan, quality):
    nodule, voxels, masks = inserted(scan, quality)
    far = ~deep_inside(nodule, nodule.diameter_mm / 2 + 8)
    np.testing.assert_array_equal(voxels[far], scan[0].voxels[far])
    assert not masks[far].any()
    assert np.abs(voxels - scan[0].voxels).max() > 500


def test_inserting_nothing_changes_nothing_and_the_source_stays_as_it_was(scan, quality):
    before = scan[0].voxels.copy()
    unchanged, masks = insert_nodules(scan[0], [], scan[1], quality=quality)
    inserted(scan, quality)
    np.testing.assert_array_equal(unchanged.voxels, before)
    np.testing.assert_array_equal(scan[0].voxels, before)
    assert not masks.any()


def test_the_masks_are_the_nodules_own(scan, quality):
    nodule, _, masks = inserted(scan, quality, margin="spiculated")
    np.testing.assert_array_equal(masks > 0, nodule_mask(nodule, AFFINE, SHAPE))
    assert masks.max() == 1


def test_a_solid_nodule_has_its_density_and_the_noise_of_the_scan(scan, quality):
    nodule, voxels, _ = inserted(scan, quality, hu=-20.0, center_lps_mm=(-8.0, 0.0, -2.0), diameter_mm=22.0)
    inside = voxels[deep_inside(nodule, 6.0)]
    assert inside.mean() == pytest.approx(-20, abs=15)
    assert quality.noise_hu / 1.5 < inside.std() < quality.noise_hu * 1.5


def test_its_edge_is_as_soft_as_the_scan(scan, quality):
    sharp = ImageQuality((0.3, 0.3, 0.3), quality.noise_hu, quality.grain_kji)
    place = {"center_lps_mm": (-8.0, 0.0, -2.0), "diameter_mm": 22.0}

    def between(with_quality):
        nodule, voxels, _ = inserted(scan, with_quality, **place)
        return np.count_nonzero((voxels > -700) & (voxels < -100) & deep_inside(nodule, 15.0))

    assert between(quality) > 1.2 * between(sharp)


def test_a_vessel_runs_on_through_ground_glass_but_not_through_a_solid_nodule(scan, quality):
    k, j, i = np.rint(world_to_index(AFFINE, np.array(CENTER))).astype(int)
    row = np.s_[k, j - 4 : j + 5, i]
    _, glass, _ = inserted(scan, quality, kind="ground-glass", hu=-600.0)
    assert glass[row].mean() == pytest.approx(scan[0].voxels[row].mean(), abs=25)
    beside = np.s_[k, j - 2 : j + 3, i + 5]
    assert glass[beside].mean() == pytest.approx(-600, abs=120)
    _, cavity, _ = inserted(scan, quality, kind="cavitated", hu=30.0, diameter_mm=24.0)
    assert cavity[row].mean() < -600


def test_the_same_insertion_gives_the_same_scan(scan, quality):
    np.testing.assert_array_equal(inserted(scan, quality)[1], inserted(scan, quality)[1])
    assert not np.array_equal(inserted(scan, quality)[1], inserted(scan, quality, seed=4)[1])


def test_a_part_of_the_networks_image_gets_what_the_whole_gets_and_filled_tissue_stays():
    affine = np.array([[0, 0, 1.0, 0], [0, 1.0, 0, 0], [1.0, 0, 0, 0], [0, 0, 0, 1]])
    image = np.full((60, 64, 70), 50, np.uint8)
    image[:, :, :20] = DEFAULT.tissue_value
    quality = ImageQuality((0.8, 0.8, 0.8), 20.0, (0.5, 0.5, 0.5))
    nodule = SyntheticNodule((26.0, 30.0, 30.0), 16.0, hu=40.0, seed=1)
    whole = insert_into_preprocessed(image, affine, [nodule], quality)
    assert whole[26:34, 26:34, 22:30].mean() == pytest.approx((40 + 1200) * 255 / 1800, abs=5)
    np.testing.assert_array_equal(whole[:, :, :20], DEFAULT.tissue_value)
    moved = affine.copy()
    moved[:3, 3] = (4.0, 6.0, 8.0)
    part = insert_into_preprocessed(image[8:56, 6:60, 4:], moved, [nodule], quality)
    np.testing.assert_array_equal(part, whole[8:56, 6:60, 4:])
    assert insert_into_preprocessed(image, affine, [], quality) is not image
