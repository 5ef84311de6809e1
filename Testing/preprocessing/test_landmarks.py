"""The body's outline and the spine, and how far two masks touch."""

import functools

import numpy as np
import pytest

from LungCancerDxLib.names import LEFT, RIGHT
from LungCancerDxLib.phantom.patient import synthetic_chest
from LungCancerDxLib.preprocessing.landmarks import Body, contact

SPACING = np.array([5.0, 2.0, 2.0])


@functools.cache
def chest():
    return synthetic_chest(np.random.default_rng(1), spacing_mm_kji=tuple(SPACING))


def middle_i(lungs):
    """Between the lungs, where the spine is."""
    return int((np.argwhere(lungs == LEFT)[:, 2].min() + np.argwhere(lungs == RIGHT)[:, 2].max()) / 2)


def test_the_spine_is_found_within_a_centimetre_and_not_where_there_is_none():
    patient = chest()
    body, lungs = Body.of(patient.volume.voxels, SPACING), patient.lungs > 0
    assert body.spine_i(lungs) == pytest.approx(middle_i(patient.lungs), abs=5)
    lateral = slice(int(np.argwhere(patient.lungs == LEFT)[:, 2].mean()), None)
    without = Body.of(patient.volume.voxels[:, :, lateral], SPACING)
    assert without.spine_i(lungs[:, :, lateral]) is None


def test_parts_of_a_lung_touch_over_more_of_their_size_than_two_lungs_do():
    patient = chest()
    right, left = (patient.lungs == label for label in (RIGHT, LEFT))
    assert contact(right, left, SPACING) < 0.4
    columns = np.arange(left.shape[2]) < np.argwhere(left)[:, 2].mean()
    assert contact(left & columns, left & ~columns, SPACING) > 0.8


def test_a_body_ends_at_the_image_where_the_trunk_does_not_where_an_arm_does():
    patient = chest()
    lungs, middle = patient.lungs > 0, middle_i(patient.lungs)
    assert Body.of(patient.volume.voxels, SPACING).cut_off(lungs) == (False, False)
    assert Body.of(patient.volume.voxels[:, :, middle:], SPACING).cut_off(lungs[:, :, middle:]) == (True, False)
