"""read_ct: every format gives the same volume, and what is no scan is refused in words."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from LungCancerDxLib.errors import CTReadError
from LungCancerDxLib.io import read_ct
from LungCancerDxLib.volume import index_to_world
from Testing.io.dicom.dicom_files import chest_voxels, sitk_image, write_multiframe, write_series

VOXELS = chest_voxels()
FIRST_VOXEL_LPS = (-40.0, -50.0, -60.0)


def _write(kind, folder, image):
    path = folder / kind
    if kind == "dicom":
        write_series(path, sitk.GetArrayFromImage(image))
    elif kind == "multiframe.dcm":
        write_multiframe(path, sitk.GetArrayFromImage(image))
    elif kind == "raw.mhd":
        sitk.WriteImage(image, str(path))
    else:
        sitk.WriteImage(image, str(path), useCompression=True)
    return path


def _same_patient(first, second):
    first, second = first.canonical(), second.canonical()
    np.testing.assert_array_equal(first.voxels, second.voxels)
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in first.shape_kji])).reshape(3, -1).T
    np.testing.assert_allclose(
        index_to_world(first.kji_to_lps, corners), index_to_world(second.kji_to_lps, corners), atol=1e-3
    )


@pytest.mark.parametrize(
    "kind",
    [
        "dicom",
        "multiframe.dcm",
        "scan.nii",
        "scan.nii.gz",
        "scan.nrrd",
        "scan.nhdr",
        "scan.mha",
        "raw.mhd",
        "zraw.mhd",
        "UPPER.NRRD",
    ],
)
def test_every_format_gives_the_same_voxels_at_the_same_places(tmp_path, kind):
    volume = read_ct(_write(kind, tmp_path, sitk_image(VOXELS)))
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    np.testing.assert_allclose(volume.spacing_mm_kji, (3, 3, 2), atol=1e-5)
    np.testing.assert_allclose(index_to_world(volume.kji_to_lps, (2, 4, 5)), (-30, -38, -54), atol=1e-3)
    assert volume.voxels.dtype == np.int16
    assert volume.warnings == ()
    assert volume.info["path"] == str(tmp_path / kind)


@pytest.mark.parametrize("kind", ["dicom", "multiframe.dcm", "scan.nii", "scan.nrrd"])
def test_a_scan_knows_its_full_path_however_it_was_named(tmp_path, monkeypatch, kind):
    _write(kind, tmp_path, sitk_image(VOXELS))
    monkeypatch.chdir(tmp_path)
    assert read_ct(kind).info["path"] == str(tmp_path / kind)


def test_the_zraw_file_is_really_written_and_read(tmp_path):
    _write("zraw.mhd", tmp_path, sitk_image(VOXELS))
    assert (tmp_path / "zraw.zraw").exists()


@pytest.mark.parametrize("kind", ["scan.nii.gz", "scan.nrrd", "zraw.mhd"])
@pytest.mark.parametrize("flips", [(True, False, False), (False, True, True), (True, True, True)])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
def test_flipped_and_permuted_files_show_the_same_patient(tmp_path, kind, flips, order):
    image = sitk_image(VOXELS)
    turned = sitk.PermuteAxes(sitk.Flip(image, flips), order)
    assert turned.GetDirection() != image.GetDirection()
    upright = _write("upright.nrrd", tmp_path, image)
    _same_patient(read_ct(upright), read_ct(_write(kind, tmp_path, turned)))


def test_an_oblique_file_keeps_its_direction(tmp_path):
    turn = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.1, -0.2, 0.3)
    image = sitk_image(VOXELS)
    image.SetDirection(turn.GetMatrix())
    volume = read_ct(_write("oblique.nrrd", tmp_path, image))
    expected = image.TransformIndexToPhysicalPoint((5, 4, 2))
    np.testing.assert_allclose(index_to_world(volume.kji_to_lps, (2, 4, 5)), expected, atol=1e-3)


def test_a_path_may_be_a_string(tmp_path):
    path = _write("scan.nrrd", tmp_path, sitk_image(VOXELS))
    assert read_ct(str(path)).shape_kji == VOXELS.shape


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(CTReadError, match=r"nowhere: no such file or folder"):
        read_ct(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ("is_dir", "dicom"),
        ("is_dir", "scan.nrrd"),
        ("exists", "scan.nii.gz"),
        ("exists", "multiframe.dcm"),
        ("open", "scan.nii"),
        ("open", "scan.nrrd"),
        ("open", "raw.mhd"),
    ],
)
def test_a_path_that_the_system_refuses_is_told_with_the_reason(tmp_path, monkeypatch, asked, kind):
    def refuse(self, *_):
        raise PermissionError(13, "Permission denied", str(self))

    path = _write(kind, tmp_path, sitk_image(VOXELS))
    monkeypatch.setattr(Path, asked, refuse)
    with pytest.raises(CTReadError, match=rf"{kind}: cannot be opened \(Permission denied\); check that you may read"):
        read_ct(path)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(5, "I/O error", "/mnt/scan.raw"), r"^/mnt/scan\.raw: cannot be opened \(I/O error\)"),
        (OSError(5, "I/O error"), r"scan\.nrrd: cannot be opened \(I/O error\)"),
        (OSError("the disk is gone"), r"scan\.nrrd: cannot be opened \(the disk is gone\)"),
    ],
)
def test_what_the_system_says_of_a_scan_is_told_of_the_file_that_it_names(tmp_path, monkeypatch, error, told):
    def fail(path):
        raise error

    path = _write("scan.nrrd", tmp_path, sitk_image(VOXELS))
    monkeypatch.setattr("LungCancerDxLib.io.image_file.read_image_file", fail)
    with pytest.raises(CTReadError, match=told):
        read_ct(path)


def test_an_unknown_kind_of_file_is_refused_with_the_kinds_that_can_be_read(tmp_path):
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.4")
    with pytest.raises(CTReadError, match=r"report.pdf: no CT .*not DICOM.* NIfTI, NRRD or MetaImage"):
        read_ct(tmp_path / "report.pdf")


def test_a_text_file_named_dcm_is_refused(tmp_path):
    (tmp_path / "notes.dcm").write_text("not a slice")
    with pytest.raises(CTReadError, match=r"notes.dcm: no CT in this file.*not DICOM"):
        read_ct(tmp_path / "notes.dcm")


def test_an_empty_file_named_dcm_is_refused(tmp_path):
    (tmp_path / "empty.dcm").touch()
    with pytest.raises(CTReadError, match=r"empty.dcm"):
        read_ct(tmp_path / "empty.dcm")


def test_the_hounsfield_checks_apply_to_every_format(tmp_path):
    air = sitk_image(np.full(VOXELS.shape, -1024, np.int16))
    for kind in ("dicom", "multiframe.dcm", "scan.nii.gz"):
        with pytest.raises(CTReadError, match=r"the image is empty \(all voxels -1024\)"):
            read_ct(_write(kind, tmp_path, air))


def test_a_nifti_file_written_by_another_library_lies_at_the_same_place(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    ras = np.array([[-2.0, 0, 0, 40], [0, -3.0, 0, 50], [0, 0, 3.0, -60], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(VOXELS.T, ras), tmp_path / "scan.nii.gz")
    volume = read_ct(tmp_path / "scan.nii.gz")
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    np.testing.assert_allclose(volume.kji_to_lps[:3, 3], FIRST_VOXEL_LPS, atol=1e-3)


def test_a_real_dicom_scan_is_read_whole(real_scan_path):
    volume = read_ct(real_scan_path("LIDC-IDRI-0001"))
    assert volume.shape_kji == (133, 512, 512)
    np.testing.assert_allclose(volume.spacing_mm_kji, (2.5, 0.703125, 0.703125), atol=1e-6)
    np.testing.assert_allclose(volume.kji_to_lps[:3, 3], (-166, -171.7, -340), atol=1e-3)
    assert volume.voxels.min() == -1024
    assert volume.info["kernel"] == "STANDARD"
    assert volume.warnings == ()


def test_a_real_nrrd_scan_is_read_whole(real_scan_path):
    volume = read_ct(real_scan_path("CMB-CRC-MSB-01068"))
    assert volume.shape_kji == (100, 305, 504)
    assert volume.warnings == ()
