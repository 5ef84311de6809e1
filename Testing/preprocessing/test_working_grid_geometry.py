"""A known place in the patient goes through every grid and back, for scans stored and tilted in any way."""

from dataclasses import replace

import numpy as np
import pytest

from LungCancerDxLib.preprocessing import preprocess
from LungCancerDxLib.preprocessing.alignment import aligned_to_patient
from LungCancerDxLib.preset import DEFAULT, GRT123
from LungCancerDxLib.volume import CTVolume, index_to_world, world_to_index
from Testing.helpers import affine, chest, reoriented, rotated, rotation

pytestmark = pytest.mark.slow

TILT = rotation(15, (1, 2, 3))
UNEVEN_SLAB = {"spacing_mm_kji": (3.0, 1.7, 2.2), "z_range_mm": (-60.0, 0.0)}
BLOB_LPS_MM = np.array([73.3, 11.9, -31.4])  # in the left lung
STORED = {
    "canonical": lambda volume: volume,
    "flipped": lambda volume: reoriented(volume, (0, 1, 2), (True, False, True)),
    "permuted": lambda volume: reoriented(volume, (2, 0, 1), (False, True, True)),
}


def grid_points(volume):
    """LPS of every voxel, (K, J, I, 3)."""
    return index_to_world(volume.kji_to_lps, np.moveaxis(np.indices(volume.shape_kji), 0, -1))


def with_blob(volume, center_lps_mm, sigma_mm=4.0):
    """A soft bright ball, wide enough against the voxels that sampling does not move its centre."""
    squares = ((grid_points(volume) - center_lps_mm) ** 2).sum(axis=-1)
    blob = 850 * np.exp(-squares / (2 * sigma_mm**2))
    return replace(volume, voxels=(volume.voxels + blob).astype(np.int16))


def center_of_change_lps_mm(before, after):
    """Centroid of what differs between two preprocessed scans, by the working grid's own affine."""
    np.testing.assert_array_equal(before.kji_to_lps, after.kji_to_lps)
    change = np.clip(after.image.astype(float) - before.image - 3, 0, None)  # 3 grey values: rounding
    weights = change.ravel() / change.sum()
    return index_to_world(after.kji_to_lps, weights @ np.argwhere(np.ones(change.shape)))


# The centroid is that of a sampled, linearly interpolated and rounded image: good to about a tenth of a millimetre,
# where a shift by half a voxel or "1 mm per voxel" would show as 0.5 mm or more.
@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("preset", [DEFAULT, GRT123], ids=lambda preset: preset.name)
def test_a_spot_in_the_lung_is_found_at_its_place_on_the_working_grid(stored, preset):
    volume = chest(nodules=(), **UNEVEN_SLAB).volume
    scans = [preprocess(STORED[stored](v), preset).working for v in (volume, with_blob(volume, BLOB_LPS_MM))]
    np.testing.assert_allclose(center_of_change_lps_mm(*scans), BLOB_LPS_MM, atol=0.15)


@pytest.mark.parametrize("preset", [DEFAULT, GRT123], ids=lambda preset: preset.name)
def test_a_spot_in_an_oblique_scan_is_found_at_its_place_on_the_working_grid(preset):
    volume = chest(nodules=(), **UNEVEN_SLAB).volume
    tilted = [rotated(v, TILT) for v in (volume, with_blob(volume, BLOB_LPS_MM))]
    scans = [preprocess(reoriented(v, (1, 0, 2), (True, False, True)), preset).working for v in tilted]
    np.testing.assert_allclose(center_of_change_lps_mm(*scans), TILT @ BLOB_LPS_MM, atol=0.15)


@pytest.mark.parametrize("preset", [DEFAULT, GRT123], ids=lambda preset: preset.name)
def test_every_way_to_store_a_scan_gives_the_same_working_image(preset):
    volume = chest(**UNEVEN_SLAB).volume
    straight = preprocess(volume, preset).working
    for store in STORED.values():
        scan = preprocess(store(volume), preset).working
        np.testing.assert_array_equal(scan.image, straight.image)
        np.testing.assert_allclose(scan.kji_to_lps, straight.kji_to_lps, atol=1e-9)


@pytest.mark.parametrize("low_kji", [(2, 0, 0), (1, 5, 3)])
def test_a_scan_that_was_cropped_gives_the_same_working_voxels(low_kji):
    volume = chest(spacing_mm_kji=(2.5, 1.7, 2.2)).volume
    k, j, i = low_kji
    cropped = CTVolume(volume.voxels[k:, j:, i:], volume.kji_to_lps.copy())
    cropped.kji_to_lps[:3, 3] = index_to_world(volume.kji_to_lps, np.array(low_kji))
    lungs = preprocess(volume, DEFAULT).lungs.labels
    whole = preprocess(volume, DEFAULT, lung_labels=lungs).working
    part = preprocess(cropped, DEFAULT, lung_labels=lungs[k:, j:, i:]).working
    between = world_to_index(whole.kji_to_lps, index_to_world(part.kji_to_lps, np.zeros(3)))
    np.testing.assert_allclose(between, np.rint(between), atol=1e-6)
    np.testing.assert_allclose(np.rint(between) % 4, 0)
    np.testing.assert_allclose(part.lung_ends_kji + between, whole.lung_ends_kji)
    first = np.rint(between).astype(int)
    shape = np.minimum(part.image.shape, whole.image.shape - first)
    overlap = tuple(slice(a, a + n) for a, n in zip(first, shape, strict=True))
    np.testing.assert_array_equal(part.image[tuple(slice(n) for n in shape)], whole.image[overlap])


@pytest.mark.parametrize("axis", [0, 1, 2], ids="xyz")
@pytest.mark.parametrize("about", [(1, 2, 3), (3, -1, 1), (0, 0, 1)])
def test_alignment_keeps_every_voxel_at_its_place_to_0_05_mm(axis, about):
    """A scan whose values are its own LPS coordinate in 0.01 mm: linear, so that interpolation is exact."""
    spacing = np.array([2.5, 0.9, 1.3])
    empty = CTVolume(np.zeros((20, 40, 30), np.int16), affine(np.eye(3)[::-1] * spacing, np.array([-30.0, 12, 250])))
    tilted = rotated(empty, rotation(15, about))
    ramp = replace(tilted, voxels=np.rint(100 * grid_points(tilted)[..., axis]).astype(np.int16))
    aligned, _ = aligned_to_patient(ramp)
    np.testing.assert_allclose(aligned.kji_to_lps[:3, :3], np.eye(3)[::-1] * spacing, atol=1e-12)
    points = grid_points(aligned)
    old_index = world_to_index(tilted.kji_to_lps, points)
    inside = ((old_index >= 0) & (old_index <= np.array(tilted.shape_kji) - 1)).all(axis=-1)
    assert inside.sum() > 0.5 * tilted.voxels.size
    error_mm = aligned.voxels[inside] / 100 - points[inside][:, axis]
    assert np.abs(error_mm).max() < 0.011  # the values are rounded before and after


def test_alignment_covers_all_tissue_of_a_tilted_scan():
    volume = rotated(chest().volume, TILT)
    aligned, within = aligned_to_patient(volume)
    tissue = np.argwhere(volume.voxels > -500)
    index = world_to_index(aligned.kji_to_lps, index_to_world(volume.kji_to_lps, tissue))
    assert (index >= 0).all()
    assert (index <= np.array(aligned.shape_kji) - 1).all()
    assert within[tuple(np.rint(index).astype(int).T)].mean() > 0.97  # but for end slices that round outwards


def test_a_scan_tilted_by_less_than_a_degree_is_not_resampled():
    volume = rotated(chest().volume, rotation(0.9, (1, 2, 3)))
    assert aligned_to_patient(volume)[0] is volume


@pytest.mark.parametrize("tilt", [np.eye(3), TILT], ids=["straight", "oblique"])
def test_the_lung_labels_lie_on_the_lungs_whichever_way_the_scan_is_stored(tilt):
    patient = chest()
    stored = STORED["permuted"](rotated(patient.volume, tilt))
    truth = STORED["permuted"](replace(patient.volume, voxels=patient.lungs.astype(np.int16))).voxels
    labels = preprocess(stored, DEFAULT).lungs.labels
    assert labels.shape == stored.shape_kji
    for label in (1, 2):
        overlap = 2 * np.sum((labels == label) & (truth == label)) / (np.sum(labels == label) + np.sum(truth == label))
        assert overlap > 0.92
