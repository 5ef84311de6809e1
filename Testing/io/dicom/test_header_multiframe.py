"""Enhanced CT: one file with a header for each frame."""

import numpy as np
import pydicom
import pytest

from LungCancerDxLib.errors import CTReadError
from LungCancerDxLib.io import read_ct
from LungCancerDxLib.io.dicom.files import scan
from Testing.io.dicom.dicom_files import chest_voxels, write_multiframe

VOXELS = chest_voxels()


def test_frames_are_sorted_by_position_and_rescaled_one_by_one(tmp_path):
    order = np.random.default_rng(2).permutation(24)
    rescales = [((1.0, 0.5, 2.0)[k % 3], -1024.0 + 10 * k) for k in range(24)]
    volume = read_ct(write_multiframe(tmp_path / "scan.dcm", VOXELS, rescales=rescales, order=order))
    np.testing.assert_allclose(volume.voxels, VOXELS, atol=1)
    np.testing.assert_allclose(volume.kji_to_lps @ (2, 4, 5, 1), (-30, -38, -54, 1), atol=1e-6)
    assert volume.info["slice_thickness_mm"] == 3.0


def test_groups_shared_by_all_frames_are_used(tmp_path):
    path = write_multiframe(tmp_path / "scan.dcm", VOXELS)
    dataset = pydicom.dcmread(path)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        shared.PixelValueTransformationSequence = frame.PixelValueTransformationSequence
        del frame.PixelValueTransformationSequence
    dataset.save_as(path)
    np.testing.assert_array_equal(read_ct(path).voxels, VOXELS)


def test_the_unit_of_the_values_is_that_of_the_frames(tmp_path):
    path = write_multiframe(tmp_path / "scan.dcm", VOXELS)
    dataset = pydicom.dcmread(path)
    dataset.PerFrameFunctionalGroupsSequence[0].PixelValueTransformationSequence[0].RescaleType = "Z_EFF"
    dataset.save_as(path)
    slices, _ = scan([path])
    assert [each.series.rescale_type for each in slices] == ["Z_EFF", *["HU"] * 23]


def test_bits_laid_out_as_long_ago_are_refused(tmp_path):
    path = write_multiframe(tmp_path / "scan.dcm", VOXELS)
    dataset = pydicom.dcmread(path)
    dataset.BitsStored, dataset.HighBit = 12, 15
    dataset.save_as(path)
    with pytest.raises(CTReadError, match=r"found images with a retired layout of their bits \(HighBit\)"):
        read_ct(path)


def test_localizer_frames_are_dropped(tmp_path):
    path = write_multiframe(tmp_path / "scan.dcm", VOXELS)
    dataset = pydicom.dcmread(path)
    frame_type = pydicom.Dataset()
    frame_type.FrameType = ["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]
    dataset.PerFrameFunctionalGroupsSequence[0].CTImageFrameTypeSequence = [frame_type]
    dataset.save_as(path)
    volume = read_ct(path)
    np.testing.assert_array_equal(volume.voxels, VOXELS[1:])
    np.testing.assert_allclose(volume.kji_to_lps[:3, 3], (-40, -50, -57), atol=1e-6)


@pytest.mark.slow
def test_phases_are_told_apart_by_their_temporal_index(tmp_path):
    late = np.where(VOXELS > -200, VOXELS + 50, VOXELS)
    path = write_multiframe(tmp_path / "scan.dcm", np.stack([late, VOXELS], 1).reshape(-1, 32, 40))
    dataset = pydicom.dcmread(path)
    for n, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        content = pydicom.Dataset()
        content.TemporalPositionIndex = 2 - n % 2
        frame.FrameContentSequence = [content]
        frame.PlanePositionSequence[0].ImagePositionPatient = [-40, -50, -60 + 3 * (n // 2)]
    dataset.save_as(path)
    volume = read_ct(path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert "24 of 48 slices read, told apart by their temporal number (1)" in volume.warnings[0]


def test_frames_without_positions_are_refused(tmp_path):
    path = write_multiframe(tmp_path / "scan.dcm", VOXELS)
    dataset = pydicom.dcmread(path)
    del dataset.PerFrameFunctionalGroupsSequence
    dataset.save_as(path)
    with pytest.raises(CTReadError, match="multi-frame images without a position for each frame"):
        read_ct(path)
