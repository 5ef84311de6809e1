"""Decoding: rescale, padding, and slices that are not whole."""

import os

import numpy as np
import pydicom
import pytest

from LungCancerDxLib.errors import CTReadError
from LungCancerDxLib.io import read_ct
from Testing.io.dicom.dicom_files import chest_voxels, write_compressed, write_multiframe, write_series

VOXELS = chest_voxels()


def test_each_slice_has_its_own_rescale(tmp_path):
    slopes, intercepts = (1.0, 0.5, 0.25), (-1024.0, 0.0, -300.5)
    write_series(
        tmp_path, VOXELS, RescaleSlope=lambda k: slopes[k % 3], RescaleIntercept=lambda k: intercepts[k // 2 % 3]
    )
    np.testing.assert_allclose(read_ct(tmp_path).voxels, VOXELS, atol=0.5)


def test_a_fractional_slope_is_rounded_and_not_cut(tmp_path):
    paths = write_series(tmp_path, VOXELS, RescaleSlope=0.7, RescaleIntercept=-1024.0)
    stored = np.stack([np.frombuffer(pydicom.dcmread(path).PixelData, np.int16) for path in paths])
    expected = np.rint(stored * 0.7 - 1024).reshape(VOXELS.shape)
    np.testing.assert_array_equal(read_ct(tmp_path).voxels, expected)


def test_padding_outside_the_field_of_view_becomes_air(tmp_path):
    voxels = VOXELS.copy()
    voxels[:, :3] = -2048
    voxels[:, -3:] = -3024
    volume = read_ct(write_series(tmp_path, voxels)[0].parent)
    np.testing.assert_array_equal(volume.voxels, np.maximum(voxels, -1024))


@pytest.mark.parametrize("bytes_lost", [2, 1000])
def test_a_truncated_slice_is_named(tmp_path, bytes_lost):
    path = write_series(tmp_path, VOXELS)[7]
    path.write_bytes(path.read_bytes()[:-bytes_lost])
    with pytest.raises(CTReadError, match=r"007.dcm: .*truncated"):
        read_ct(tmp_path)


def test_a_slice_with_fewer_pixels_than_its_header_says_is_named(tmp_path):
    path = write_series(tmp_path, VOXELS)[7]
    dataset = pydicom.dcmread(path)
    dataset.PixelData = dataset.PixelData[:1000]
    dataset.save_as(path)
    with pytest.raises(CTReadError, match=r"007.dcm: truncated: 1000 bytes of pixels, expected 2560"):
        read_ct(tmp_path)


@pytest.mark.parametrize(
    ("bytes_lost", "end", "said"), [(400, b"", "the pixels cannot be decoded"), (600, bytes(600), "truncated")]
)
def test_a_compressed_slice_whose_end_was_cut_off_or_lost_to_zeros_is_named(tmp_path, bytes_lost, end, said):
    for k, pixels in enumerate(VOXELS):
        write_compressed(tmp_path / f"{k:03d}.dcm", pixels, -60 + 3 * k)
    path = tmp_path / "007.dcm"
    path.write_bytes(path.read_bytes()[:-bytes_lost] + end)
    with pytest.raises(CTReadError, match=f"007.dcm: {said}"):
        read_ct(tmp_path)


def test_a_slice_without_pixels_is_named(tmp_path):
    path = write_series(tmp_path, VOXELS)[7]
    dataset = pydicom.dcmread(path)
    del dataset.PixelData
    dataset.save_as(path)
    with pytest.raises(CTReadError, match=r"007.dcm: the pixels cannot be decoded"):
        read_ct(tmp_path)


def test_a_truncated_multiframe_file_is_named(tmp_path):
    path = write_multiframe(tmp_path / "scan.dcm", VOXELS)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(CTReadError, match=r"scan.dcm: .*truncated"):
        read_ct(path)


@pytest.mark.slow
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("rle", [False, True])
def test_monochrome1_is_only_a_way_to_show_a_scan(tmp_path, rle, signed):
    tags = {"PhotometricInterpretation": "MONOCHROME1", "PixelRepresentation": signed}
    write_series(tmp_path, VOXELS, rle=rle, RescaleIntercept=-1030.0, RescaleSlope=0.5, **tags)
    np.testing.assert_array_equal(read_ct(tmp_path).voxels, VOXELS)


def test_monochrome1_is_only_a_way_to_show_a_multiframe_scan(tmp_path):
    path = write_multiframe(tmp_path / "scan.dcm", VOXELS)
    dataset = pydicom.dcmread(path)
    dataset.PhotometricInterpretation = "MONOCHROME1"
    dataset.save_as(path)
    np.testing.assert_array_equal(read_ct(path).voxels, VOXELS)


@pytest.mark.slow
@pytest.mark.parametrize("compressed", [False, True])
def test_bytes_in_a_path_that_are_no_utf8_do_not_matter(tmp_path, compressed):
    folder = tmp_path / os.fsdecode(b"J\xfcrgen")
    try:
        folder.mkdir()
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system allows no such names")
    for path in write_series(folder, VOXELS, rle=compressed):
        path.rename(folder / os.fsdecode(b"\xe4" + os.fsencode(path.name)))
    np.testing.assert_array_equal(read_ct(folder).voxels, VOXELS)


@pytest.mark.parametrize("is_multiframe", [False, True])
def test_a_truncated_monochrome1_file_is_named(tmp_path, is_multiframe):
    path = write_multiframe(tmp_path / "000.dcm", VOXELS) if is_multiframe else write_series(tmp_path, VOXELS)[0]
    dataset = pydicom.dcmread(path)
    dataset.PhotometricInterpretation = "MONOCHROME1"
    dataset.save_as(path)
    path.write_bytes(path.read_bytes()[: -len(dataset.PixelData) // 3])
    with pytest.raises(CTReadError, match=r"000.dcm: truncated: \d+ bytes of pixels"):
        read_ct(tmp_path)


def test_slices_without_a_rescale_among_others_are_refused_by_name(tmp_path):
    """Read as they are they would be 1024 HU too bright."""
    for path in write_series(tmp_path, VOXELS)[5:8]:
        dataset = pydicom.dcmread(path)
        del dataset.RescaleIntercept
        dataset.save_as(path)
    with pytest.raises(
        CTReadError, match=r"3 of 24 slices do not state their RescaleIntercept \(005.dcm, 006.dcm, 007"
    ):
        read_ct(tmp_path)


@pytest.mark.parametrize(("intercept", "said"), [(None, "1 of 24 slices"), (b"-1O24 ", "unreadable RescaleIntercept")])
def test_a_frame_without_a_rescale_is_refused(tmp_path, intercept, said):
    path = write_multiframe(tmp_path / "frames.dcm", VOXELS)
    dataset = pydicom.dcmread(path)
    frame = dataset.PerFrameFunctionalGroupsSequence[3]
    if intercept is None:
        del frame.PixelValueTransformationSequence
        dataset.save_as(path)
    else:
        frame.PixelValueTransformationSequence[0].RescaleIntercept = "-1924"
        dataset.save_as(path)
        path.write_bytes(path.read_bytes().replace(b"-1924 ", intercept))
    with pytest.raises(CTReadError, match=said):
        read_ct(path)


def test_slices_that_end_in_zeros_where_their_neighbours_do_not_are_left_out_and_told(tmp_path):
    """As a copy leaves them that broke off: one slice in part, those after it empty."""
    paths = write_series(tmp_path, VOXELS)
    for path, share in ((paths[9], 0.5), (paths[22], 0.7), (paths[23], 1.0)):
        content = path.read_bytes()
        lost = int(share * VOXELS[0].size * 2)
        path.write_bytes(content[:-lost] + bytes(lost))
    volume = read_ct(tmp_path)
    assert volume.shape_kji == (22, *VOXELS.shape[1:])
    told = " ".join(volume.warnings)
    assert all(name in told for name in ("009.dcm", "022.dcm", "023.dcm"))
    np.testing.assert_array_equal(np.delete(volume.voxels, 9, axis=0), np.delete(VOXELS[:22], 9, axis=0))
