"""What counts as a chest CT."""

import numpy as np
import pytest

from LungCancerDxLib.errors import CTReadError
from LungCancerDxLib.io.checks import check_chest_ct
from LungCancerDxLib.volume import CTVolume
from Testing.io.dicom.dicom_files import chest_voxels


def _check(tmp_path, voxels, spacing_mm_kji=(3, 3, 2)):
    k, j, i = spacing_mm_kji
    affine = np.array([[0, 0, i, 0], [0, j, 0, 0], [k, 0, 0, 0], [0, 0, 0, 1.0]])
    return check_chest_ct(CTVolume(voxels.astype(np.int16), affine), tmp_path)


def test_a_chest_passes(tmp_path):
    assert _check(tmp_path, chest_voxels()) is None


def test_five_slices_are_too_few(tmp_path):
    with pytest.raises(CTReadError, match=r"5 slices over 12 mm along the head-foot axis: too few for a chest"):
        _check(tmp_path, chest_voxels()[:5], (2.5, 3, 2))


def test_many_slices_over_a_short_way_are_too_few(tmp_path):
    with pytest.raises(CTReadError, match="24 slices over 24 mm along the head-foot axis"):
        _check(tmp_path, chest_voxels(), (1, 3, 2))


def test_a_few_sagittal_slices_are_too_few(tmp_path):
    with pytest.raises(CTReadError, match="8 slices over 16 mm along the left-right axis"):
        _check(tmp_path, chest_voxels()[:, :, :8])


def test_a_patient_of_three_metres_has_a_wrong_voxel_size(tmp_path):
    with pytest.raises(CTReadError, match=r"measures 2880 x 96 x 80 mm, more than any patient: its voxel size, 120 x"):
        _check(tmp_path, chest_voxels(), (120, 3, 2))


def test_noisy_air_alone_is_refused(tmp_path):
    noise = np.random.default_rng(0).normal(-1000, 15, (24, 32, 40))
    with pytest.raises(CTReadError, match="holds only air"):
        _check(tmp_path, noise)


def test_one_value_everywhere_is_called_empty(tmp_path):
    with pytest.raises(CTReadError, match=r"the image is empty \(all voxels -1024\)"):
        _check(tmp_path, np.full((24, 32, 40), -1024))


def test_values_that_never_go_below_zero_are_called_not_rescaled(tmp_path):
    with pytest.raises(CTReadError, match=r"from 0 to .*not rescaled to Hounsfield units"):
        _check(tmp_path, np.maximum(chest_voxels() + 1000, 0))


def test_an_image_without_air_is_refused(tmp_path):
    with pytest.raises(CTReadError, match="hardly any voxel is air"):
        _check(tmp_path, np.maximum(chest_voxels(), -300))


def test_a_voxel_size_of_zero_is_refused(tmp_path):
    with pytest.raises(CTReadError, match="voxel size or position is missing"):
        _check(tmp_path, chest_voxels(), (0, 3, 2))
