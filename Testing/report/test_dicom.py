"""DICOM objects of a case: they refer to the series, hold the masks where they were, and satisfy the standard."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from LungCancerDxLib.assessment.assess import assess, assessed
from LungCancerDxLib.assessment.patient import NoduleFacts, Patient
from LungCancerDxLib.case import Case, CaseResult, Nodule
from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.io.dicom.source import identity, source_datasets
from LungCancerDxLib.io.dicom.writer import write_dicom_series
from LungCancerDxLib.io.image_file import read_label_map
from LungCancerDxLib.report.dicom import save_dicom
from LungCancerDxLib.report.dicom_content import case_group
from LungCancerDxLib.volume import CTVolume, index_to_world

highdicom = pytest.importorskip("highdicom")

SHAPE = (12, 24, 20)


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scan") / "series"
    affine = np.diag([3.0, 0.8, 0.8, 1.0])[[2, 1, 0, 3]]  # k to the head, j to the back, i to the left
    affine[:3, 3] = (-10.0, -20.0, -30.0)
    volume = CTVolume(np.full(SHAPE, -800, dtype=np.int16), affine)
    uid = write_dicom_series(volume, folder, "Doe^Jane", sex="F", age_years=66)
    return folder, volume, uid


@pytest.fixture(scope="module")
def result(scan):
    lungs, nodules = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    lungs[2:10, 4:20, 12:19], lungs[2:10, 4:20, 1:9] = 1, 2
    nodules[4:7, 8:12, 13:17] = 1
    nodules[5, 6:8, 3:5] = 3
    known = {
        "source": "detected",
        "center_lps_mm": (0.0, 0.0, -10.0),
        "box_diameter_mm": 9.5,
        "diameter_mm": 9.0,
        "longest_axial_diameter_mm": 10.0,
        "volume_mm3": 381.7,
        "mean_hu": 12.0,
        "type": "part-solid",
        "side": "left",
        "third": "upper",
        "confidence": 0.9,
        "malignancy": 0.7,
        "scored": True,
    }
    no_mask = dict.fromkeys(("volume_mm3", "type", "longest_axial_diameter_mm"))
    case = Case(0.71, "suspicion of the case", "leaky-noisy-or", 0.01, 0.1, 0, None, None, 2)
    model = {"name": "some", "sha256": "", "preset": "DEFAULT", "outcome": "readers", "trained_on": "readings"}
    return assessed(
        CaseResult(
            {},
            model,
            {},
            {"series_uid": scan[2]},
            case,
            {},
            (
                Nodule(rank=1, **known),
                Nodule(rank=2, **{**known, **no_mask, "center_lps_mm": (30.0, 0.0, -10.0)}),
                Nodule(rank=3, **{**known, "scored": False}),
            ),
            {},
            (),
            lung_labels=lungs,
            nodule_labels=nodules,
        ),
        Patient(age_years=66, sex="female", nodules={1: NoduleFacts(solid_component_mm=5.0)}),
    )


@pytest.fixture(scope="module")
def written(scan, result, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    return save_dicom(result, scan[1], scan[0], folder)


def test_masks_lie_where_they_were(scan, result, written):
    dataset = highdicom.seg.segread(written[0])
    names = [segment.SegmentLabel for segment in dataset.SegmentSequence]
    assert names == ["Left lung", "Right lung", "Nodule 1: part-solid, left lung, upper third"]
    found = {name: np.zeros(SHAPE, bool) for name in names}
    pixels = dataset.pixel_array
    to_index = np.linalg.inv(scan[1].kji_to_lps)
    for frame, groups in zip(pixels, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        number = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        corner = groups.PlanePositionSequence[0].ImagePositionPatient
        k, j, i = index_to_world(to_index, [float(each) for each in corner])
        assert (round(j, 3), round(i, 3)) == (0, 0)
        found[names[number - 1]][round(k)] = frame > 0
    np.testing.assert_array_equal(found["Left lung"], result.lung_labels == 1)
    np.testing.assert_array_equal(found["Right lung"], result.lung_labels == 2)
    np.testing.assert_array_equal(found[names[2]], result.nodule_labels == 1)


def test_codes_are_those_of_snomed(written):
    left, right, nodule = pydicom.dcmread(written[0]).SegmentSequence
    codes = [each.SegmentedPropertyTypeCodeSequence[0] for each in (left, right, nodule)]
    assert [(code.CodeValue, code.CodingSchemeDesignator) for code in codes] == [
        ("44029006", "SCT"),
        ("3341006", "SCT"),
        ("27925004", "SCT"),
    ]
    assert nodule.AnatomicRegionSequence[0].CodeValue == "44029006"
    assert left.SegmentAlgorithmType == "AUTOMATIC"


def test_both_objects_refer_to_the_series_and_belong_to_its_study(scan, written):
    source = source_datasets(scan[0], scan[2])
    for path in written:
        dataset = pydicom.dcmread(path)
        assert dataset.StudyInstanceUID == source[0].StudyInstanceUID
        assert dataset.PatientID == source[0].PatientID
        assert dataset.SeriesInstanceUID != scan[2]
    referenced = pydicom.dcmread(written[0]).ReferencedSeriesSequence[0]
    assert referenced.SeriesInstanceUID == scan[2]
    assert {each.ReferencedSOPInstanceUID for each in referenced.ReferencedInstanceSequence} == {
        each.SOPInstanceUID for each in source
    }


def test_measurement_report_holds_what_was_measured(written):
    report = highdicom.sr.srread(written[1]).content
    groups = report.get_volumetric_roi_measurement_groups()
    assert [group.tracking_identifier for group in groups] == ["Nodule 1"]
    values = {each.name.meaning: each.value for each in groups[0].get_measurements()}
    assert values["Volume"] == pytest.approx(381.7)
    assert values["Longest axial diameter"] == 10.0
    assert values["Nodule, by an AI model: suspicion, as radiologists rate it"] == pytest.approx(0.7)
    assert 0 < values["Brock risk (clinical outcomes, screening population), at least"] < 100
    said = {each.name.meaning: each.value.meaning for each in groups[0].get_qualitative_evaluations()}
    assert said["Lung-RADS v2022 category suggested by measurements"] == "Lung-RADS 3"
    assert said["Type of nodule by attenuation"] == "part-solid"
    others = report.get_image_measurement_groups()
    assert [group.tracking_identifier for group in others] == ["Case", "Nodule 2"]
    (score,) = others[0].get_measurements()
    assert (score.name.value, score.value) == ("CASE_READERS", pytest.approx(0.71))
    assert {each.name.meaning: each.value.meaning for each in others[0].get_qualitative_evaluations()} == {
        "Intended use": "Research use only. Not for diagnosis.",
        "Lung-RADS v2022 category, at least, suggested by measurements": "Lung-RADS 3",  # nodule 2 has none
        "Setting": "Not told: if this is screening",
    }


@pytest.mark.parametrize(
    ("setting", "unreliable", "codes"),
    [
        (None, (), {"SETTING": "UNKNOWN"}),
        (None, ("slices are 8 mm apart",), {"SETTING": "UNKNOWN", "EVALUATED": "IN_PART"}),
        ("screening", (), {}),
        ("screening", ("slices are 8 mm apart",), {"EVALUATED": "IN_PART"}),
        ("incidental", ("slices are 8 mm apart",), {}),  # no category
    ],
)
def test_a_category_says_on_what_it_depends(result, setting, unreliable, codes):
    case = assessed(replace(result, unreliable=unreliable), Patient(setting=setting))
    (group,) = case_group("1.2.3", case, assess(case))
    said = {item.ConceptNameCodeSequence[0].CodeValue: item for item in group.ContentSequence}
    found = {name: said[name].ConceptCodeSequence[0].CodeValue for name in ("SETTING", "EVALUATED") if name in said}
    assert found == codes


def test_a_score_has_the_code_of_its_outcome_and_an_unreliable_one_says_so(scan, result, tmp_path):
    of_cases = replace(result, model={**result.model, "outcome": "clinical"}, unreliable=("slices are 8 mm apart",))
    _, report = save_dicom(of_cases, scan[1], scan[0], tmp_path)
    case, *_ = highdicom.sr.srread(report).content.get_image_measurement_groups()
    assert [each.name.value for each in case.get_measurements()] == ["CASE_CLINICAL"]
    said = {each.name.value: each.value.meaning for each in case.get_qualitative_evaluations()}
    assert said["RELIABLE"] == "Not reliable on this scan"


def test_an_overruled_score_says_so_and_has_the_models_own_beside_it(scan, result, tmp_path):
    _, report = save_dicom(result.rescored([1]), scan[1], scan[0], tmp_path)
    case, *_ = highdicom.sr.srread(report).content.get_image_measurement_groups()
    values = {each.name.value: each.value for each in case.get_measurements()}
    assert values == {"CASE_READERS": pytest.approx(0.703), "CASE_BY_MODEL": pytest.approx(0.9109)}
    said = {each.name.value: each.value.meaning for each in case.get_qualitative_evaluations()}
    assert said["COUNTED"] == "Chosen by the user, not by the model"


def test_the_same_case_gives_the_same_objects(scan, result, written, tmp_path):
    again = save_dicom(result, scan[1], scan[0], tmp_path)
    changed = save_dicom(assessed(result, Patient(age_years=70)), scan[1], scan[0], tmp_path / "changed")
    uids = [[pydicom.dcmread(path).SOPInstanceUID for path in paths] for paths in (written, again, changed)]
    assert uids[0] == uids[1]
    assert not set(uids[0]) & set(uids[2])


def test_other_masks_are_other_objects(scan, result, written, tmp_path):
    labels = result.nodule_labels.copy()
    labels[4, 8, 13] = 0
    corrected = save_dicom(replace(result, nodule_labels=labels), scan[1], scan[0], tmp_path)
    for before, now in zip(written, corrected, strict=True):
        assert pydicom.dcmread(before).SOPInstanceUID != pydicom.dcmread(now).SOPInstanceUID


@pytest.fixture
def bare_series(scan, tmp_path):
    """The series as some anonymisers leave it: no preamble, nothing on patient and study, no frame of reference."""
    folder = tmp_path / "bare"
    folder.mkdir()
    for path in scan[0].iterdir():
        dataset = pydicom.dcmread(path)
        for keyword in ("PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate"):
            del dataset[keyword]
        del dataset.StudyTime, dataset.FrameOfReferenceUID, dataset.file_meta
        dataset.save_as(folder / path.name, implicit_vr=True, little_endian=True)
    return folder


def test_a_series_that_lacks_what_anonymisers_take_away_is_referred_to_all_the_same(
    scan, result, bare_series, tmp_path
):
    paths = save_dicom(result, scan[1], bare_series, tmp_path)
    mask = highdicom.seg.segread(paths[0])
    assert [mask[keyword].value or "" for keyword in ("PatientSex", "StudyDate", "StudyID")] == ["", "", ""]
    assert mask.FrameOfReferenceUID
    highdicom.sr.srread(paths[1])
    assert set(identity(bare_series, scan[2])) == {"Patient ID"}


def test_images_of_another_size_in_the_series_are_not_referred_to(scan, result, tmp_path):
    folder = tmp_path / "series"
    shutil.copytree(scan[0], folder)
    dataset = pydicom.dcmread(next(scan[0].iterdir()))
    dataset.SOPInstanceUID, dataset.InstanceNumber = "1.2.3.4.5", 99
    dataset.Rows, dataset.Columns, dataset.PixelData = 8, 8, bytes(2 * 8 * 8)
    dataset.save_as(folder / "dose.dcm")
    paths = save_dicom(result, scan[1], folder, tmp_path)
    referenced = pydicom.dcmread(paths[0]).ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert "1.2.3.4.5" not in {each.ReferencedSOPInstanceUID for each in referenced}


def test_headers_that_highdicom_refuses_are_named(scan, result, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise ValueError("something about a tag")

    monkeypatch.setattr(highdicom.seg, "Segmentation", refuse)
    with pytest.raises(UsageError, match=r"no DICOM objects can refer to this series; .*something about a tag"):
        save_dicom(result, scan[1], scan[0], tmp_path / "out")


def test_the_validator_finds_no_errors(written):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (dicom3tools) is not installed")
    for path in written:
        found = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
        assert not re.findall(r"^Error.*", found.stderr + found.stdout, re.MULTILINE)


def dcmqi(tool, *arguments):
    """A command of dcmqi, with which Slicer reads these objects (QuantitativeReporting)."""
    command = [Path(sys.executable).with_name(tool), *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def test_slicers_own_readers_find_the_masks_where_they_were(scan, result, written, tmp_path):
    dcmqi("segimage2itkimage", "--inputDICOM", written[0], "--outputDirectory", tmp_path, "-t", "nrrd")
    for number, expected in enumerate((result.lung_labels == 1, result.lung_labels == 2, result.nodule_labels == 1), 1):
        labels, affine = read_label_map(tmp_path / f"{number}.nrrd")
        indices = index_to_world(np.linalg.inv(scan[1].kji_to_lps) @ affine, np.argwhere(labels))
        np.testing.assert_allclose(np.sort(indices, axis=0), np.sort(np.argwhere(expected), axis=0), atol=1e-3)


def test_slicers_own_readers_find_what_was_measured(written, tmp_path):
    dcmqi("tid1500reader", "--inputDICOM", written[1], "--outputMetadata", tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    groups = {one["TrackingIdentifier"]: one for one in report["Measurements"]}
    assert list(groups) == ["Case", "Nodule 1", "Nodule 2"]
    assert groups["Nodule 1"]["ReferencedSegment"] == 3
    values = {one["quantity"]["CodeMeaning"]: float(one["value"]) for one in groups["Nodule 1"]["measurementItems"]}
    assert values["Volume"] == pytest.approx(381.7)
    assert values["Nodule, by an AI model: suspicion, as radiologists rate it"] == pytest.approx(0.7)


def test_a_case_without_lungs_and_outlines_has_measurements_alone(scan, result, tmp_path):
    bare = replace(result, lung_labels=np.zeros(SHAPE, np.uint8), nodule_labels=np.zeros(SHAPE, np.uint8))
    save_dicom(bare, scan[1], scan[0], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["measurements.dcm"]


def test_a_series_that_is_not_there_is_told(scan, result, tmp_path):
    other = replace(result, input={"series_uid": "1.2.3"})
    with pytest.raises(UsageError, match=r"the series 1\.2\.3 is not here"):
        save_dicom(other, scan[1], scan[0], tmp_path)


def test_a_name_is_given_in_letters_that_a_pdf_has(scan, tmp_path):
    for path in scan[0].iterdir():
        dataset = pydicom.dcmread(path)
        dataset.SpecificCharacterSet, dataset.PatientName = "ISO_IR 192", "Yamada^Tarou=山田^太郎"
        dataset.save_as(tmp_path / path.name)
    assert identity(tmp_path, scan[2])["Name"] == "Yamada^Tarou"


def test_who_the_patient_is_stands_in_the_header(scan):
    assert identity(scan[0], scan[2]) == {"Name": "Doe^Jane", "Patient ID": "Doe^Jane"}
