"""Nodules on digital scenes: measured, placed and drawn by what the segmenter says; a threshold stands in for it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.spatial.transform import Rotation

from LungCancerDxLib.preprocessing import CTLungs
from LungCancerDxLib.segmentation.crop import Crop
from LungCancerDxLib.segmentation.measure import volume_mm3
from LungCancerDxLib.segmentation.nodules import is_outlined, segment_nodules, segmenter_output
from LungCancerDxLib.volume import CTVolume, index_to_world
from Testing.segmentation.scenes import GLASS_HU, SOLID_HU, Scene, ball_mm3, proposal
from Testing.segmentation.stand_in import ThresholdNet

CPU = torch.device("cpu")
SPACINGS = [(0.6, 0.6, 0.6), (1.25, 0.7, 0.7), (2.5, 0.75, 0.75), (3.0, 0.9, 0.9)]
CENTER = (0.4, -0.7, 0.9)


def segment(volume, labels, proposals, *progress, net=None):
    return segment_nodules(volume, CTLungs(labels, volume.kji_to_lps), proposals, net or ThresholdNet(), CPU, *progress)


def segment_one(volume, lungs, *proposals, net=None):
    result = segment(volume, lungs, proposals, net=net)
    return result, result.nodules[0]


@pytest.fixture(scope="module")
def plain_scan():
    return Scene(half_mm=26, wall_y_mm=22).ball(CENTER, 12).scan()


@pytest.mark.slow
@pytest.mark.parametrize("hu", [SOLID_HU, GLASS_HU])
@pytest.mark.parametrize("spacing_mm_kji", SPACINGS)
@pytest.mark.parametrize("diameter_mm", [7, 10, 20])
def test_the_volume_of_a_ball_is_within_ten_percent(diameter_mm, spacing_mm_kji, hu):
    half_mm = max(16, diameter_mm)
    center = np.random.default_rng(diameter_mm).uniform(-1.2, 1.2, 3)
    scene = Scene(spacing_mm_kji, half_mm, half_mm - 2, seed=diameter_mm).ball(center, diameter_mm, hu)
    volume, lungs = scene.scan()
    result, nodule = segment_one(volume, lungs, proposal(center, diameter_mm))
    assert nodule.volume_mm3 == pytest.approx(ball_mm3(diameter_mm), rel=0.1)
    assert nodule.diameter_mm == pytest.approx(diameter_mm, rel=0.034)
    assert nodule.longest_axial_diameter_mm == pytest.approx(diameter_mm, abs=2.5)
    truth = scene.mask(volume)
    assert (result.labels[truth] == 1).mean() > 0.7


def test_a_thick_slice_does_not_change_a_volume_much(plain_scan):
    _, thin = segment_one(*plain_scan, proposal(CENTER, 12))
    _, thick = segment_one(*Scene((3.0, 0.7, 0.7), 26, 22).ball(CENTER, 12).scan(), proposal(CENTER, 12))
    assert thin.volume_mm3 == pytest.approx(ball_mm3(12), rel=0.05)
    assert thick.volume_mm3 == pytest.approx(thin.volume_mm3, rel=0.07)


@pytest.mark.parametrize("offset_mm", [0.0, 0.7, 1.4])
@pytest.mark.parametrize(("diameter_mm", "slice_mm"), [(4, 2.5), (6, 3.0)])
def test_a_small_solid_nodule_of_which_no_slice_is_full_keeps_its_volume(diameter_mm, slice_mm, offset_mm):
    scene = Scene((slice_mm, 0.75, 0.75), 20, 17).ball((1.0, -2.0, offset_mm), diameter_mm)
    volume, _ = scene.scan()
    mask = ndimage.binary_dilation(scene.mask(volume))
    measured = volume_mm3(volume.voxels.astype(float), mask, volume.spacing_mm_kji, is_solid=True)
    assert measured == pytest.approx(ball_mm3(diameter_mm), rel=0.1)


def a_few_voxels(lung_hu, count):
    """A mask of so many voxels of -700 HU within a slice of some lung (20, 35, 35), and their volume."""
    mask, spacing_mm = np.zeros(lung_hu.shape, bool), np.array([1.25, 0.7, 0.7])
    mask[10, 17:20, 17:20] = np.arange(9).reshape(3, 3) < count
    return np.where(mask, -700.0, lung_hu), mask, spacing_mm, count * np.prod(spacing_mm)


@pytest.mark.parametrize("seed", [7, 82])
def test_a_voxel_that_noise_makes_less_than_nothing_of_has_its_own_volume(seed):
    noise = np.random.default_rng(seed).normal(-855, 60, (20, 35, 35))
    hu, mask, spacing_mm, own_mm3 = a_few_voxels(noise, 1)
    assert volume_mm3(hu, mask, spacing_mm) == pytest.approx(own_mm3)


@pytest.mark.parametrize("count", [1, 4, 9])
def test_a_few_voxels_in_darker_lung_than_that_further_out_have_their_own_volume(count):
    hu, mask, spacing_mm, own_mm3 = a_few_voxels(np.full((20, 35, 35), -800.0), count)
    away_mm = ndimage.distance_transform_edt(~mask, spacing_mm)
    hu[(away_mm > 0) & (away_mm < 4)] = -950.0
    assert volume_mm3(hu, mask, spacing_mm) == pytest.approx(own_mm3)


@pytest.mark.parametrize("box_diameter_mm", [8.4, 15.6, None])
@pytest.mark.parametrize("off_mm", [(3, 0, 0), (0, -2.1, 2.1)])
def test_a_proposal_that_is_off_or_of_wrong_size_or_without_size_finds_the_nodule(plain_scan, box_diameter_mm, off_mm):
    volume, lungs = plain_scan
    _, nodule = segment_one(volume, lungs, proposal(np.add(CENTER, off_mm), box_diameter_mm), net=ThresholdNet(1.1))
    assert nodule.volume_mm3 == pytest.approx(ball_mm3(12), rel=0.06)


def test_the_crop_grows_from_a_users_point_to_a_large_nodule():
    volume, lungs = Scene((2.0, 0.8, 0.8), 34, 31).ball(CENTER, 30).scan()
    _, nodule = segment_one(volume, lungs, proposal(CENTER, None), net=ThresholdNet(reach=1.0))
    assert nodule.volume_mm3 == pytest.approx(ball_mm3(30), rel=0.05)


@pytest.mark.parametrize(
    ("hu", "core_mm", "expected"),
    [
        (SOLID_HU, None, "solid"),
        (GLASS_HU, None, "ground-glass"),
        (GLASS_HU, 9.0, "part-solid"),
        (GLASS_HU, 1.5, "ground-glass"),
        (450.0, None, "calcified"),
    ],
)
def test_the_type_follows_from_the_solid_core(hu, core_mm, expected):
    scene = Scene((1.0, 0.7, 0.7), 24, 21).ball(CENTER, 16, hu)
    volume, lungs = (scene.ball(CENTER, core_mm) if core_mm else scene).scan()
    _, nodule = segment_one(volume, lungs, proposal(CENTER, 16))
    assert nodule.type == expected
    if expected == "part-solid":
        assert nodule.solid_component_mm == pytest.approx(core_mm, abs=1.5)
    if expected == "ground-glass":
        assert nodule.solid_component_mm is None


def test_the_wall_beside_a_nodule_does_not_count_in_its_volume():
    center = (0.3, 12.0 - 6.0, 0.5)
    volume, lungs = Scene((1.5, 0.75, 0.75), 26, 12).ball(center, 12).scan()
    result, nodule = segment_one(volume, lungs, proposal(center, 12), net=ThresholdNet(reach=0.52))
    assert nodule.volume_mm3 == pytest.approx(ball_mm3(12), rel=0.12)
    assert nodule.distance_to_pleura_mm < 1.5
    assert (result.lungs.labels[result.labels == 1] == 1).mean() > 0.9, "the dent is closed"


def test_what_the_segmenter_calls_empty_has_no_mask_and_keeps_its_box(plain_scan):
    volume, lungs = plain_scan
    result, nodule = segment_one(volume, lungs, proposal((-14, -12, 0), 8))
    assert not result.labels.any()
    assert nodule.diameter_mm == 8
    assert nodule.volume_mm3 is nodule.mean_hu is nodule.type is nodule.longest_axial_diameter_mm is None
    assert nodule.side == "left"
    assert nodule.distance_to_pleura_mm > 5


@pytest.mark.parametrize("source", ["detected", "user"])
def test_a_rib_that_was_taken_for_a_nodule_has_no_mask_but_the_users_point_has(source):
    rib = (2.0, 22.0, -1.0)  # 8 mm behind the pleura
    volume, lungs = Scene(half_mm=30, wall_y_mm=14).ball(rib, 10, hu=400.0).scan()
    result, nodule = segment_one(volume, lungs, proposal(rib, 10 if source == "detected" else None))
    assert result.labels.any() == (source == "user")
    assert (nodule.volume_mm3 is None) == (source == "detected")
    assert nodule.diameter_mm == 10 or source == "user"


class Convolution(torch.nn.Module):
    """A network of what autocast touches."""

    def forward(self, hu, *_sizes):
        return torch.nn.functional.conv3d(hu, torch.full((2, 1, 1, 1, 1), 0.01))


def test_an_outline_is_exact_while_a_training_runs_in_bfloat16(plain_scan):
    volume, _ = plain_scan
    crop = Crop.around(np.array(CENTER), 12.0)
    alone = segmenter_output(Convolution(), crop, volume.canonical(), CPU)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert np.array_equal(segmenter_output(Convolution(), crop, volume.canonical(), CPU), alone)


def test_only_what_counts_stands_out_or_was_asked_for_is_outlined(plain_scan):
    runner_up = replace(proposal(CENTER, 12), logit=-1.0, scored=False)
    assert not is_outlined(runner_up)
    for worth in ({"logit": 0.5}, {"scored": True}, {"source": "user"}, {"malignancy": 0.2}):
        assert is_outlined(replace(runner_up, **worth))
    result = segment(*plain_scan, [runner_up])
    assert not result.labels.any()


def test_without_a_segmenter_lungs_are_drawn_and_no_nodule_is(plain_scan):
    volume, lungs = plain_scan
    result = segment_nodules(volume, CTLungs(lungs, volume.kji_to_lps), [proposal(CENTER, 12)], None, CPU)
    assert not result.labels.any()
    assert result.nodules[0].diameter_mm == 12
    assert result.nodules[0].side == "left"


def test_vessels_in_a_lung_are_closed_and_its_border_stays(plain_scan):
    volume, lungs = Scene(half_mm=30, wall_y_mm=16).vessel((0, 0, 0), (1, 0, 0), 8).scan()
    holed = lungs * (volume.voxels < -400)
    result = segment(volume, holed.astype(np.uint8), [])
    closed = result.lungs.labels > 0
    inner = np.zeros_like(closed)
    inner[4:-4, 4:-4, 4:-4] = True
    assert (closed | ~(lungs > 0) | ~inner).all()
    assert (closed & ~(lungs > 0)).sum() < 0.01 * lungs.sum()


def test_where_there_is_no_lung_a_nodule_has_no_place(plain_scan):
    volume, _ = plain_scan
    result, nodule = segment_one(volume, np.zeros(volume.shape_kji, np.uint8), proposal(CENTER, 12))
    assert nodule.side is nodule.third is nodule.distance_to_pleura_mm is None
    assert not result.lungs.labels.any()


def test_lungs_on_another_grid_are_refused(plain_scan):
    volume, lungs = plain_scan
    with pytest.raises(ValueError, match="grid"):
        segment(volume, lungs[1:], [proposal(CENTER, 12)])


@pytest.mark.slow
@pytest.mark.parametrize("tilt_degrees", [0, 20])
def test_place_in_the_lung(tilt_degrees):
    tilt = Rotation.from_euler("x", tilt_degrees, degrees=True).as_matrix()
    scene = Scene(half_mm=40, wall_y_mm=26, rotation=tilt)
    volume, lungs = scene.ball((0, 10, 25), 10).ball((0, 0, -25), 10).scan()
    lungs[:, :, : lungs.shape[2] // 4] *= 2  # the patient's right
    proposals = [proposal((0, 10, 25), 10, 1), proposal((0, 0, -25), 10, 2), proposal((-35, 0, 0), 6, 3)]
    upper, lower, right = segment(volume, lungs, proposals).nodules
    assert (upper.side, upper.third) == ("left", "upper")
    assert (lower.side, lower.third) == ("left", "lower")
    assert (right.side, right.third) == ("right", "middle")
    if not tilt_degrees:  # else the wall is voxels that are askew
        assert upper.distance_to_pleura_mm == pytest.approx(26 - 10 - 5, abs=1.5)


@pytest.mark.slow
def test_the_better_rank_keeps_the_voxels_that_two_masks_share(plain_scan):
    volume, lungs = plain_scan
    result = segment(volume, lungs, [proposal(CENTER, 12, 4), proposal(np.add(CENTER, 1), 12, 2)])
    assert [nodule.rank for nodule in result.nodules] == [4, 2]
    assert np.unique(result.labels).tolist() == [0, 2]
    assert [nodule.volume_mm3 is None for nodule in result.nodules] == [True, False]  # it is the same nodule


@pytest.mark.slow
@pytest.mark.parametrize("logit", [-0.5, 0.5])
def test_asking_about_a_proposal_takes_no_outline_away(plain_scan, logit):
    runner_up = replace(proposal(CENTER, 12, 2), logit=logit, malignancy=None, scored=False)
    point = replace(proposal(CENTER, None, 3), source="user", logit=None)
    before = segment(*plain_scan, [runner_up, point])
    asked = segment(*plain_scan, [replace(runner_up, malignancy=0.3), point])
    assert before.labels.any()
    assert np.array_equal(asked.labels, before.labels)


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
    assert seen[-1] == ("nodules outlined", 1.0)
