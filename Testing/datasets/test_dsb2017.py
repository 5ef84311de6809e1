"""The Data Science Bowl 2017: written and read back, and what is said of tables that are not as they should be."""

import numpy as np
import pydicom
import pytest

from LungCancerDxLib.datasets.dsb2017 import read_dsb2017, write_dsb2017_patient, write_dsb2017_tables
from LungCancerDxLib.datasets.scan import CohortScan, NoduleLabel
from LungCancerDxLib.errors import CTReadError, UsageError
from LungCancerDxLib.io import read_ct
from Testing.cohorts.stand_ins import SPACING_MM_KJI, small_volume
from Testing.helpers import reoriented, rotated, rotation

PATIENTS = {"aa9": True, "aa10": False}
HEADER = "id,x_lps_mm,y_lps_mm,z_lps_mm,diameter_mm"


def write(folder):
    for number, name in enumerate(PATIENTS):
        write_dsb2017_patient(folder, name, small_volume(number), sex="F", age_years=61)
    write_dsb2017_tables(folder, [CohortScan(name, folder, label, (), "") for name, label in PATIENTS.items()])
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write(tmp_path_factory.mktemp("dsb2017"))


@pytest.fixture
def cohort(tmp_path):
    """A cohort without images, to spoil."""
    for name in PATIENTS:
        (tmp_path / "stage1" / name).mkdir(parents=True)
    (tmp_path / "stage1_labels.csv").write_text("id,cancer\naa9,1\naa10,0\n")
    return tmp_path


def test_there_is_a_folder_a_patient_with_a_file_a_slice_and_a_table_of_diagnoses(written):
    assert (written / "stage1_labels.csv").read_text() == "id,cancer\naa9,1\naa10,0\n"
    assert sorted(path.name for path in (written / "stage1").iterdir()) == ["aa10", "aa9"]
    assert [path.name for path in sorted((written / "stage1" / "aa9").iterdir())] == [
        f"{k:04}.dcm" for k in range(1, 25)
    ]


def test_voxels_and_places_read_back_as_they_were(written):
    for number, scan in enumerate(read_dsb2017(written).scans):
        volume = read_ct(scan.path)
        np.testing.assert_array_equal(volume.voxels, small_volume(number).voxels)
        np.testing.assert_allclose(volume.kji_to_lps, small_volume(number).kji_to_lps, rtol=0, atol=1e-12)
        assert volume.warnings == ()


def test_an_oblique_scan_stored_backwards_keeps_its_place_in_the_patient(tmp_path):
    volume = rotated(reoriented(small_volume(), (1, 0, 2), (True, False, True)), rotation(7.0, (1.0, 2.0, 3.0)))
    write_dsb2017_patient(tmp_path, "oblique", volume)
    (tmp_path / "stage1_labels.csv").write_text("id,cancer\n")
    [scan] = read_dsb2017(tmp_path).scans
    np.testing.assert_array_equal(read_ct(scan.path).voxels, volume.canonical().voxels)
    np.testing.assert_allclose(read_ct(scan.path).kji_to_lps, volume.canonical().kji_to_lps, rtol=0, atol=1e-6)


def test_a_slice_is_a_ct_image_that_says_nothing_of_when_or_with_what_it_was_written(written):
    dataset = pydicom.dcmread(written / "stage1" / "aa9" / "0002.dcm")
    assert dataset.SOPClassUID.name == "CT Image Storage"
    assert (dataset.PatientID, dataset.PatientSex, dataset.PatientAge) == ("aa9", "F", "061Y")
    assert list(dataset.PixelSpacing) == list(SPACING_MM_KJI[1:])
    assert (dataset.InstanceNumber, dataset.RescaleIntercept, dataset.RescaleType) == (2, -1024, "HU")
    assert all(not element.value for element in dataset if element.VR in ("DA", "TM", "DT"))
    assert "PYDICOM" not in dataset.file_meta.ImplementationVersionName
    uids = {pydicom.dcmread(path).SOPInstanceUID for path in (written / "stage1").rglob("*.dcm")}
    assert len(uids) == 48


def test_patients_come_with_diagnosis_part_and_nodules(cohort):
    (cohort / "stage1" / "unknown").mkdir()
    (cohort / "stage1_labels.csv").write_text("id,cancer\naa9,1\n")
    (cohort / "stage1_solution.csv").write_text("id,cancer,Usage\naa10,0,Public\n")
    (cohort / "nodule_labels.csv").write_text(f"{HEADER},probability,kind\naa9,1,2,3.5,6,0.25,solid\naa9,4,5,6,7,,\n")
    first, second, third = read_dsb2017(cohort).scans
    assert (first.id, first.label, first.part, first.source) == ("aa9", True, "training", "DSB2017")
    assert first.nodules == (NoduleLabel((1, 2, 3.5), 6), NoduleLabel((4, 5, 6), 7))
    assert (second.id, second.label, second.part, second.nodules) == ("aa10", False, "validation", ())
    assert (third.id, third.label, third.part) == ("unknown", None, "")


def test_patients_may_lie_beside_the_table(cohort):
    for name in PATIENTS:
        (cohort / "stage1" / name).rename(cohort / name)
    (cohort / "stage1").rmdir()
    assert [scan.id for scan in read_dsb2017(cohort).scans] == ["aa9", "aa10"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("aa9,1\naa9,1", r"stage1_labels\.csv, line 3: the case aa9 is there twice"),
        ("aa9,yes", r"line 2, column cancer: expected a number, got 'yes'"),
        ("aa9,2", r"line 2, column cancer: expected the label 0 or 1, got 2"),
        (",1", "line 2, column id: the cell is empty"),
    ],
)
def test_a_bad_diagnosis_is_named_with_its_file_and_line(cohort, rows, words):
    (cohort / "stage1_labels.csv").write_text(f"id,cancer\n{rows}\n")
    with pytest.raises(CTReadError, match=words):
        read_dsb2017(cohort)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("aa9,1,2,3,-4", r"nodule_labels\.csv, line 2, column diameter_mm: expected a length above zero in mm, got -4"),
        ("aa9,1,2,3,4\naa9,1,2,3,4", "line 3: the same sphere of aa9 twice"),
    ],
)
def test_a_bad_nodule_is_named_with_its_file_and_line(cohort, rows, words):
    (cohort / "nodule_labels.csv").write_text(f"{HEADER}\n{rows}\n")
    with pytest.raises(CTReadError, match=words):
        read_dsb2017(cohort)


def test_patients_without_a_folder_are_told_and_the_others_read(cohort):
    (cohort / "stage1_labels.csv").write_text("id,cancer\naa9,1\nwho,0\n")
    (cohort / "nodule_labels.csv").write_text(f"{HEADER}\nelse,1,2,3,4\n")
    dataset = read_dsb2017(cohort)
    assert [scan.id for scan in dataset.scans] == ["aa9", "aa10"]
    assert dataset.missing == ("else", "who")


def test_a_patient_in_both_stages_or_in_two_tables_of_diagnoses_is_refused(cohort):
    (cohort / "stage1_solution.csv").write_text("id,cancer\naa10,0\n")
    with pytest.raises(CTReadError, match=r"stage1_solution\.csv: the patient aa10 is in another table"):
        read_dsb2017(cohort)
    (cohort / "stage2" / "aa9").mkdir(parents=True)
    with pytest.raises(CTReadError, match="aa9 is there twice"):
        read_dsb2017(cohort)


def test_no_table_of_diagnoses_is_written_where_one_is_unknown(tmp_path):
    with pytest.raises(UsageError, match="The patient x has no label"):
        write_dsb2017_tables(tmp_path, [CohortScan("x", tmp_path, None, (), "")])
