"""NIfTI, NRRD and MetaImage files: number types, and everything that is not one whole 3D CT."""

import numpy as np
import pytest
import SimpleITK as sitk

from LungCancerDxLib.errors import CTReadError
from LungCancerDxLib.io import read_ct
from LungCancerDxLib.io.checks import NO_ORIENTATION
from Testing.io.dicom.dicom_files import chest_voxels, sitk_image

VOXELS = chest_voxels()


def _write(path, voxels, compress=False):
    sitk.WriteImage(voxels if isinstance(voxels, sitk.Image) else sitk_image(voxels), str(path), compress)
    return path


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
def test_integers_and_floats_give_the_same_hounsfield_units(tmp_path, dtype):
    volume = read_ct(_write(tmp_path / "scan.nrrd", VOXELS.astype(dtype)))
    np.testing.assert_array_equal(volume.voxels, VOXELS)


def test_floats_are_rounded(tmp_path):
    volume = read_ct(_write(tmp_path / "scan.nii.gz", VOXELS.astype(np.float32) + np.float32(0.4)))
    np.testing.assert_array_equal(volume.voxels, VOXELS)


def test_padding_and_metal_are_clamped(tmp_path):
    voxels = VOXELS.astype(np.int32)
    voxels[0, 0, 0], voxels[1, 1, 1] = -3024, 50000
    volume = read_ct(_write(tmp_path / "scan.nrrd", voxels))
    assert volume.voxels[0, 0, 0] == -1024
    assert volume.voxels[1, 1, 1] == 32767


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int8])
def test_numbers_that_cannot_hold_hounsfield_units_are_refused(tmp_path, dtype):
    voxels = np.clip(VOXELS.astype(int) + 1024, 0, np.iinfo(dtype).max).astype(dtype)
    with pytest.raises(CTReadError, match="not rescaled to Hounsfield units"):
        read_ct(_write(tmp_path / "scan.nrrd", voxels))


@pytest.mark.parametrize("name", ["scan.nrrd", "scan.mha", "scan.nii", "scan.nii.gz"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_voxels_are_counted(tmp_path, name, dtype):
    voxels = VOXELS.astype(dtype)
    voxels[3, 4, :5] = np.nan
    voxels[0, 0, 0] = np.inf
    with pytest.raises(CTReadError, match=f"{name}: 6 of {voxels.size} voxels are NaN or infinite"):
        read_ct(_write(tmp_path / name, voxels))


def test_nan_voxels_of_a_big_endian_nifti_are_counted(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    voxels = VOXELS.astype(np.float32)
    voxels[1, 2, 3] = np.nan
    swapped = nibabel.Nifti1Image(voxels.T, np.diag([1, 1, 2.5, 1]), nibabel.Nifti1Header(endianness=">"))
    nibabel.save(swapped, tmp_path / "scan.nii")
    with pytest.raises(CTReadError, match=r"1 of \d+ voxels are NaN"):
        read_ct(tmp_path / "scan.nii")


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("scan.mha", b"ElementSpacing = ", b"ElementSpicing = ", "nothing"),
        ("scan.nrrd", b"space directions: ", b"#pace directions: ", "nothing"),
    ],
)
def test_a_missing_voxel_size_is_refused(tmp_path, name, old, new, said):
    path = _write(tmp_path / name, VOXELS)
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(CTReadError, match=rf"voxel size is missing \(the header says {said}\), expected millimetres"):
        read_ct(path)


def test_a_nifti_without_a_voxel_size_is_refused(tmp_path):
    path = _write(tmp_path / "scan.nii", VOXELS)
    content = bytearray(path.read_bytes())
    content[80:92] = bytes(12)  # pixdim[1..3]
    path.write_bytes(content)
    with pytest.raises(CTReadError, match="voxel size is missing"):
        read_ct(path)


def test_a_nrrd_in_other_units_than_mm_is_refused(tmp_path):
    path = _write(tmp_path / "scan.nrrd", VOXELS)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"kinds:", b'space units: "cm" "cm" "cm"\nkinds:'))
    with pytest.raises(CTReadError, match="voxel size is missing"):
        read_ct(path)


def test_the_rescale_of_a_nifti_header_is_applied(tmp_path):
    path = _write(tmp_path / "scan.nii", (2 * (VOXELS + 1024.0)).astype(np.uint16))
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([0.5, -1024], "<f4").tobytes()  # scl_slope and scl_inter
    path.write_bytes(content)
    np.testing.assert_array_equal(read_ct(path).voxels, VOXELS)


@pytest.mark.parametrize("name", ["scan.nii", "scan.mha"])
def test_one_volume_in_four_dimensions_is_read(tmp_path, name):
    image = sitk.JoinSeries([sitk_image(VOXELS)])
    volume = read_ct(_write(tmp_path / name, image))
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    np.testing.assert_allclose(volume.spacing_mm_kji, (3, 3, 2), atol=1e-5)


def test_several_volumes_in_one_file_are_refused(tmp_path):
    image = sitk.JoinSeries([sitk_image(VOXELS)] * 3)
    with pytest.raises(CTReadError, match="found 3 volumes in one file, expected one 3D volume"):
        read_ct(_write(tmp_path / "scan.nii", image))


def test_a_colour_image_is_refused(tmp_path):
    colour = sitk.Compose([sitk.Cast(sitk_image(VOXELS), sitk.sitkUInt8)] * 3)
    with pytest.raises(CTReadError, match="colour or vector image"):
        read_ct(_write(tmp_path / "scan.nrrd", colour))


def test_a_2d_image_is_refused(tmp_path):
    with pytest.raises(CTReadError, match="found a 2D image"):
        read_ct(_write(tmp_path / "slice.mha", sitk.GetImageFromArray(VOXELS[12])))


def test_a_3d_file_with_one_slice_is_refused(tmp_path):
    with pytest.raises(CTReadError, match="a single slice along the head-foot axis"):
        read_ct(_write(tmp_path / "slice.nrrd", VOXELS[12:13]))


def test_a_sheared_nrrd_is_refused(tmp_path):
    path = _write(tmp_path / "scan.nrrd", VOXELS)
    header = path.read_bytes()
    sheared = header.replace(b"(0,0,3)", b"(0.5,0,3)")
    assert sheared != header
    path.write_bytes(sheared)
    with pytest.raises(CTReadError, match=r"scan.nrrd: the voxel grid is sheared"):
        read_ct(path)


def test_a_sheared_nifti_is_refused(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    affine = np.array([[-2.0, 0.5, 0, 40], [0, -3.0, 0, 50], [0, 0, 3.0, -60], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(VOXELS.T, affine), tmp_path / "scan.nii")
    with pytest.raises(CTReadError, match=r"scan.nii: the voxel grid is sheared"):
        read_ct(tmp_path / "scan.nii")


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.nrrd", "scan.mha"])
@pytest.mark.parametrize("share", [0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, name, share):
    path = _write(tmp_path / name, VOXELS, compress=name.endswith("nrrd"))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CTReadError, match=f"{name}: .*[Cc]opy or export"):
        read_ct(path)


def test_a_missing_data_file_is_refused(tmp_path):
    path = _write(tmp_path / "scan.mhd", VOXELS)
    (tmp_path / "scan.raw").unlink()
    with pytest.raises(CTReadError, match=r"scan.mhd: cannot be read.*\.raw, \.zraw"):
        read_ct(path)


def test_a_file_with_foreign_content_is_refused(tmp_path):
    for name in ("a.nii", "a.nii.gz", "a.nrrd", "a.nhdr", "a.mha", "a.mhd"):
        (tmp_path / name).write_text("hello")
        with pytest.raises(CTReadError, match=f"{name}: cannot be read"):
            read_ct(tmp_path / name)


def test_a_nrrd_without_orientation_is_read_with_a_warning(tmp_path):
    header = "NRRD0004\ntype: short\ndimension: 3\nsizes: 40 32 24\nspacings: 2 3 3\nendian: little\nencoding: raw\n\n"
    (tmp_path / "scan.nrrd").write_bytes(header.encode() + VOXELS.astype("<i2").tobytes())
    volume = read_ct(tmp_path / "scan.nrrd")
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert "check left and right" in volume.warnings[0]


@pytest.mark.parametrize(
    ("space", "first_lps_mm"),
    [
        ("left-posterior-superior", (-40, -50, -60)),
        ("LPS", (-40, -50, -60)),
        ("right-anterior-superior", (40, 50, -60)),
        ("RAS", (40, 50, -60)),
        ("left-anterior-superior", (-40, 50, -60)),
        ("LAS", (-40, 50, -60)),
        ("3D-right-handed", None),
        ("3D-left-handed", None),
        ("scanner-xyz", None),
    ],
)
def test_a_nrrd_whose_space_names_no_sides_is_read_with_a_warning(tmp_path, space, first_lps_mm):
    header = (
        f"NRRD0004\ntype: short\ndimension: 3\nspace: {space}\nsizes: 40 32 24\nendian: little\nencoding: raw\n"
        "space directions: (2,0,0) (0,3,0) (0,0,3)\nspace origin: (-40,-50,-60)\n\n"
    )
    (tmp_path / "scan.nrrd").write_bytes(header.encode() + VOXELS.astype("<i2").tobytes())
    volume = read_ct(tmp_path / "scan.nrrd")
    if first_lps_mm:
        np.testing.assert_allclose(volume.kji_to_lps[:3, 3], first_lps_mm)
    assert volume.warnings == (() if first_lps_mm else (NO_ORIENTATION,))


def test_a_nifti_without_orientation_is_read_with_a_warning(tmp_path):
    path = _write(tmp_path / "scan.nii", VOXELS)
    content = bytearray(path.read_bytes())
    content[252:256] = bytes(4)  # qform_code and sform_code
    path.write_bytes(content)
    assert "check left and right" in read_ct(path).warnings[0]
