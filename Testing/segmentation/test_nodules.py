"""Nodules on digital scenes: found, measured, cut free of what they touch, and not made up."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.preprocessing import CTLungs
from LungCancerDxLib.segmentation.nodules import segment_nodules
from LungCancerDxLib.volume import CTVolume, index_to_world
from Testing.segmentation.scenes import GLASS_HU, SOLID_HU, Scene, ball_mm3, dice, proposal

BALLS = [(6, (0.6, 0.6, 0.6)), (6, (2.5, 0.9, 0.9)), (14, (1.25, 0.9, 0.9)), (14, (2.5, 0.6, 0.6))]  # mm
CENTER = (0.4, -0.7, 0.9)


def segment(volume, labels, proposals, *progress):
    return segment_nodules(volume, CTLungs(labels, volume.kji_to_lps), proposals, *progress)


def segment_one(volume, lungs, *proposals):
    result = segment(volume, lungs, proposals)
    return result, result.nodules[0]


@pytest.fixture(scope="module")
def plain_scan():
    return Scene(half_mm=26, wall_y_mm=22).ball(CENTER, 12).scan()


@pytest.mark.slow
@pytest.mark.parametrize("hu", [SOLID_HU, GLASS_HU])
@pytest.mark.parametrize(("diameter_mm", "spacing_mm_kji"), BALLS)
def test_the_volume_of_a_ball_is_within_ten_percent(diameter_mm, spacing_mm_kji, hu):
    half_mm = max(14, diameter_mm)
    center = np.random.default_rng(diameter_mm).uniform(-1.2, 1.2, 3)
    scene = Scene(spacing_mm_kji, half_mm, half_mm - 2, seed=diameter_mm).ball(center, diameter_mm, hu)
    volume, lungs = scene.scan()
    result, nodule = segment_one(volume, lungs, proposal(center, diameter_mm))
    assert nodule.volume_mm3 == pytest.approx(ball_mm3(diameter_mm), rel=0.1)
    assert nodule.diameter_mm == pytest.approx(diameter_mm, rel=0.034)
    assert nodule.longest_axial_diameter_mm == pytest.approx(diameter_mm, abs=1.0)
    assert nodule.type == ("solid" if hu == SOLID_HU else "ground-glass")
    voxel_mm3 = np.prod(volume.spacing_mm_kji)
    assert result.labels.sum() * voxel_mm3 == pytest.approx(ball_mm3(diameter_mm), rel=0.2)
    assert dice(result.labels == 1, scene.mask(volume)) > 0.85
    assert result.warnings == ()


@pytest.mark.slow
@pytest.mark.parametrize("hu", [SOLID_HU, GLASS_HU])
def test_a_ball_of_30_mm_in_thick_slices_too(hu):
    volume, lungs = Scene((2.5, 0.75, 0.75), 27, 24).ball(CENTER, 30, hu).scan()
    _, nodule = segment_one(volume, lungs, proposal(CENTER, 30))
    assert nodule.volume_mm3 == pytest.approx(ball_mm3(30), rel=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("box_diameter_mm", [8.4, 15.6, None])
@pytest.mark.parametrize("off_mm", [(3, 0, 0), (0, -2.1, 2.1)])
def test_a_proposal_that_is_off_or_of_wrong_size_or_without_size_finds_the_nodule(plain_scan, box_diameter_mm, off_mm):
    volume, lungs = plain_scan
    _, nodule = segment_one(volume, lungs, proposal(np.add(CENTER, off_mm), box_diameter_mm))
    assert nodule.volume_mm3 == pytest.approx(ball_mm3(12), rel=0.05)


@pytest.mark.slow
def test_a_users_point_grows_to_a_large_nodule():
    volume, lungs = Scene((2.0, 0.8, 0.8), 30, 27).ball(CENTER, 24).scan()
    _, nodule = segment_one(volume, lungs, proposal(CENTER, None))
    assert nodule.volume_mm3 == pytest.approx(ball_mm3(24), rel=0.05)


@pytest.mark.slow
def test_part_solid_is_measured_with_its_ground_glass():
    scene = Scene(half_mm=26, wall_y_mm=23).ball(CENTER, 20, GLASS_HU).ball(CENTER, 11)
    volume, lungs = scene.scan()
    _, nodule = segment_one(volume, lungs, proposal(CENTER, 20))
    assert nodule.type == "part-solid"
    assert nodule.volume_mm3 == pytest.approx(ball_mm3(20), rel=0.1)


@pytest.mark.slow
def test_a_vessel_through_ground_glass_does_not_make_it_solid():
    scene = Scene(half_mm=26, wall_y_mm=23).ball(CENTER, 18, GLASS_HU).vessel(CENTER, (1, 0.3, 0.5), 2.5)
    volume, lungs = scene.scan()
    result, nodule = segment_one(volume, lungs, proposal(CENTER, 18))
    assert nodule.type == "ground-glass"
    assert dice(result.labels == 1, scene.mask(volume)) > 0.85


@pytest.mark.slow
def test_calcium_is_recognised(plain_scan):
    volume, lungs = Scene(half_mm=20, wall_y_mm=17).ball(CENTER, 10, 450.0).scan()
    _, nodule = segment_one(volume, lungs, proposal(CENTER, 10))
    assert nodule.type == "calcified"
    assert nodule.mean_hu > 200


@pytest.mark.slow
@pytest.mark.parametrize("hu", [SOLID_HU, GLASS_HU])
@pytest.mark.parametrize(("diameter_mm", "sunk_mm"), [(8, 0.5), (14, 3), (20, 2)])
def test_the_chest_wall_is_cut_off_a_nodule_on_the_pleura(diameter_mm, sunk_mm, hu):
    wall_y_mm = 20.0
    center = (0.3, wall_y_mm - diameter_mm / 2 + sunk_mm, 0.5)
    scene = Scene((1.5, 0.75, 0.75), 28, wall_y_mm).ball(center, diameter_mm, hu)
    volume, lungs = scene.scan()
    result, nodule = segment_one(volume, lungs, proposal(center, diameter_mm))
    y_mm = index_to_world(volume.kji_to_lps, np.moveaxis(np.indices(volume.shape_kji), 0, -1))[..., 1]
    truth = scene.mask(volume) & (y_mm < wall_y_mm)
    assert dice(result.labels == 1, truth) > 0.8
    assert y_mm[result.labels == 1].max() < wall_y_mm + 1
    assert nodule.volume_mm3 == pytest.approx(truth.sum() * np.prod(volume.spacing_mm_kji), rel=0.2)
    assert nodule.distance_to_pleura_mm < 1.5


@pytest.mark.slow
@pytest.mark.parametrize(("diameter_mm", "vessel_mm"), [(8, 3), (14, 5)])
@pytest.mark.parametrize("through", [True, False])
def test_vessels_are_cut_off(diameter_mm, vessel_mm, through):
    beside = (0, 0, 0) if through else (0, diameter_mm / 2, 0)
    scene = Scene(half_mm=diameter_mm + 14, wall_y_mm=diameter_mm + 11).ball(CENTER, diameter_mm)
    volume, lungs = scene.vessel(np.add(CENTER, beside), (1, 0, 0.4), vessel_mm).scan()
    result, nodule = segment_one(volume, lungs, proposal(CENTER, diameter_mm))
    truth = scene.mask(volume)
    assert dice(result.labels == 1, truth) > 0.8
    leak = (result.labels == 1) & ~truth
    assert leak.sum() < 0.25 * truth.sum()
    assert nodule.type == "solid"


@pytest.mark.slow
def test_empty_lung_and_plain_vessels_get_no_mask_and_a_warning():
    scene = Scene(half_mm=34, wall_y_mm=30).vessel((0, 0, 20), (1, 0.2, 0.1), 4).vessel((0, 8, -18), (0.1, 0.2, 1), 2)
    volume, lungs = scene.scan()
    proposals = [proposal((0, -12, 0), 10, 1), proposal((0, 0, 20), 8, 2), proposal((0, 8, -18), 12, 3)]
    result = segment(volume, lungs, proposals)
    assert not result.labels.any()
    for before, after in zip(proposals, result.nodules, strict=True):
        assert after.diameter_mm == before.box_diameter_mm
        assert after.volume_mm3 is after.mean_hu is after.type is after.longest_axial_diameter_mm is None
        assert after.side == "left"
        assert after.distance_to_pleura_mm > 5
    assert result.warnings == ("3 nodules could not be outlined; the diameter given is the box's.",)


def test_a_point_far_from_any_lung_has_no_place(plain_scan):
    volume, _ = plain_scan
    result, nodule = segment_one(volume, np.zeros(volume.shape_kji, np.uint8), proposal(CENTER, 12))
    assert nodule.side is nodule.third is nodule.distance_to_pleura_mm is None
    assert not result.labels.any()
    assert result.warnings == ("1 nodule could not be outlined; the diameter given is the box's.",)


def test_lungs_on_another_grid_are_refused(plain_scan):
    volume, lungs = plain_scan
    with pytest.raises(ValueError, match="grid"):
        segment(volume, lungs[1:], [proposal(CENTER, 12)])


@pytest.mark.slow
def test_place_in_the_lung():
    volume, lungs = Scene(half_mm=40, wall_y_mm=36).ball((0, 20, 25), 10).ball((0, 0, -25), 10).scan()
    lungs[:, :, : lungs.shape[2] // 4] *= 2  # the patient's right
    proposals = [proposal((0, 20, 25), 10, 1), proposal((0, 0, -25), 10, 2), proposal((-35, 0, 0), 6, 3)]
    upper, lower, right = segment(volume, lungs, proposals).nodules
    assert (upper.side, upper.third) == ("left", "upper")
    assert (lower.side, lower.third) == ("left", "lower")
    assert (right.side, right.third) == ("right", "middle")
    assert upper.distance_to_pleura_mm == pytest.approx(40 - 25 - 5, abs=1.2)  # to the upper end


def test_a_wrong_border_between_lungs_does_not_cut_a_nodule(plain_scan):
    volume, lungs = plain_scan
    _, whole = segment_one(volume, lungs, proposal(CENTER, 12))
    halved = lungs.copy()
    halved[:, :, : lungs.shape[2] // 2] *= 2  # a plane through the nodule's middle
    result, nodule = segment_one(volume, halved, proposal(CENTER, 12))
    assert nodule.volume_mm3 == pytest.approx(whole.volume_mm3, rel=0.03)
    assert set(np.unique(halved[result.labels == 1])) == {1, 2}


def test_a_lung_of_unknown_side_is_searched_and_measured_like_any(plain_scan):
    volume, lungs = plain_scan
    _, known = segment_one(volume, lungs, proposal(CENTER, 12))
    _, unknown = segment_one(volume, 3 * lungs, proposal(CENTER, 12))
    assert unknown == replace(known, side="unknown")


@pytest.mark.slow
def test_the_better_rank_keeps_the_voxels_that_two_masks_share(plain_scan):
    volume, lungs = plain_scan
    result = segment(volume, lungs, [proposal(CENTER, 12, 4), proposal(np.add(CENTER, 1), 12, 2)])
    assert [nodule.rank for nodule in result.nodules] == [4, 2]
    assert np.unique(result.labels).tolist() in ([0, 2], [0, 2, 4])
    assert (result.labels == 2).sum() > 50 * (result.labels == 4).sum()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("axes", "flips"), [((0, 1, 2), (0,)), ((0, 1, 2), (1, 2)), ((2, 0, 1), ()), ((1, 2, 0), (0, 2))]
)
def test_flips_and_permutations_change_nothing(plain_scan, axes, flips):
    volume, lungs = plain_scan
    reference, expected = segment_one(volume, lungs, proposal(CENTER, 12))
    to_source = np.eye(4)[:, [*axes, 3]]
    for axis in flips:
        to_source[:3, 3] += to_source[:3, axis] * (volume.shape_kji[axes[axis]] - 1)
        to_source[:3, axis] *= -1
    turned = CTVolume(np.flip(volume.voxels.transpose(axes), flips).copy(), volume.kji_to_lps @ to_source)
    result, nodule = segment_one(turned, np.flip(lungs.transpose(axes), flips).copy(), proposal(CENTER, 12))
    assert nodule.volume_mm3 == pytest.approx(expected.volume_mm3, rel=1e-6)
    assert replace(nodule, volume_mm3=0, mean_hu=0, diameter_mm=0, distance_to_pleura_mm=0) == replace(
        expected, volume_mm3=0, mean_hu=0, diameter_mm=0, distance_to_pleura_mm=0
    )
    np.testing.assert_array_equal(result.labels, np.flip(reference.labels.transpose(axes), flips))


@pytest.mark.slow
def test_an_oblique_scan_gives_the_same_volume_and_place(plain_scan):
    _, expected = segment_one(*plain_scan, proposal(CENTER, 12))
    turn, nod = np.radians(25), np.radians(15)
    about_x = np.array([[1, 0, 0], [0, np.cos(nod), -np.sin(nod)], [0, np.sin(nod), np.cos(nod)]])
    about_z = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    volume, lungs = Scene(half_mm=26, wall_y_mm=22, rotation=about_x @ about_z).ball(CENTER, 12).scan()
    result, nodule = segment_one(volume, lungs, proposal(CENTER, 12))
    assert nodule.volume_mm3 == pytest.approx(expected.volume_mm3, rel=0.05)
    place = index_to_world(volume.kji_to_lps, np.argwhere(result.labels)).mean(axis=0)
    np.testing.assert_allclose(place, CENTER, atol=0.3)


@pytest.mark.slow
def test_progress_ends_at_one(plain_scan):
    seen = []
    segment(*plain_scan, [proposal(CENTER, 12)], lambda stage, fraction: seen.append((stage, fraction)))
    assert seen[0] == ("outlining nodules", 0.0)
    assert seen[-1] == ("outlining nodules", 1.0)
