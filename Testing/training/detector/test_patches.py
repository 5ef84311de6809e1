"""Patches show the scan where they say, and their boxes and location crops go with what they show."""

import numpy as np
import pytest

from LungCancerDxLib.detection.location import location_scale
from LungCancerDxLib.preset import DEFAULT, GRT123
from LungCancerDxLib.training.detector.patches import Cut, mirrored, mirrored_boxes, mirrored_location
from Testing.training.tiny import BALL, LUNG, ball_scan

BOX = np.array([30.0, 28.0, 33.0, 12.0])
EVERY_MIRRORING = [(), (0,), (1,), (2,), (0, 2), (0, 1, 2)]


def shown(cut, axes=(), box=BOX):
    """A patch of a scan with one ball, and the ball's box in it."""
    source = cut.source(ball_scan(boxes=box).image)
    return mirrored(cut.resampled(source), axes), mirrored_boxes(cut.boxes(box[None]), cut.size, axes)[0]


def centre_and_diameter(image):
    """Of the bright ball in a patch."""
    bright = np.argwhere(image > (LUNG + BALL) / 2)
    return np.array([*bright.mean(axis=0), (6 * len(bright) / np.pi) ** (1 / 3)])


@pytest.mark.parametrize("axes", EVERY_MIRRORING)
@pytest.mark.parametrize("scale", [0.8, 1.0, 1.15])
def test_the_ball_stays_under_its_box(axes, scale):
    image, box = shown(Cut(np.array([14, 12, 15]), 32, scale), axes)
    assert image.shape == (32, 32, 32)
    np.testing.assert_allclose(centre_and_diameter(image), box, atol=0.3)
    assert box[3] == pytest.approx(12 * scale)


def test_beyond_the_scan_there_is_tissue():
    image = ball_scan().image
    cube = Cut(np.array([-3, 40, 50]), 32).source(image)
    assert (cube[:3] == 170).all()
    assert (cube[:, 16:] == 170).all()
    assert (cube[:, :, 14:] == 170).all()
    assert (cube[3:, :16, :14] == LUNG).all()
    assert (Cut(np.array([100, 0, 0]), 16).source(image) == 170).all()


@pytest.mark.parametrize("preset", [DEFAULT, GRT123])
def test_the_location_crop_is_what_inference_gives_the_same_cells(preset):
    scan = ball_scan()
    scale = location_scale(preset, scan.image.shape, scan.lung_ends_kji)
    whole = scale.map(np.zeros(3), (15, 14, 16))
    crop = Cut(np.array([8, 4, 16]), 32).location(scale)
    np.testing.assert_allclose(crop, whole[:, 2:10, 1:9, 4:12], atol=1e-6)


@pytest.mark.parametrize("factor", [0.8, 1.15])
def test_a_scaled_location_crop_says_where_in_the_lungs_the_shown_voxels_were(factor):
    scan = ball_scan()
    scale = location_scale(DEFAULT, scan.image.shape, scan.lung_ends_kji)
    cut = Cut(np.array([7, -2, 11]), 32, factor)
    crop = cut.location(scale)
    low, high = scan.lung_ends_kji
    for cell in (0, 3, 7):
        voxel = cut.start_kji + (1.5 + 4 * cell) / factor
        np.testing.assert_allclose(crop[:, cell, cell, cell], 2 * (voxel - low) / (high - low) - 1, atol=1e-6)


def test_a_mirrored_patient_has_a_location_crop_of_the_other_side():
    """Cut from the left, mirrored: what inference would give the patch at the mirrored place of a symmetric patient."""
    scan = ball_scan(shape=(60, 56, 64))
    scale = location_scale(DEFAULT, scan.image.shape, scan.lung_ends_kji)
    left, right = Cut(np.array([8, 8, 28]), 32).location(scale), Cut(np.array([8, 8, 4]), 32).location(scale)
    np.testing.assert_allclose(mirrored_location(left, (2,), of_patient=True), right, atol=1e-6)


def test_the_published_code_turns_the_location_crop_round_with_the_image():
    location = np.random.default_rng(0).normal(size=(3, 4, 4, 4))
    np.testing.assert_array_equal(mirrored_location(location, (1, 2), of_patient=False), location[:, :, ::-1, ::-1])
