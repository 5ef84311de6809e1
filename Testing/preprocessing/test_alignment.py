"""Oblique scans: the same lungs, whatever the grid."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from LungCancerDxLib.io import read_ct
from LungCancerDxLib.names import LEFT, RIGHT
from LungCancerDxLib.phantom.patient import synthetic_chest
from LungCancerDxLib.preprocessing import preprocess
from LungCancerDxLib.preprocessing.alignment import aligned_to_patient
from LungCancerDxLib.preset import DEFAULT
from LungCancerDxLib.volume import CTVolume, index_to_world

pytestmark = pytest.mark.slow


def oblique(volume, degrees, axis):
    """The scan resampled (linear) onto a grid turned about its centre, large enough to hold all of the body."""
    turn = Rotation.from_rotvec(np.radians(degrees) * np.array(axis) / np.linalg.norm(axis)).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn @ volume.kji_to_lps[:3, :3]
    shape = np.ceil(np.array(volume.shape_kji) * 1.12).astype(int)
    center = index_to_world(volume.kji_to_lps, (np.array(volume.shape_kji) - 1) / 2)
    affine[:3, 3] = center - affine[:3, :3] @ ((shape - 1) / 2)
    to_old = np.linalg.inv(volume.kji_to_lps) @ affine
    voxels = ndimage.affine_transform(
        volume.voxels.astype(np.float32), to_old, output_shape=tuple(shape), order=1, cval=-1024
    )
    return CTVolume(np.rint(voxels).astype(np.int16), affine)


def least_dice(volume, turned):
    """Of both lungs of a scan and of the same scan turned."""
    straight = preprocess(volume, DEFAULT).lungs.labels
    on_turned_grid = ndimage.affine_transform(
        straight, np.linalg.inv(volume.kji_to_lps) @ turned.kji_to_lps, output_shape=turned.shape_kji, order=0
    )
    found = preprocess(turned, DEFAULT).lungs.labels
    assert found.shape == turned.shape_kji
    sides = [(found == label, on_turned_grid == label) for label in (LEFT, RIGHT)]
    return min(2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in sides)


def test_an_oblique_synthetic_chest_has_the_same_lungs():
    volume = synthetic_chest(np.random.default_rng(1), spacing_mm_kji=(2.5, 1.5, 1.5)).volume
    assert least_dice(volume, oblique(volume, 15, (1, 0.5, 0))) >= 0.98


def test_an_oblique_real_scan_has_the_same_lungs(real_scan_path):
    scan = read_ct(real_scan_path("CMB-CRC-MSB-01068"))
    volume = CTVolume(scan.voxels[:, ::2, ::2].copy(), scan.kji_to_lps @ np.diag([1, 2, 2, 1]))  # in seconds
    assert least_dice(volume, oblique(volume, 12, (2, 1, 1))) >= 0.97  # 0.98 at full resolution


@pytest.mark.parametrize("degrees", [3, 15])
def test_an_oblique_slab_keeps_the_lungs_that_it_cuts_off(degrees):
    patient = synthetic_chest(np.random.default_rng(1), spacing_mm_kji=(3, 2, 2), z_range_mm=(-60.0, 40.0))
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_rotvec(np.radians(degrees) * np.ones(3) / np.sqrt(3)).as_matrix()
    turned = CTVolume(patient.volume.voxels, turn @ patient.volume.kji_to_lps)  # a patient who lies askew
    found = preprocess(turned, DEFAULT)
    for label in (LEFT, RIGHT):
        a, b = found.lungs.labels == label, patient.lungs == label
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.9
    for end in ("top", "bottom"):
        assert any(f"cut off at the {end}" in words for words in found.warnings)


def test_a_scan_within_a_degree_of_the_patients_axes_is_left_alone():
    volume = synthetic_chest(np.random.default_rng(1), spacing_mm_kji=(6, 4, 4)).volume
    turned = np.eye(4)
    turned[:3, :3] = Rotation.from_rotvec([0, 0, np.radians(0.9)]).as_matrix()
    nearly = CTVolume(volume.voxels, turned @ volume.kji_to_lps)
    assert aligned_to_patient(nearly)[0] is nearly
    turned[:3, :3] = Rotation.from_rotvec([0, 0, np.radians(1.1)]).as_matrix()
    assert aligned_to_patient(CTVolume(volume.voxels, turned @ volume.kji_to_lps))[0].kji_to_lps[1, 2] == 0
