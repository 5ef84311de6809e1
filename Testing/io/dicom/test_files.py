"""DICOM folders and files: finding the CT among other files, and reading it whole."""

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLosslessSV1

from LungCancerDxLib.errors import CTReadError
from LungCancerDxLib.io import read_ct
from Testing.io.dicom.dicom_files import (
    chest_voxels,
    slice_dataset,
    write_compressed,
    write_dicom,
    write_multiframe,
    write_series,
)

VOXELS = chest_voxels()


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(CTReadError, match="the folder is empty"):
        read_ct(tmp_path)


def test_a_folder_without_images_is_refused_with_what_it_holds(tmp_path):
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / "slice.dcm").write_text("not a slice")
    with pytest.raises(CTReadError, match=r"no CT slices in this folder; found foreign files \(not DICOM\): 2"):
        read_ct(tmp_path)


def test_a_nested_folder_with_foreign_files_is_read(tmp_path):
    write_series(tmp_path / "study" / "a", VOXELS[:10], SeriesInstanceUID="1.2.9")
    places = [(-40.0, -50.0, -60.0 + 3 * k) for k in range(10, 24)]
    write_series(tmp_path / "study" / "b" / "c", VOXELS[10:], places, SeriesInstanceUID="1.2.9", name="I{:04d}")
    for name, content in {
        "report.txt": b"text",
        "readers.xml": b"<xml/>",
        "report.pdf": b"%PDF-1.4",
        "key.jpg": b"\xff\xd8\xff\xe0" + bytes(200),
        "DICOMDIR": bytes(128) + b"DICM" + bytes(40),
        "damaged.dcm": bytes(128) + b"DICM" + b"\xff" * 500,
        "empty": b"",
    }.items():
        (tmp_path / "study" / name).write_bytes(content)
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.warnings == ("Left out files elsewhere that are empty, damaged or cut off: 1 (damaged.dcm).",)


def test_slices_without_extension_and_without_preamble_are_read(tmp_path):
    for path in write_series(tmp_path, VOXELS, name="IM{}"):
        content = path.read_bytes()
        group_length = int.from_bytes(content[140:144], "little")
        meta_end = 144 + group_length
        assert content[meta_end : meta_end + 2] == b"\x08\x00"
        path.write_bytes(content[meta_end:])
    np.testing.assert_array_equal(read_ct(tmp_path).voxels, VOXELS)


def test_the_order_of_the_files_does_not_matter(tmp_path):
    order = np.random.default_rng(1).permutation(len(VOXELS))
    places = [(-40.0, -50.0, -60.0 + 3.0 * k) for k in order]
    write_series(tmp_path, VOXELS[order], places)
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    np.testing.assert_allclose(volume.kji_to_lps[:3, 3], (-40, -50, -60), atol=1e-6)


def test_slices_are_sorted_along_their_normal_even_where_it_points_to_the_feet(tmp_path):
    write_series(tmp_path, VOXELS, ImageOrientationPatient=[1, 0, 0, 0, -1, 0])
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS[::-1])
    np.testing.assert_allclose(volume.kji_to_lps[:3, :3], [[0, 0, 2], [0, -3, 0], [-3, 0, 0]], atol=1e-9)
    np.testing.assert_array_equal(volume.canonical().voxels, VOXELS[:, ::-1])


def test_an_oblique_series_keeps_its_direction(tmp_path):
    angle = np.radians(20)
    along_j, normal = np.array([0, np.cos(angle), np.sin(angle)]), np.array([0, -np.sin(angle), np.cos(angle)])
    places = [tuple((-40.0, -50.0, -60.0) + 3 * k * normal) for k in range(24)]
    write_series(tmp_path, VOXELS, places, ImageOrientationPatient=[1, 0, 0, *along_j.round(6).tolist()])
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    corner = np.array((-40, -50, -60)) + 23 * 3 * normal + 31 * 3 * along_j + (39 * 2, 0, 0)
    np.testing.assert_allclose((volume.kji_to_lps @ (23, 31, 39, 1))[:3], corner, atol=1e-3)
    assert volume.warnings == ()


def test_what_is_known_of_the_series_is_kept_and_nothing_of_the_patient(tmp_path):
    write_series(
        tmp_path,
        VOXELS,
        SeriesInstanceUID="1.2.77",
        SeriesDescription="Lung",
        ConvolutionKernel="B60f",
        SliceThickness=3,
    )
    assert read_ct(tmp_path).info == {
        "path": str(tmp_path),
        "series_uid": "1.2.77",
        "series_description": "Lung",
        "kernel": "B60f",
        "modality": "CT",
        "slice_thickness_mm": 3.0,
    }


@pytest.mark.parametrize(("modality", "name"), [("PT", "PET"), ("MR", "MR")])
def test_another_modality_is_refused_by_name(tmp_path, modality, name):
    paths = write_series(tmp_path, VOXELS, Modality=modality)
    with pytest.raises(CTReadError, match=f"no CT slices in this folder; found {name} images: 24"):
        read_ct(tmp_path)
    with pytest.raises(CTReadError, match=f"no CT in this file; found {name} images"):
        read_ct(paths[0])


@pytest.mark.slow
def test_the_ct_of_a_pet_ct_is_read(tmp_path):
    write_series(tmp_path / "pet", chest_voxels((40, 32, 40)), Modality="PT")
    write_series(tmp_path / "ct", VOXELS)
    np.testing.assert_array_equal(read_ct(tmp_path).voxels, VOXELS)


def test_slices_without_modality_are_judged_by_their_values(tmp_path):
    write_series(tmp_path / "good", VOXELS, Modality=None)
    write_series(tmp_path / "bad", np.maximum(VOXELS + 1024, 0), Modality=None, RescaleIntercept=0.0)
    np.testing.assert_array_equal(read_ct(tmp_path / "good").voxels, VOXELS)
    with pytest.raises(CTReadError, match="not rescaled to Hounsfield units"):
        read_ct(tmp_path / "bad")


def test_one_slice_of_a_series_is_refused_with_the_advice_to_give_the_folder(tmp_path):
    paths = write_series(tmp_path, VOXELS)
    with pytest.raises(CTReadError, match=r"003.dcm: a single slice of a series; give the folder"):
        read_ct(paths[3])


def test_five_slices_are_too_few(tmp_path):
    write_series(tmp_path, VOXELS[:5], spacing_mm=2.5)
    with pytest.raises(CTReadError, match="5 slices over 12 mm along the head-foot axis: too few for a chest"):
        read_ct(tmp_path)


def test_a_folder_with_a_single_slice_is_refused(tmp_path):
    write_series(tmp_path, VOXELS[:1])
    with pytest.raises(CTReadError, match="a single slice along the head-foot axis"):
        read_ct(tmp_path)


@pytest.mark.parametrize(("compressor", "syntax"), [("JPEG", JPEGLosslessSV1), ("JPEG2000", JPEG2000Lossless)])
def test_compressed_slices_are_read(tmp_path, compressor, syntax):
    for k, pixels in enumerate(VOXELS):
        path = write_compressed(tmp_path / f"{k}.dcm", pixels, -60 + 3 * k, compressor)
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == syntax
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    np.testing.assert_allclose(volume.kji_to_lps[:3, 3], (-40, -50, -60), atol=1e-6)


def test_rle_slices_are_read(tmp_path):
    write_series(tmp_path, VOXELS, rle=True)
    np.testing.assert_array_equal(read_ct(tmp_path).voxels, VOXELS)


def test_a_multiframe_file_in_a_folder_is_read(tmp_path):
    write_multiframe(tmp_path / "deep" / "IM1", VOXELS)
    (tmp_path / "notes.txt").write_text("hello")
    np.testing.assert_array_equal(read_ct(tmp_path).voxels, VOXELS)


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    def refuse_one(path, *args, **kwargs):
        if path.name == "004.dcm":
            raise PermissionError(13, "Permission denied")
        return open(path, *args, **kwargs)

    paths = write_series(tmp_path, VOXELS)
    monkeypatch.setattr(Path, "open", refuse_one)
    for path in (tmp_path, paths[4]):
        with pytest.raises(CTReadError, match=r"004.dcm: cannot be opened \(Permission denied\)"):
            read_ct(path)


def test_copies_of_a_series_in_another_folder_are_left_out(tmp_path):
    write_series(tmp_path / "a", VOXELS)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.warnings == ("24 duplicate slices left out.",)


def test_a_secondary_capture_in_the_folder_is_left_out(tmp_path):
    write_series(tmp_path / "ct", VOXELS)
    screen = slice_dataset(VOXELS[0], (0, 0, 0), ImagePositionPatient=None, ImageOrientationPatient=None)
    write_dicom(tmp_path / "screen.dcm", screen)
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    assert volume.warnings == ()


def test_a_slice_with_a_damaged_header_is_told_and_does_not_hide_the_scan(tmp_path):
    path = write_series(tmp_path, VOXELS)[-1]
    spacing, nonsense = b"3.0\\2.0 ", b"3.0\\x.y "
    assert spacing in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(spacing, nonsense))
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS[:-1])
    assert volume.warnings == ("Left out slices whose files are empty, damaged or cut off: 1 (023.dcm).",)


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "colour images"),
        ({"PixelSpacing": None}, "images without position, orientation or pixel size"),
        ({"PixelSpacing": [0, 2]}, "images with an impossible pixel size"),
        ({"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, "images with an impossible orientation"),
        ({"BitsStored": 12, "HighBit": 15}, r"images with a retired layout of their bits \(HighBit\)"),
        ({"BitsStored": 16, "HighBit": 11}, r"images with a retired layout of their bits \(HighBit\)"),
    ],
)
def test_images_that_make_no_volume_are_refused_by_kind(tmp_path, tags, kind):
    write_series(tmp_path, VOXELS, **tags)
    with pytest.raises(CTReadError, match=f"no CT slices in this folder; found {kind}: 24"):
        read_ct(tmp_path)


BROKEN = {
    "empty": lambda content: b"",
    "zeros": lambda content: bytes(len(content)),
    "cut off in the preamble": lambda content: content[:140],
    "cut off before the image": lambda content: content[: content.index(b"\x28\x00\x10\x00")],
    "cut off before the series": lambda content: content[: content.index(b"\x20\x00\x0e\x00")],
    "other bytes": lambda content: content[::-1],
    "no position": lambda content: content.replace(b"\x20\x00\x32\x00", b"\x20\x00\x31\x00"),
    "zeros after the header": lambda content: content[:-2560] + bytes(2560),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "name"),
    [*((damage, "{:03d}.dcm") for damage in BROKEN), ("empty", "IM{}"), ("cut off before the series", "1.2.840.{}.7")],
)
def test_slices_that_broke_are_told_by_name_and_many_of_them_refused(tmp_path, damage, name):
    paths = write_series(tmp_path / "a", chest_voxels((40, 32, 40)), name=name)
    for path in paths[:2]:
        path.write_bytes(BROKEN[damage](path.read_bytes()))
    volume = read_ct(tmp_path)
    assert volume.shape_kji == (38, 32, 40)
    (warning,) = volume.warnings
    assert warning.startswith("Left out slices")
    assert warning.endswith(f": 2 ({paths[0].name}, {paths[1].name}).")
    for path in paths[15:20]:
        path.write_bytes(BROKEN[damage](path.read_bytes()))
    with pytest.raises(CTReadError, match=rf"{paths[15].name}, {paths[16].name}") as told:
        read_ct(tmp_path)
    assert "slices cannot be read" in str(told.value) or "a gap of" in str(told.value)


def test_a_hole_in_the_scan_is_refused_with_the_files_that_would_fill_it(tmp_path):
    paths = write_series(tmp_path, chest_voxels((80, 32, 40)))
    for path in paths[40:44]:
        path.write_bytes(b"")
    with pytest.raises(
        CTReadError, match=r"a gap of 15\.0 mm .* cut off: 4 \(040\.dcm, 041\.dcm, 042\.dcm, 043\.dcm\)"
    ):
        read_ct(tmp_path)


def test_what_is_no_slice_may_lie_beside_the_slices(tmp_path):
    write_series(tmp_path, VOXELS, SeriesInstanceUID="1.2.9")
    report = slice_dataset(VOXELS[0], (0, 0, 0), SOPClassUID="1.2.840.10008.5.1.4.1.1.88.11", Modality="SR", Rows=None)
    write_dicom(tmp_path / "report.dcm", report)
    (tmp_path / "._001.dcm").write_bytes(bytes(100))
    (tmp_path / "readme.txt").write_bytes(b"")
    assert read_ct(tmp_path).warnings == ()


def test_links_are_followed_once_and_broken_ones_told(tmp_path):
    paths = write_series(tmp_path / "data", VOXELS)
    scan = tmp_path / "scan"
    (scan / "files").mkdir(parents=True)
    (scan / "folder").symlink_to(tmp_path / "data")
    (scan / "again").symlink_to(tmp_path / "data")
    (scan / "loop").symlink_to(scan)
    volume = read_ct(scan)
    assert (volume.shape_kji, volume.warnings) == (VOXELS.shape, ())
    for path in paths:
        (scan / "files" / path.name).symlink_to(path)
    (scan / "files" / "099.dcm").symlink_to(tmp_path / "gone")
    assert "cut off: 1 (099.dcm)" in read_ct(scan / "files").warnings[0]
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(CTReadError, match=r"found links to files that are not here, .* fetched first: 25"):
        read_ct(scan / "files")
    with pytest.raises(CTReadError, match=r"099\.dcm: a link to a file that is not here"):
        read_ct(scan / "files" / "099.dcm")


def test_archives_and_image_files_in_a_folder_are_named(tmp_path):
    shutil.make_archive(str(tmp_path / "scan"), "zip", write_series(tmp_path / "a", VOXELS)[0].parent)
    for kind in ("gztar", "tar"):
        shutil.make_archive(str(tmp_path / "scan"), kind, tmp_path / "a")
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(CTReadError, match="found archives, which must be unpacked first: 3"):
        read_ct(tmp_path)
    for name in ("scan.zip", "scan.tar", "scan.tar.gz"):
        with pytest.raises(CTReadError, match=f"{name}: no CT in this file; found archives, which must be unpacked"):
            read_ct(tmp_path / name)
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "ct.nii.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(CTReadError, match="found image files, which must be given themselves: 1"):
        read_ct(folder)


@pytest.mark.parametrize("compressed", [False, True])
def test_files_that_begin_with_group_2_are_read(tmp_path, compressed):
    for path in write_series(tmp_path, VOXELS, rle=compressed):
        path.write_bytes(path.read_bytes()[132:])
    np.testing.assert_array_equal(read_ct(tmp_path).voxels, VOXELS)


ODD = {
    "AcquisitionNumber": (b"IS", b"A1"),
    "InstanceNumber": (b"IS", b"1.x "),
    "SliceThickness": (b"DS", b"2,5 "),
    "SeriesNumber": (b"IS", b"two "),
    "PatientAge": (b"AS", b"x "),
    "PixelSpacing": (b"DS", b"3,0\\2,0 "),
    "ImagePositionPatient": (b"DS", None),
    "RescaleSlope": (b"DS", b"1,0 "),
    "RescaleIntercept": (b"DS", b"-1024,0 "),
    "AcquisitionTime": (b"TM", b"10:11:12"),
    "SpecificCharacterSet": (b"CS", b"ISO_IR 999"),
}


@pytest.mark.slow
@pytest.mark.parametrize("keyword", ODD)
@pytest.mark.parametrize("rle", [False, True])
def test_a_number_with_a_comma_or_none_at_all_does_not_lose_the_scan(tmp_path, keyword, rle, capfd):
    vr, value = ODD[keyword]
    for k, path in enumerate(write_series(tmp_path, VOXELS, rle=rle)):
        dataset = pydicom.dcmread(path)
        odd = f"-40,0\\-50,0\\{-60 + 3 * k},0 ".encode() if value is None else value
        element = pydicom.dataelem.RawDataElement(
            pydicom.tag.Tag(keyword), vr.decode(), len(odd), odd + b" " * (len(odd) % 2), 0, False, True, True
        )
        dataset[element.tag] = element
        dataset.save_as(path)
    capfd.readouterr()
    volume = read_ct(tmp_path)
    np.testing.assert_array_equal(volume.voxels, VOXELS)
    np.testing.assert_allclose(volume.kji_to_lps @ (2, 4, 5, 1), (-30, -38, -54, 1), atol=1e-6)
    assert volume.warnings == ()
    assert capfd.readouterr() == ("", "")


def test_a_report_that_was_cut_off_does_not_hide_the_scan_beside_it(tmp_path):
    """pydicom calls that an OSError, though the system refused nothing."""
    write_series(tmp_path, VOXELS)
    report, item = Dataset(), Dataset()
    report.file_meta = FileMetaDataset()
    report.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    report.SOPClassUID, report.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.88.22", "1.2.3.9"
    report.Modality = "SR"
    item.TextValue = "dose"
    item.is_undefined_length_sequence_item = True
    report.ContentSequence = [item]
    report["ContentSequence"].is_undefined_length = True
    path = write_dicom(tmp_path / "dose.dcm", report)
    for lost in (4, 8, 12, 20):
        path.write_bytes(path.read_bytes()[:-lost])
        np.testing.assert_array_equal(read_ct(tmp_path).voxels, VOXELS)
