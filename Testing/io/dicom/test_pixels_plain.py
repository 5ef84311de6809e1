"""Uncompressed slices are read without the decoder, and to the same numbers."""

import numpy as np
import pydicom
import pytest
from pydicom.uid import ImplicitVRLittleEndian

from LungCancerDxLib.io.dicom import pixels as dicom_pixels
from LungCancerDxLib.io.dicom.files import scan
from Testing.io.dicom.dicom_files import chest_voxels, slice_dataset, write_compressed, write_dicom

PIXELS = chest_voxels()[12]


def header(path):
    (found,), _ = scan([path])
    return found


def decoded(path):
    return dicom_pixels._decode_file(path)[0]


def test_a_slice_in_implicit_vr_is_read_as_the_decoder_does(tmp_path):
    dataset = slice_dataset(PIXELS, (0, 0, 0))
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    path = write_dicom(tmp_path / "slice.dcm", dataset)
    assert header(path).plain is not None
    np.testing.assert_array_equal(dicom_pixels.stacked([header(path)])[0], decoded(path))


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize(("slope", "intercept"), [(1.0, -1024.0), (1.0, 0.0), (2.0, -500.0)])
def test_every_bit_pattern_is_read_as_the_decoder_does(tmp_path, signed, bits, slope, intercept):
    """All 65536 words, those among them with something in the bits that do not count."""
    tags = {"Rows": 256, "Columns": 256, "BitsStored": bits, "HighBit": bits - 1, "PixelRepresentation": signed}
    words = np.arange(2**16, dtype=np.uint16).tobytes()
    dataset = slice_dataset(PIXELS, (0, 0, 0), PixelData=words, **tags)
    dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
    path = write_dicom(tmp_path / "slice.dcm", dataset)
    assert header(path).plain is not None
    expected = dicom_pixels.to_hounsfield(decoded(path), path)
    np.testing.assert_array_equal(dicom_pixels.stacked([header(path)])[0], expected)


@pytest.mark.parametrize(
    "tags",
    [
        {"RescaleSlope": 0.5},
        {"RescaleIntercept": -1024.5},
        {"RescaleSlope": 1e6},
        {"RescaleIntercept": None},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
    ],
)
def test_anything_unusual_is_left_to_the_decoder(tmp_path, tags):
    dataset = slice_dataset(PIXELS, (0, 0, 0))
    for name, value in tags.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    assert header(write_dicom(tmp_path / "slice.dcm", dataset)).plain is None


def test_compressed_and_cut_off_slices_are_left_to_the_decoder(tmp_path):
    assert header(write_compressed(tmp_path / "jpeg.dcm", PIXELS, 0)).plain is None
    dataset = slice_dataset(PIXELS, (0, 0, 0))
    dataset.PixelData = dataset.PixelData[:-2]
    assert header(write_dicom(tmp_path / "short.dcm", dataset)).plain is None


def test_plain_slices_need_no_decoder(tmp_path, monkeypatch):
    path = write_dicom(tmp_path / "slice.dcm", slice_dataset(PIXELS, (0, 0, 0)))
    assert pydicom.dcmread(path).RescaleSlope == 1
    monkeypatch.delattr(dicom_pixels, "_decode_file")
    np.testing.assert_array_equal(dicom_pixels.stacked([header(path)])[0], PIXELS)
