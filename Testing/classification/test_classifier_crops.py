"""Crops around nodules and their location, against oracles that pad the whole image first."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.classification.classifier import crop, crop_location, crop_start
from LungCancerDxLib.detection.location import location_scale
from LungCancerDxLib.preset import DEFAULT, GRT123, PAPER
from Testing.detection.fake_scans import fake_scan, grey_image
from Testing.Oracles.crops import crop_2017, crop_paper

IMAGE = grey_image((120, 140, 90))
CENTERS = [
    (60.0, 70.0, 50.0),  # inside, but for the short axis
    (3.7, 5.2, 1.9),  # before the first voxel
    (116.3, 139.0, 88.8),  # beyond the last
    (47.5, 48.0, 48.4),  # starts within a voxel of 0, on both sides
    (10.9, 130.1, 44.6),  # before on one axis, beyond on another
]


def _scale(preset, image=IMAGE):
    return location_scale(preset, image.shape, fake_scan(image).lung_ends_kji)


@pytest.mark.parametrize("center", CENTERS, ids=str)
def test_the_crop_of_2017_is_cut_from_the_padded_image(center):
    start = crop_start(np.array(center), GRT123)
    voxels, coordinates = crop_2017(IMAGE, np.array(center))
    np.testing.assert_array_equal(crop(IMAGE, start, GRT123), voxels)
    location = crop_location(start, IMAGE.shape, _scale(GRT123), GRT123)
    assert location.dtype == np.float32
    assert location.shape == (3, 24, 24, 24)
    np.testing.assert_allclose(location, coordinates, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("size", [32, 96])
@pytest.mark.parametrize("start", [(0, 0, 0), (-10, 20, 40), (100, -90, 60), (120, 0, 0), (-96, 0, 0), (-130, 150, 0)])
def test_the_crop_of_the_paper_has_tissue_beyond_the_image(start, size):
    cube = crop(IMAGE, np.array(start), replace(PAPER, crop_size=size))
    assert cube.dtype == np.uint8
    np.testing.assert_array_equal(cube, crop_paper(IMAGE, start, size))


@pytest.mark.parametrize(
    ("preset", "grey"), [(PAPER, 170), (DEFAULT, 170), (GRT123, 160)], ids=["PAPER", "DEFAULT", "GRT123"]
)
def test_padding_is_the_presets(preset, grey):
    image = np.full((4, 4, 4), 7, dtype=np.uint8)
    cube = crop(image, np.array([-1, -1, -1]), preset)
    assert (cube[1:5, 1:5, 1:5] == 7).all()
    assert (cube == 7).sum() == 64
    assert np.unique(cube).tolist() == [7, grey]


def test_the_start_of_2017_is_cut_towards_zero():
    start = crop_start(np.array([10.9, 47.1, 100.9]), GRT123)
    assert start.tolist() == [-37, 0, 52]  # of -37.1, -0.9, 52.9


def test_the_papers_crop_is_centred_to_the_nearest_voxel():
    start = crop_start(np.array([10.9, 47.6, 100.9]), PAPER)
    assert start.tolist() == [-37, 0, 53]  # of -36.6, 0.1, 53.4
    for center in np.linspace(-30, 30, 77):
        (first, *_) = crop_start(np.full(3, center), PAPER)
        assert abs(first + 47.5 - center) <= 0.5


def test_the_papers_location_is_where_the_detector_would_put_it():
    scale = _scale(PAPER)
    whole = scale.map(np.array([-40, -40, -40]), (40, 40, 40))
    location = crop_location(np.array([-40, 0, 12]), IMAGE.shape, scale, PAPER)
    np.testing.assert_array_equal(location, whole[:, :24, 10:34, 13:37])


def test_cropping_leaves_the_image_alone():
    image = IMAGE.copy()
    crop(image, np.array([10, 10, -10]), GRT123)[:] = 0
    np.testing.assert_array_equal(image, IMAGE)
