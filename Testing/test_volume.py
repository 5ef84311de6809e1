"""Where a voxel lies: canonical order and the maps between index and patient, for every way to store a scan."""

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest

from LungCancerDxLib.volume import CTVolume, corners_apart_mm, index_to_world, world_to_index
from Testing.helpers import affine, reoriented, rotated, rotation

ORIENTATIONS = list(product(permutations(range(3)), product((False, True), repeat=3)))
SPACING_MM_KJI = (2.5, 0.7, 0.9)
TO_CANONICAL_LPS = np.eye(3)[::-1]  # k along z, j along y, i along x
TILT = rotation(15, (1, 2, 3))


@pytest.fixture(scope="module")
def volume():
    """Every voxel has its own value, so that none can be taken for another."""
    voxels = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    return CTVolume(voxels, affine(TO_CANONICAL_LPS * SPACING_MM_KJI, np.array([-11.0, 22.5, 300.25])))


def all_points(volume):
    """LPS of every voxel, ordered by the voxel's value."""
    index = np.argwhere(np.ones(volume.shape_kji))
    return index_to_world(volume.kji_to_lps, index)[np.argsort(volume.voxels.ravel())]


@pytest.mark.parametrize(("axes", "flipped"), ORIENTATIONS)
@pytest.mark.parametrize("tilt", [np.eye(3), TILT], ids=["straight", "oblique"])
def test_canonical_order_brings_back_the_same_voxels_at_the_same_places(volume, axes, flipped, tilt):
    volume = rotated(volume, tilt)
    canonical = reoriented(volume, axes, flipped).canonical()
    np.testing.assert_array_equal(canonical.voxels, volume.voxels)
    np.testing.assert_allclose(canonical.kji_to_lps, volume.kji_to_lps, atol=1e-9)


@pytest.mark.parametrize(("axes", "flipped"), ORIENTATIONS)
def test_a_reordered_scan_keeps_every_voxel_where_it_is_in_the_patient(volume, axes, flipped):
    stored = reoriented(volume, axes, flipped)
    np.testing.assert_allclose(all_points(stored), all_points(volume), atol=1e-9)
    np.testing.assert_allclose(stored.canonical_spacing_mm(), SPACING_MM_KJI)
    np.testing.assert_allclose(stored.spacing_mm_kji, np.array(SPACING_MM_KJI)[list(axes)])


@pytest.mark.parametrize(("axes", "flipped"), ORIENTATIONS)
def test_undo_is_the_inverse_of_apply(volume, axes, flipped):
    stored = reoriented(volume, axes, flipped)
    order = stored.axis_order()
    np.testing.assert_array_equal(order.undo(order.apply(stored.voxels)), stored.voxels)
    assert order.apply(stored.voxels).flags.c_contiguous
    assert order.undo(volume.voxels).flags.c_contiguous


def test_canonical_axes_run_to_the_head_the_back_and_the_left(volume):
    canonical = reoriented(volume, (2, 0, 1), (True, False, True)).canonical()
    steps = canonical.kji_to_lps[:3, :3] / SPACING_MM_KJI
    np.testing.assert_allclose(steps.T, [[0, 0, 1], [0, 1, 0], [1, 0, 0]], atol=1e-12)


@pytest.mark.parametrize("tilt", [np.eye(3), TILT], ids=["straight", "oblique"])
def test_world_to_index_is_the_inverse_of_index_to_world(volume, tilt):
    affine_of_scan = rotated(volume, tilt).kji_to_lps
    index = np.random.default_rng(0).uniform(-10, 500, (100, 3))
    np.testing.assert_allclose(world_to_index(affine_of_scan, index_to_world(affine_of_scan, index)), index, atol=1e-9)


def test_index_to_world_is_the_affine_for_one_point_and_for_many(volume):
    expected = (volume.kji_to_lps @ [1, 2, 3, 1])[:3]
    np.testing.assert_allclose(index_to_world(volume.kji_to_lps, [1, 2, 3]), expected)
    np.testing.assert_allclose(index_to_world(volume.kji_to_lps, np.tile([1, 2, 3], (2, 4, 1)))[1, 3], expected)


def test_warnings_and_what_is_known_of_the_scan_survive_the_reordering(volume):
    known = replace(volume, info={"kernel": "B30f"}, warnings=("a warning",))
    canonical = reoriented(known, (1, 0, 2), (True, True, False)).canonical()
    assert (canonical.info, canonical.warnings) == ({"kernel": "B30f"}, ("a warning",))


@pytest.mark.parametrize("voxels", [np.zeros((2, 3, 4)), np.zeros((3, 4), np.int16), np.zeros((1, 2, 3, 4), np.int16)])
def test_anything_but_three_axes_of_int16_is_refused(voxels):
    with pytest.raises(ValueError, match="expected int16 voxels"):
        CTVolume(voxels, np.eye(4))


def test_an_affine_of_another_shape_is_refused(volume):
    with pytest.raises(ValueError, match="4x4"):
        CTVolume(volume.voxels, np.eye(3))


def test_corners_are_as_far_apart_as_the_voxels_that_lie_farthest_apart(volume):
    other = volume.kji_to_lps.copy()
    other[:3, 0] *= 1.1
    indices = np.argwhere(np.ones(volume.shape_kji, dtype=bool))
    apart = index_to_world(volume.kji_to_lps, indices) - index_to_world(other, indices)
    found = corners_apart_mm(volume.kji_to_lps, other, volume.shape_kji)
    assert found == pytest.approx(np.linalg.norm(apart, axis=1).max())
    assert found > 0
    assert corners_apart_mm(other, other, volume.shape_kji) == 0
