"""Scans on which an earlier version lost a lesion, mixed up the sides, or gave up: what must hold of each."""

import os

import numpy as np
import pytest

from LungCancerDxLib.errors import CTReadError
from LungCancerDxLib.io import read_ct
from LungCancerDxLib.volume import world_to_index

pytestmark = pytest.mark.slow

NODULE_LPS_MM, NODULE_MM = (60.7, 59.3, 0.4), 13.9  # of the patient from whom these scans are made
GRID = (90, 126, 162)


def nodule_hu(volume, radius_mm=4.0):
    """Mean HU well inside the nodule: about 40 where it lies as it should."""
    offsets = np.stack(np.meshgrid(*[np.linspace(-radius_mm, radius_mm, 5)] * 3), -1).reshape(-1, 3)
    points = np.add(NODULE_LPS_MM, offsets[np.linalg.norm(offsets, axis=1) <= radius_mm])
    return volume.voxels[tuple(np.rint(world_to_index(volume.kji_to_lps, points)).astype(int).T)].mean()


def test_the_undisturbed_scan_is_read_in_silence(difficult_case):
    volume = read_ct(difficult_case("reference-patient", "ct.nrrd"))
    assert volume.warnings == ()
    assert nodule_hu(volume) > -100


def test_a_copy_that_broke_off_is_refused_with_the_names_of_its_files(difficult_case):
    with pytest.raises(
        CTReadError, match=r"36 of 90 slices cannot be read.*empty, damaged or cut off: 0055\.dcm, .* and 31"
    ):
        read_ct(difficult_case("destroyed-slices-go-unsaid", "scan.tar.gz"))


def test_of_a_scan_and_its_projection_the_scan_is_read(difficult_case):
    volume = read_ct(difficult_case("mip-series-is-chosen", "scan.tar.gz"))
    assert volume.info["series_description"] == "CHEST 2.5 MM"
    assert '"LUNG MIP 10/1.25" (180 axial slices, a projection)' in volume.warnings[0]
    assert nodule_hu(volume) > -100


def test_a_scan_split_into_two_series_is_read_as_one(difficult_case):
    volume = read_ct(difficult_case("one-scan-under-two-uids", "scan.tar.gz"))
    assert volume.shape_kji == GRID
    assert volume.warnings == ("The scan is split into 2 series that continue each other; they were read as one.",)
    assert nodule_hu(volume) > -100


def test_two_patients_in_a_folder_are_refused_and_not_named(difficult_case):
    with pytest.raises(
        CTReadError, match=r"different patients: series 1\.2\S+ \(70 slices\) and series 1\.2\S+ \(90 sl"
    ) as told:
        read_ct(difficult_case("two-patients-one-folder", "scan.tar.gz"))
    assert "F1" not in str(told.value)


@pytest.mark.parametrize("offset", ["1.0mm", "1.25mm"])
def test_of_two_acquisitions_that_lie_between_each_other_one_is_read(difficult_case, offset):
    volume = read_ct(difficult_case("two-acquisitions-interleaved", f"offset-{offset}.tar.gz"))
    assert volume.shape_kji == GRID
    assert volume.spacing_mm_kji[0] == pytest.approx(2.5)
    assert volume.warnings == (
        "The series holds several acquisitions; 90 of 180 slices read, told apart by their acquisition number (1).",
    )


def test_slices_that_all_state_one_position_are_refused(difficult_case):
    with pytest.raises(CTReadError, match="all 40 slices state the same position"):
        read_ct(difficult_case("same-position-in-all", "scan.tar.gz"))


@pytest.mark.parametrize("name", ["acquisition-number-text", "pixel-spacing-comma", "slice-thickness-comma"])
def test_a_number_that_is_none_does_not_lose_the_scan(difficult_case, name, capfd):
    volume = read_ct(difficult_case("odd-number-loses-the-scan", f"{name}.tar.gz"))
    assert volume.shape_kji == (40, *GRID[1:])
    np.testing.assert_allclose(volume.spacing_mm_kji, (2.5, 2.4, 2.4))
    assert (volume.warnings, volume.info["slice_thickness_mm"]) == ((), 2.5)
    assert capfd.readouterr() == ("", "")


def test_a_link_to_a_folder_is_followed(difficult_case, tmp_path):
    scan = difficult_case("linked-sub-folder", "scan.tar.gz")
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "series").symlink_to(scan / "CT")
    assert read_ct(tmp_path / "f").shape_kji == read_ct(scan).shape_kji == (40, *GRID[1:])


def test_bytes_in_a_path_that_are_no_utf8_do_not_matter(difficult_case, tmp_path):
    folder = tmp_path / os.fsdecode(b"J\xfcrgen")
    try:
        (difficult_case("non-utf8-path", "plain.tar.gz") / "CT").rename(folder)
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system allows no such names")
    assert read_ct(folder).shape_kji == (40, *GRID[1:])


def test_two_forms_that_disagree_on_left_are_refused(difficult_case):
    with pytest.raises(
        CTReadError, match=r"contradicts itself: .* \(qform, sform\), which disagree on the patient's sides"
    ):
        read_ct(difficult_case("nifti-forms-disagree-on-left", "ct.nii.gz"))


def test_two_voxel_sizes_in_one_file_are_refused(difficult_case, capfd):
    with pytest.raises(CTReadError, match=r"voxels of 1 x 1 x 1 mm \(pixdim\) and of 2\.4 x 2\.4 x 2\.5 mm \(sform\)"):
        read_ct(difficult_case("nifti-two-voxel-sizes", "ct.nii.gz"))
    assert capfd.readouterr() == ("", "")


def test_a_shear_as_rounding_leaves_it_is_no_reason_to_refuse(difficult_case):
    volume = read_ct(difficult_case("nifti-tiny-shear-refused", "ct.nii.gz"))
    assert (volume.shape_kji, volume.warnings) == (GRID, ())
    assert nodule_hu(volume) > -100


def test_a_tilted_scan_lies_where_it_should_as_dicom_and_nearly_there_as_nifti(difficult_case):
    for file, within_mm in (("dicom.tar.gz", 0.5), ("ct.nii.gz", 3.0)):  # the file's own step is 2.46 instead of 2.5 mm
        volume = read_ct(difficult_case("nifti-of-a-tilted-scan", file))
        assert "gantry tilt of 10.0 degrees" in volume.warnings[0]
        axes = volume.kji_to_lps[:3, :3] / volume.spacing_mm_kji
        np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-6)
        assert nodule_hu(volume, 6.0 - within_mm) > -100
