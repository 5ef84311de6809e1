"""Gaps between slices: small ones are interpolated with a warning, large ones refused."""

import numpy as np
import pytest

from LungCancerDxLib.errors import CTReadError
from LungCancerDxLib.io import read_ct
from Testing.io.dicom.dicom_files import chest_voxels, write_series

VOXELS = chest_voxels((40, 32, 40))


def _write_at(folder, voxels, z_mm):
    write_series(folder, voxels, [(-40.0, -50.0, float(z)) for z in z_mm])
    return folder


def test_a_missing_slice_is_interpolated_and_its_place_told(tmp_path):
    kept = [k for k in range(40) if k != 17]
    volume = read_ct(_write_at(tmp_path, VOXELS[kept], [3 * k for k in kept]))
    assert volume.shape_kji == VOXELS.shape
    np.testing.assert_array_equal(volume.voxels[kept], VOXELS[kept])
    between = (VOXELS[16].astype(float) + VOXELS[18]) / 2
    np.testing.assert_allclose(volume.voxels[17], between, atol=0.5)
    np.testing.assert_allclose(volume.kji_to_lps @ (17, 0, 0, 1), (-40, -50, 51, 1), atol=1e-6)
    assert volume.warnings == (
        "1 missing slice was interpolated (between 48.0 and 54.0 mm along the slice normal), 3.00 mm apart.",
    )


def test_three_slices_missing_in_a_row_are_refused(tmp_path):
    kept = [k for k in range(40) if k not in (17, 18, 19)]
    with pytest.raises(CTReadError, match=r"a gap of 12.0 mm \(between 48.0 and 60.0 mm .* expected gaps of 7.5 mm"):
        read_ct(_write_at(tmp_path, VOXELS[kept], [3 * k for k in kept]))


def test_a_gap_of_more_than_a_centimetre_is_refused(tmp_path):
    kept = [k for k in range(40) if k != 17]
    with pytest.raises(CTReadError, match=r"a gap of 12.0 mm .* expected gaps of 10.0 mm"):
        read_ct(_write_at(tmp_path, VOXELS[kept], [6 * k for k in kept]))


def test_many_single_missing_slices_are_refused(tmp_path):
    kept = [k for k in range(40) if k not in (5, 15, 25, 35)]
    with pytest.raises(CTReadError, match=r"4 slices missing .* expected 5% of the slices at most"):
        read_ct(_write_at(tmp_path, VOXELS[kept], [3 * k for k in kept]))


def test_tiny_jitter_passes_in_silence(tmp_path):
    jitter = np.random.default_rng(0).uniform(-0.03, 0.03, 40)
    volume = read_ct(_write_at(tmp_path, VOXELS, 3 * np.arange(40) + jitter))
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.warnings == ()


def test_uneven_spacing_is_made_even_with_a_warning(tmp_path):
    z_mm = np.concatenate([3.0 * np.arange(30), 87 + 4.0 * np.arange(1, 11)])
    ramp = np.clip(VOXELS, -1000, -990).astype(np.int16)
    ramp[:, 5:25, 5:35] = np.rint(z_mm).astype(np.int16)[:, None, None]
    volume = read_ct(_write_at(tmp_path, ramp, z_mm))
    z_of_slices = volume.kji_to_lps[2, 3] + volume.kji_to_lps[2, 0] * np.arange(volume.shape_kji[0])
    np.testing.assert_allclose(volume.voxels[:, 10, 10], z_of_slices, atol=0.51)
    assert z_of_slices[-1] == pytest.approx(127)
    assert "The slices are 3.00 to 4.00 mm apart and were interpolated" in volume.warnings[0]


def test_thick_slices_without_gaps_pass(tmp_path):
    volume = read_ct(_write_at(tmp_path, VOXELS, 12 * np.arange(40)))
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.warnings == ()
