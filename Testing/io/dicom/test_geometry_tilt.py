"""Gantry tilt: the volume comes out orthogonal and everything in it at its true place."""

import numpy as np
import pytest

from LungCancerDxLib.errors import CTReadError
from LungCancerDxLib.io import read_ct
from LungCancerDxLib.volume import index_to_world
from Testing.io.dicom.dicom_files import chest_voxels, write_series

CENTRE_LPS = np.array([3.0, -4.0, 41.0])
RADIUS_MM = 12.0


def _write_tilted_ball(folder, degrees, sideways_mm=0.0):
    """A ball in air, scanned with tilted slices while the table moves along z."""
    angle = np.radians(degrees)
    along_i, along_j = np.array([1.0, 0.0, 0.0]), np.array([0.0, np.cos(angle), np.sin(angle)])
    voxels, positions = [], []
    j, i = np.meshgrid(np.arange(48), np.arange(56), indexing="ij")
    for k in range(40):
        corner = np.array([-45.0 + sideways_mm * k, -40.0, 2.0 * k + 5])
        points = corner + i[..., None] * 1.5 * along_i + j[..., None] * 1.6 * along_j
        distance = np.linalg.norm(points - CENTRE_LPS, axis=-1)
        voxels.append(np.clip((RADIUS_MM - distance) * 1000 - 480, -1000, 40))
        positions.append(tuple(corner))
    tags = {"ImageOrientationPatient": [round(float(x), 6) for x in (*along_i, *along_j)], "PixelSpacing": [1.6, 1.5]}
    write_series(folder, np.array(voxels).round().astype(np.int16), positions, **tags)


def _ball_centre_lps(volume):
    inside = np.argwhere(volume.voxels > -480)
    return index_to_world(volume.kji_to_lps, inside.mean(axis=0))


@pytest.mark.parametrize(("degrees", "sideways_mm"), [(15.0, 0.0), (-22.0, 0.0), (12.0, 0.3)])
def test_a_ball_in_a_tilted_scan_lies_at_its_true_place(tmp_path, degrees, sideways_mm):
    _write_tilted_ball(tmp_path, degrees, sideways_mm)
    volume = read_ct(tmp_path)
    axes = volume.kji_to_lps[:3, :3] / volume.spacing_mm_kji
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-6)
    assert np.linalg.norm(_ball_centre_lps(volume) - CENTRE_LPS) < 0.3
    ball_mm3 = np.count_nonzero(volume.voxels > -480) * np.prod(volume.spacing_mm_kji)
    assert ball_mm3 == pytest.approx(4 / 3 * np.pi * RADIUS_MM**3, rel=0.03)
    assert "shifted onto an orthogonal grid" in volume.warnings[0]


def test_the_warning_tells_the_tilt(tmp_path):
    _write_tilted_ball(tmp_path, 15.0)
    assert "gantry tilt of 15.0 degrees" in read_ct(tmp_path).warnings[0]


def test_nothing_is_cut_off_and_the_new_corners_are_air(tmp_path):
    _write_tilted_ball(tmp_path, 15.0)
    volume = read_ct(tmp_path)
    drift_px = 39 * 2 * np.sin(np.radians(15)) / 1.6
    assert volume.shape_kji == (40, 48 + int(np.ceil(drift_px)), 56)
    assert volume.voxels[0, 0, 0] != volume.voxels[-1, 0, 0]
    assert {int(volume.voxels[0, 0, 0]), int(volume.voxels[-1, 0, 0])} == {-1024, -1000}


def test_an_untilted_scan_keeps_its_voxels_and_has_no_warning(tmp_path):
    _write_tilted_ball(tmp_path, 0.0)
    volume = read_ct(tmp_path)
    assert volume.shape_kji == (40, 48, 56)
    assert volume.warnings == ()
    assert np.linalg.norm(_ball_centre_lps(volume) - CENTRE_LPS) < 0.3


def test_slices_that_drift_further_than_a_gantry_tilts_are_refused(tmp_path):
    _write_tilted_ball(tmp_path, 0.0, sideways_mm=3.0)
    with pytest.raises(CTReadError, match=r"the slices drift sideways by 117.0 mm over 78 mm: no stack of slices"):
        read_ct(tmp_path)


@pytest.mark.parametrize("is_step", [False, True])
def test_slices_that_lie_aside_in_no_straight_line_are_not_called_tilted(tmp_path, is_step):
    aside = [20.0 if (k >= 50 if is_step else k == 50) else 0.0 for k in range(100)]
    positions = [(-40.0 + x, -50.0, -60.0 + 3 * k) for k, x in enumerate(aside)]
    write_series(tmp_path, chest_voxels((100, 32, 40)), positions)
    (warning,) = read_ct(tmp_path).warnings
    assert "tilt" not in warning
    assert "slice 51 of 100" in warning or (is_step and "slice 50 of 100" in warning)
