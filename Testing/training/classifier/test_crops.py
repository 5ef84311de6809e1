"""The classifier's crops in training: what was drawn is in the middle, turned as the pose says."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.classification.classifier import crop, crop_location, crop_start
from LungCancerDxLib.detection.location import location_scale
from LungCancerDxLib.preset import GRT123
from LungCancerDxLib.training.classifier.crops import Pose, draw_pose, draw_rotation, posed_crop
from LungCancerDxLib.training.classifier.recipe import GRT123 as PUBLISHED
from LungCancerDxLib.training.classifier.recipe import PAPER, UNCHANGED, Augmentation
from Testing.training.tiny import BALL, LUNG, TINY, ball_scan

SMALL = replace(TINY, crop_size=32)
SHAPE, CENTER = (84, 80, 82), np.array([41.0, 39.0, 43.0])
MIDDLE = (SMALL.crop_size - 1) / 2
STILL = np.zeros(3)
WHOLE = PAPER.augmentation


def centre_and_volume(image):
    bright = np.argwhere(image > (LUNG + BALL) / 2)
    return bright.mean(axis=0), len(bright)


def spotted(offset_kji):
    """A scan with one bright voxel at an offset from CENTER, and a little around it."""
    scan = ball_scan(SHAPE)
    scan.image[tuple(slice(n - 1, n + 2) for n in np.rint(CENTER + offset_kji).astype(int))] = BALL
    return scan


def location_of(scan, center, preset=SMALL):
    scale = location_scale(preset, scan.image.shape, scan.lung_ends_kji)
    return crop_location(crop_start(center, preset), scan.image.shape, scale, preset)


def test_without_a_change_a_crop_is_that_of_inference():
    scan = ball_scan(SHAPE, boxes=[(*CENTER, 10.0)])
    for center in (CENTER, np.array([2.0, 78.3, 80.0])):
        pose = draw_pose(np.random.default_rng(0), UNCHANGED, 10.0)
        image, location = posed_crop(scan, center, pose, UNCHANGED, SMALL)
        np.testing.assert_array_equal(image, crop(scan.image, crop_start(center, SMALL), SMALL))
        np.testing.assert_array_equal(location, location_of(scan, center))


@pytest.mark.parametrize(
    "augmentation",
    [
        replace(UNCHANGED, flipped_axes=(0, 1, 2)),
        replace(UNCHANGED, scale=WHOLE.scale),
        replace(UNCHANGED, rotation="any"),
        replace(UNCHANGED, rotation="in plane"),
        replace(UNCHANGED, swapped_axes=True),
        replace(UNCHANGED, shift=0.15),
        WHOLE,
        PUBLISHED.augmentation,
    ],
)
def test_a_nodule_stays_in_the_middle_but_for_the_shift(augmentation):
    rng = np.random.default_rng(1)
    for _ in range(8):
        diameter = float(rng.uniform(10, 16))
        scan = ball_scan(SHAPE, boxes=[(*CENTER, diameter)])
        pose = draw_pose(rng, augmentation, diameter)
        found, volume = centre_and_volume(posed_crop(scan, CENTER, pose, augmentation, SMALL)[0])
        assert (np.abs(pose.shift_kji) <= augmentation.shift * diameter / 2).all()
        assert np.abs(found - MIDDLE).max() <= 0.75 + augmentation.shift * diameter / 2 * np.sqrt(3) * pose.scale
        assert volume == pytest.approx((scan.image == BALL).sum() * pose.scale**3, rel=0.15)


def test_shifts_and_scales_fill_the_papers_ranges():
    poses = [draw_pose(np.random.default_rng(n), WHOLE, 20.0) for n in range(400)]
    shifts, scales = np.array([p.shift_kji for p in poses]), np.array([p.scale for p in poses])
    assert 1.4 < np.abs(shifts).max(axis=0).min() <= np.abs(shifts).max() <= 1.5
    assert 0.75 <= scales.min() < 0.77 < 1.23 < scales.max() <= 1.25
    flips = np.array([[axis in p.flipped for axis in range(3)] for p in poses])
    np.testing.assert_allclose(flips.mean(axis=0), 0.5, atol=0.1)


def test_the_published_scaling_keeps_nodules_within_6_and_100_mm():
    poses = [draw_pose(np.random.default_rng(n), PUBLISHED.augmentation, d) for n in range(50) for d in (6.5, 95.0)]
    sizes = np.array([p.scale for p in poses]).reshape(-1, 2) * (6.5, 95.0)
    assert sizes[:, 0].min() >= 6
    assert sizes[:, 1].max() <= 100


def test_rotations_are_orthonormal_and_truly_in_3d():
    turned = np.array([draw_rotation(np.random.default_rng(n), "any") for n in range(500)])
    np.testing.assert_allclose(turned @ turned.transpose(0, 2, 1), np.broadcast_to(np.eye(3), turned.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(turned), 1)
    np.testing.assert_allclose(turned.mean(axis=0), 0, atol=0.1)
    np.testing.assert_allclose((turned**2).mean(axis=0), 1 / 3, atol=0.06)  # every axis goes everywhere alike


def test_the_published_rotation_is_about_the_axis_from_feet_to_head():
    turned = np.array([draw_rotation(np.random.default_rng(n), "in plane") for n in range(200)])
    np.testing.assert_allclose(turned[:, 0], np.broadcast_to([1, 0, 0], (200, 3)), atol=1e-12)
    angles = np.degrees(np.arctan2(turned[:, 2, 1], turned[:, 1, 1]))
    assert 0 <= angles.min() < 10 < 170 < angles.max() <= 180


@pytest.mark.parametrize("offset", [(8.0, 0, 0), (0, 8.0, 0), (0, 0, 8.0)])
@pytest.mark.parametrize("seed", range(4))
def test_what_lies_beside_the_nodule_turns_round_it(offset, seed):
    rotation = draw_rotation(np.random.default_rng(seed), "any")
    scan = spotted(rotation @ offset)
    beside = np.rint(CENTER + rotation @ offset) - CENTER  # the voxel grid's share of it
    image, _ = posed_crop(scan, CENTER, Pose(STILL, rotation=rotation), WHOLE, SMALL)
    np.testing.assert_allclose(centre_and_volume(image)[0] - MIDDLE, rotation.T @ beside, atol=0.7)


def test_a_flip_and_a_swap_move_what_lies_beside_the_nodule():
    scan = spotted((9.0, 5.0, 0.0))
    straight, _ = posed_crop(scan, CENTER, Pose(STILL), WHOLE, SMALL)
    image, _ = posed_crop(scan, CENTER, Pose(STILL, flipped=(0,), order=(1, 0, 2)), WHOLE, SMALL)
    before, after = (centre_and_volume(i)[0] for i in (straight, image))
    np.testing.assert_allclose(after, [before[1], 2 * MIDDLE - before[0], before[2]])


def test_beyond_the_scan_a_turned_crop_is_padded():
    image, _ = posed_crop(ball_scan(SHAPE), np.zeros(3), Pose(STILL, scale=0.9), WHOLE, SMALL)
    assert image[0, 0, 0] == SMALL.crop_padding
    assert image[-3, -3, -3] == LUNG


def test_the_place_in_the_lungs_is_not_turned_but_covers_less_of_them_when_enlarged():
    scan = ball_scan(SHAPE)
    turned = Pose(STILL, scale=1.25, rotation=draw_rotation(np.random.default_rng(0), "any"), flipped=(0, 2))
    _, location = posed_crop(scan, CENTER, turned, WHOLE, SMALL)
    expected = location_of(scan, CENTER)
    np.testing.assert_allclose(location.mean(axis=(1, 2, 3)), expected.mean(axis=(1, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(np.ptp(location, axis=(1, 2, 3)), np.ptp(expected, axis=(1, 2, 3)) / 1.25, rtol=1e-5)
    assert (np.diff(location[0], axis=0) > 0).all()


def test_the_code_of_2017_turns_the_location_with_flips_and_swaps():
    scan, preset = ball_scan(SHAPE), replace(GRT123, crop_size=32)
    pose = Pose(STILL, flipped=(2,), order=(0, 2, 1))
    _, location = posed_crop(scan, CENTER, pose, PUBLISHED.augmentation, preset)
    expected = location_of(scan, CENTER, preset)[:, :, :, ::-1].transpose(0, 1, 3, 2)
    np.testing.assert_array_equal(location, expected)


def test_an_augmentation_is_the_papers_unless_told():
    assert Augmentation() == PAPER.augmentation
