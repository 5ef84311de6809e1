"""Several series in one folder: the axial one with the most slices is read, and the choice is told."""

import numpy as np
import pytest

from LungCancerDxLib.errors import CTReadError
from LungCancerDxLib.io import read_ct
from Testing.io.dicom.dicom_files import chest_voxels, write_series

VOXELS = chest_voxels()
CORONAL = [1.0, 0.0, 0.0, 0.0, 0.0, -1.0]


def test_the_series_with_more_slices_is_read_and_the_other_named(tmp_path):
    write_series(tmp_path, VOXELS, name="b{}", SeriesDescription="Lung 3 mm", SeriesInstanceUID="1.2.50")
    write_series(tmp_path, VOXELS[::2], spacing_mm=6, name="a{}", SeriesDescription="Body 6 mm")
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.info["series_uid"] == "1.2.50"
    assert volume.warnings == (
        '2 CT series found; read "Lung 3 mm" (24 axial slices); not read: "Body 6 mm" (12 axial slices).',
    )


def test_of_equal_series_the_very_sharp_one_is_not_read(tmp_path):
    for name, kernel in (("a{}", "BONE"), ("b{}", "STANDARD")):
        write_series(tmp_path, VOXELS, name=name, SeriesDescription=kernel, ConvolutionKernel=kernel)
    assert read_ct(tmp_path).info["kernel"] == "STANDARD"


def test_series_without_description_are_named_by_their_uid(tmp_path):
    write_series(tmp_path, VOXELS, name="b{}", SeriesInstanceUID="1.2.50")
    write_series(tmp_path, VOXELS[::2], spacing_mm=6, name="a{}", SeriesInstanceUID="1.2.51")
    (warning,) = read_ct(tmp_path).warnings
    assert "read UID 1.2.50 (24 axial slices); not read: UID 1.2.51" in warning


def test_a_larger_coronal_series_does_not_win(tmp_path):
    write_series(tmp_path / "axial", VOXELS)
    coronal = chest_voxels((40, 32, 40), seed=5)
    places = [(-40.0, -50.0 + 3 * k, 60.0) for k in range(40)]
    write_series(tmp_path / "coronal", coronal, places, ImageOrientationPatient=CORONAL)
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert "40 coronal slices" in volume.warnings[0]


def test_coronal_slices_alone_are_refused(tmp_path):
    places = [(-40.0, -50.0 + 3 * k, 60.0) for k in range(24)]
    write_series(tmp_path, VOXELS, places, ImageOrientationPatient=CORONAL, SeriesDescription="MPR")
    with pytest.raises(CTReadError, match=r'no axial slices; found "MPR" \(24 coronal slices\)'):
        read_ct(tmp_path)


def test_localizers_within_the_series_are_dropped(tmp_path):
    write_series(tmp_path / "ct", VOXELS, SeriesInstanceUID="1.2.60")
    write_series(
        tmp_path / "scout",
        VOXELS[:2],
        SeriesInstanceUID="1.2.60",
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
        ImageOrientationPatient=CORONAL,
    )
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.warnings == ()


def test_localizers_alone_are_named(tmp_path):
    write_series(tmp_path, VOXELS[:2], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    with pytest.raises(CTReadError, match="found localizers: 2"):
        read_ct(tmp_path)


@pytest.mark.parametrize(
    "tags",
    [{"ImageOrientationPatient": CORONAL}, {"PixelSpacing": [1.0, 1.0]}, {"ConvolutionKernel": "B80"}],
    ids=["orientation", "pixel size", "kernel"],
)
def test_stacks_under_one_series_uid_are_told_apart(tmp_path, tags):
    write_series(tmp_path / "a", VOXELS, SeriesInstanceUID="1.2.60", ConvolutionKernel="B30")
    other = {"SeriesInstanceUID": "1.2.60", "ConvolutionKernel": "B30", **tags}
    write_series(tmp_path / "b", chest_voxels(seed=9)[:7], **other)
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.info["kernel"] == "B30"
    assert "2 CT series found" in volume.warnings[0]


def test_stacks_of_another_image_size_under_one_series_uid_are_told_apart(tmp_path):
    write_series(tmp_path / "a", VOXELS, SeriesInstanceUID="1.2.60")
    write_series(tmp_path / "b", chest_voxels((7, 50, 50)), SeriesInstanceUID="1.2.60")
    np.testing.assert_array_equal(read_ct(tmp_path).voxels, VOXELS)


def test_many_images_at_few_places_do_not_outweigh_a_scan(tmp_path):
    write_series(tmp_path / "scan", VOXELS)
    places = [(-40.0, -50.0, -60.0 + 3 * (k % 6)) for k in range(30)]
    write_series(tmp_path / "perfusion", chest_voxels((30, 32, 40), seed=3), places)
    np.testing.assert_array_equal(read_ct(tmp_path).voxels, VOXELS)
