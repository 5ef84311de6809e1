"""The fast road gives what preprocessing gives for the same patient."""

import json
from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.phantom.patient import synthetic_chest, synthetic_preprocessed
from LungCancerDxLib.preprocessing import preprocess
from LungCancerDxLib.preset import DEFAULT
from LungCancerDxLib.volume import index_to_world, world_to_index

pytestmark = pytest.mark.slow  # a patient scanned and preprocessed

COARSE = replace(DEFAULT, working_spacing_mm=3.0, dilation_voxels=3, crop_margin_low=4, crop_margin_high=4)


def fast(seed):
    return synthetic_preprocessed(np.random.default_rng(seed), COARSE, nodules=())


@pytest.fixture(scope="module")
def both():
    """The same patient by either road: fast, and scanned (with a voxel size of its own) and preprocessed."""
    scan = synthetic_chest(np.random.default_rng(12), spacing_mm_kji=(3.0, 1.5, 1.5), nodules=())
    return fast(12)[:2], preprocess(scan.volume, COARSE).working


@pytest.mark.slow
def test_both_roads_see_the_same_lungs_at_the_same_place(both):
    (quick, lungs), slow = both
    indices = np.moveaxis(np.indices(quick.image.shape), 0, -1)
    there = np.rint(world_to_index(slow.kji_to_lps, index_to_world(quick.kji_to_lps, indices))).astype(int)
    inside = ((there >= 0) & (there < slow.image.shape)).all(axis=-1)
    at = tuple(np.moveaxis(there[inside], -1, 0))
    dilated, other = quick.dilated[inside], slow.dilated[at]
    assert 2 * np.count_nonzero(dilated & other) / (dilated.sum() + other.sum()) > 0.93
    in_lungs = (lungs.labels > 0)[inside]
    grey, other_grey = quick.image[inside][in_lungs].astype(float), slow.image[at][in_lungs]
    assert abs(np.median(grey) - np.median(other_grey)) < 4
    assert np.abs(grey - other_grey).mean() < 12


def test_the_fast_image_is_tissue_outside_the_dilated_mask_and_holds_both_lungs(both):
    (quick, lungs), _ = both
    assert quick.image.dtype == np.uint8
    assert np.all(quick.image[~quick.dilated] == COARSE.tissue_value)
    assert set(np.unique(lungs.labels)) == {0, 1, 2}
    ends = np.argwhere(lungs.labels > 0)
    np.testing.assert_array_equal(quick.lung_ends_kji, [ends.min(axis=0), ends.max(axis=0)])


@pytest.mark.slow
def test_the_same_generator_state_gives_the_same_image_and_a_record_in_terms_of_json(both):
    quick, _, nodules, record = fast(12)
    np.testing.assert_array_equal(quick.image, both[0][0].image)
    assert nodules == ()
    assert isinstance(record["emphysema"], bool)
    assert json.loads(json.dumps(record)) is not None
