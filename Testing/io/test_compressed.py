"""Compressed voxels that are not whole any more are refused, whatever the reader makes of them; whole ones are read."""

import gzip

import numpy as np
import pytest
import SimpleITK as sitk

from LungCancerDxLib.errors import CTReadError
from LungCancerDxLib.io import read_ct
from Testing.io.dicom.dicom_files import chest_voxels, sitk_image

VOXELS = chest_voxels()
BESIDE = {"scan.nhdr": "scan.raw.gz", "scan.mhd": "scan.zraw"}  # where the voxels lie
GZIP = ("scan.nii.gz", "scan.nrrd", "scan.nhdr")
EVERY = (*GZIP, "scan.mha", "scan.mhd")


def write(folder, name):
    """The scan, and the file that has its voxels."""
    sitk.WriteImage(sitk_image(VOXELS), str(folder / name), useCompression=True)
    return folder / name, folder / BESIDE.get(name, name)


def flipped_bit(content):
    content[len(content) // 2] ^= 16


def zeroed_block(content):
    content[len(content) // 2 : len(content) // 2 + 512] = bytes(512)


def wrong_end(content):
    """In the length that gzip notes, in zlib's checksum."""
    content[-3] ^= 1


def check_refused(path, file, damage):
    content = bytearray(file.read_bytes())
    damage(content)
    file.write_bytes(content)
    with pytest.raises(CTReadError, match=rf"{path.name}: cannot be read.*what is compressed in it is damaged"):
        read_ct(path)


@pytest.mark.parametrize("damage", [flipped_bit, zeroed_block, wrong_end])
@pytest.mark.parametrize("name", EVERY)
def test_damaged_voxels_are_refused(tmp_path, name, damage):
    path, file = write(tmp_path, name)
    check_refused(path, file, damage)


def test_a_meta_image_whose_last_line_is_not_ended_is_checked_too(tmp_path):
    path, file = write(tmp_path, "scan.mhd")
    path.write_bytes(path.read_bytes().rstrip())
    np.testing.assert_array_equal(read_ct(path).voxels, VOXELS)
    check_refused(path, file, flipped_bit)


@pytest.mark.parametrize("name", GZIP)
def test_several_streams_one_after_the_other_are_one_scan_and_all_are_checked(tmp_path, name):
    path, file = write(tmp_path, name)
    head, start, stream = file.read_bytes().partition(b"\x1f\x8b")
    whole = gzip.decompress(start + stream)
    file.write_bytes(head + gzip.compress(whole[: len(whole) // 3]) + gzip.compress(whole[len(whole) // 3 :]))
    np.testing.assert_array_equal(read_ct(path).voxels, VOXELS)
    check_refused(path, file, flipped_bit)


@pytest.mark.parametrize("more", [bytes(700), b"signed by somebody"])
@pytest.mark.parametrize("name", EVERY)
def test_what_follows_the_voxels_does_not_matter(tmp_path, name, more):
    path, file = write(tmp_path, name)
    file.write_bytes(file.read_bytes() + more)
    np.testing.assert_array_equal(read_ct(path).voxels, VOXELS)


def test_voxels_behind_a_header_of_another_kind_are_read(tmp_path):
    path, file = write(tmp_path, "scan.mhd")
    path.write_bytes(path.read_bytes().replace(b"ElementDataFile", b"HeaderSize = 7\nElementDataFile"))
    file.write_bytes(b"foreign" + file.read_bytes())
    np.testing.assert_array_equal(read_ct(path).voxels, VOXELS)
