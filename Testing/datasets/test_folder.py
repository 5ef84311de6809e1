"""Which scans a folder or list has, and what each is called."""

from pathlib import Path

import pytest

from LungCancerDxLib.datasets.folder import Entry, list_scans
from LungCancerDxLib.errors import CTReadError, UsageError
from Testing.io.dicom.dicom_files import chest_voxels, slice_dataset, write_dicom, write_multiframe, write_series

VOXELS = chest_voxels((4, 8, 8))


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_every_image_file_and_every_folder_is_a_scan_in_natural_order(tmp_path):
    touch(
        tmp_path,
        "p10.nii.gz",
        "p9.nrrd",
        "p9.raw",
        "notes.txt",
        ".hidden/a.dcm",
        "p2/1.dcm",
        "p1/ct.mha",
        "p1/notes.txt",
    )
    assert list_scans(tmp_path) == (
        Entry("p1", tmp_path / "p1" / "ct.mha"),
        Entry("p2", tmp_path / "p2"),
        Entry("p9", tmp_path / "p9.nrrd"),
        Entry("p10", tmp_path / "p10.nii.gz"),
    )


def test_a_folder_of_one_series_is_one_scan(tmp_path):
    folder = touch(tmp_path / "patient", "1.dcm", "2.dcm")
    assert list_scans(folder) == (Entry("patient", folder),)


def dicom(*paths):
    """Files that begin as DICOM does, and hold no more."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(128) + b"DICM")


@pytest.mark.parametrize("series", ["1.dcm", "IM0001", "study/series/1"])
def test_an_image_beside_a_series_is_not_the_scan(tmp_path, series):
    touch(tmp_path, "p1/lung_mask.nii.gz")
    (tmp_path / "p1" / series).parent.mkdir(parents=True, exist_ok=True)
    write_dicom(tmp_path / "p1" / series, slice_dataset(VOXELS[0], (0, 0, 0)))
    assert list_scans(tmp_path) == (Entry("p1", tmp_path / "p1"),)


def test_an_image_beside_other_dicom_is_the_scan(tmp_path):
    touch(tmp_path, "p1/ct.nii.gz", "p1/notes/readme.dcm")
    dicom(tmp_path / "p1" / "DICOMDIR")
    structures = slice_dataset(VOXELS[0], (0, 0, 0), Modality="RTSTRUCT", Rows=None, Columns=None)
    write_dicom(tmp_path / "p1" / "rtstruct.dcm", structures)
    assert list_scans(tmp_path) == (Entry("p1", tmp_path / "p1" / "ct.nii.gz"),)


def test_a_multi_frame_file_beside_other_scans_is_one_and_dicom_without_a_ct_none(tmp_path):
    touch(tmp_path, "p1/1.dcm", "p2.nrrd")
    write_multiframe(tmp_path / "p3.dcm", VOXELS)
    write_multiframe(tmp_path / "p4", VOXELS)
    write_dicom(tmp_path / "report.dcm", slice_dataset(VOXELS[0], (0, 0, 0), Modality="SR", Rows=None))
    write_dicom(tmp_path / "pet.dcm", slice_dataset(VOXELS[0], (0, 0, 0), Modality="PT"))
    dicom(tmp_path / "DICOMDIR")
    assert [(entry.id, entry.path.name) for entry in list_scans(tmp_path)] == [
        ("p1", "p1"),
        ("p2", "p2.nrrd"),
        ("p3", "p3.dcm"),
        ("p4", "p4"),
    ]


@pytest.mark.parametrize("beside", ["p1/1.dcm", "p1.nrrd"])
def test_slices_beside_other_scans_are_refused_with_the_cure(tmp_path, beside):
    touch(tmp_path, beside)
    write_series(tmp_path, VOXELS[:3])
    words = r"found DICOM slices \(000\.dcm, \.\.\.\) beside other scans.* folder of their own, or give a CSV list"
    with pytest.raises(UsageError, match=words):
        list_scans(tmp_path)


@pytest.mark.parametrize("asked", ["is_dir", "iterdir"])
def test_a_folder_that_the_system_refuses_is_told_with_the_reason(tmp_path, monkeypatch, asked):
    def refuse(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, asked, refuse)
    with pytest.raises(CTReadError, match=rf"{tmp_path.name}: cannot be opened \(Permission denied\); check that you"):
        list_scans(tmp_path)


def test_luna16_and_the_data_science_bowl_are_known_by_their_tables(tmp_path):
    luna16 = touch(tmp_path / "luna16", "subset3/1.2.mhd", "subset3/1.2.raw", "seg-lungs-LUNA16/1.2.mhd")
    (luna16 / "annotations.csv").write_text("seriesuid,coordX,coordY,coordZ,diameter_mm\nelsewhere,1,2,3,4\n")
    assert list_scans(luna16) == (Entry("1.2", luna16 / "subset3" / "1.2.mhd"),)
    dsb2017 = touch(tmp_path / "dsb2017", "stage1/ab/1.dcm")
    (dsb2017 / "stage1_labels.csv").write_text("id,cancer\nab,1\nelsewhere,0\n")
    assert list_scans(dsb2017) == (Entry("ab", dsb2017 / "stage1" / "ab"),)


def test_a_list_may_name_its_scans_and_tells_paths_from_where_it_lies(tmp_path):
    touch(tmp_path, "data/ct.nrrd", "data/b/1.dcm")
    (tmp_path / "list.csv").write_text("id,path\nfirst,data/ct.nrrd\n,data/b\n")
    assert list_scans(tmp_path / "list.csv") == (
        Entry("b", tmp_path / "data" / "b"),
        Entry("first", tmp_path / "data" / "ct.nrrd"),
    )
    (tmp_path / "list.txt").write_text(f"{tmp_path}/data/ct.nrrd\n\ndata/b\n")
    assert [entry.id for entry in list_scans(tmp_path / "list.txt")] == ["b", "ct"]


def test_a_listed_scan_that_is_not_there_is_left_to_the_run(tmp_path):
    (tmp_path / "list.txt").write_text("gone.nrrd\n")
    assert list_scans(tmp_path / "list.txt") == (Entry("gone", tmp_path / "gone.nrrd"),)


def test_a_listed_scan_is_called_as_its_file_or_folder_without_the_ending_whether_it_is_there_or_not(tmp_path):
    touch(tmp_path, "there.dcm", "IM0001")
    lines = ("gone/patient7", "gone/1.2.DCM", "there.dcm", "IM0001", f"gone/{'x' * 300}/ct.nii.gz", "~nosuchuser/a.mha")
    (tmp_path / "list.txt").write_text("\n".join(lines))
    assert [entry.id for entry in list_scans(tmp_path / "list.txt")] == sorted(
        ["patient7", "1.2", "there", "IM0001", "ct", "a"]
    )


@pytest.mark.parametrize("name", ["ct.nrrd", "slice.dcm", "IM0001"])
def test_a_scan_in_the_place_of_a_list_is_refused_as_none(tmp_path, name):
    (tmp_path / name).write_bytes(b"NRRD0004\n" + bytes(range(256)) * 9)
    with pytest.raises(CTReadError, match=rf"{name} is no list of scans.*`lungcancerdx score`"):
        list_scans(tmp_path / name)


@pytest.mark.parametrize("content", ["id\na\n", "path\n,\n", "path\n"])
def test_a_list_without_paths_is_refused(tmp_path, content):
    (tmp_path / "list.csv").write_text(content)
    with pytest.raises(CTReadError, match=r"list\.csv"):
        list_scans(tmp_path / "list.csv")


def test_what_is_not_there_or_empty_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "gone"):
        with pytest.raises(CTReadError, match="expected a folder of scans or a list of their paths"):
            list_scans(path)


def test_two_scans_of_one_name_and_names_that_are_no_folders_are_refused(tmp_path):
    touch(tmp_path, "a.nrrd", "a.nii")
    with pytest.raises(UsageError, match=r"Two scans have the id 'a': .*a\.nii and .*a\.nrrd"):
        list_scans(tmp_path)
    for name in ("../a", "a/b", ".a", ".", "..", "a\\b"):
        (tmp_path / "list.csv").write_text(f"id,path\nb,b.nrrd\n{name},a.nrrd\n")
        with pytest.raises(UsageError, match=r"list\.csv, line 3: the id .* cannot name a folder"):
            list_scans(tmp_path / "list.csv")
    for list_, content in (("list.csv", f"path\n{'ä' * 101}.nrrd\n"), ("list.txt", f"\n/{'x' * 201}/\n")):
        (tmp_path / list_).write_text(content, encoding="utf-8")
        with pytest.raises(UsageError, match=rf"{list_}, line 2: the id .* is longer than 200 bytes"):
            list_scans(tmp_path / list_)
