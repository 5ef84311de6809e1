"""`lungcancerdx report`: from a result folder to a report and DICOM objects, and what it refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from LungCancerDxLib import pipeline
from LungCancerDxLib.case import Case, CaseResult, Nodule
from LungCancerDxLib.cli import main
from LungCancerDxLib.errors import OutputError, UsageError
from LungCancerDxLib.io import read_ct
from LungCancerDxLib.io.dicom.writer import write_dicom_series
from LungCancerDxLib.io.image_file import write_volume
from LungCancerDxLib.io.result_folder import read_result, write_result
from LungCancerDxLib.report import dicom
from Testing.helpers import slab

pytest.importorskip("reportlab")
pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scan") / "series"
    write_dicom_series(slab().volume, folder, "Doe^Jane", sex="F", age_years=66)
    return folder


@pytest.fixture
def result_folder(scan, tmp_path):
    volume = read_ct(scan)
    labels = np.zeros(volume.shape_kji, np.uint8)
    labels[8:10, 60:66, 60:66] = 1
    nodule = Nodule(
        rank=1,
        source="detected",
        center_lps_mm=(10.0, 0.0, -30.0),
        diameter_mm=9.0,
        longest_axial_diameter_mm=10.0,
        volume_mm3=381.7,
        type="solid",
        side="left",
        malignancy=0.7,
        scored=True,
    )
    model = {"name": "some", "sha256": "ab", "preset": "DEFAULT", "outcome": "readers", "trained_on": "readings"}
    result = CaseResult(
        {"name": "LungCancerDx", "version": "0"},
        model,
        {},
        {
            "path": str(scan),
            "series_uid": volume.info["series_uid"],
            "shape_kji": list(volume.shape_kji),
            "spacing_mm_kji": volume.spacing_mm_kji.tolist(),
        },
        Case(0.71, "suspicion of the case", "leaky-noisy-or", 0.01, 0.1, 0, None, None, 1),
        {"left_volume_ml": 2000.0, "right_volume_ml": 2500.0},
        (nodule,),
        {},
        (),
        patient={"age_years": 66.0, "sex": "female"},
        lung_labels=labels,
        nodule_labels=labels,
    )
    folder = tmp_path / "result"
    folder.mkdir()
    write_result(result, volume, folder)
    return folder


@pytest.mark.slow
def test_more_is_known_and_the_report_is_written_anew(result_folder, tmp_path, capsys):
    known = {"smoker": True, "earlier_cancer": False, "nodules": {"1": {"spiculated": True}}}
    (tmp_path / "patient.json").write_text(json.dumps(known))
    assert main(["report", str(result_folder), "--patient", str(tmp_path / "patient.json")]) == 0
    assert "Lung-RADS 4X" in capsys.readouterr().out
    result = read_result(result_folder)
    assert result.patient == {"age_years": 66.0, "sex": "female", **known}
    assert result.assessment["nodules"][0]["mayo"]["low"] > 0
    html = (result_folder / "report.html").read_text(encoding="utf-8")
    assert "Lung-RADS 4X" in html
    assert "Doe^Jane" not in html
    assert (result_folder / "report.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.slow
def test_identified_and_dicom(result_folder):
    pytest.importorskip("highdicom")
    assert main(["report", str(result_folder), "--identified", "--dicom"]) == 0
    assert "Doe^Jane" in (result_folder / "report.html").read_text(encoding="utf-8")
    names = {path.name for path in result_folder.iterdir()}
    assert {"segmentation.dcm", "measurements.dcm", "report.pdf", "case.json", "lungs.nrrd"} <= names


def test_an_image_file_has_no_series_to_refer_to(result_folder, tmp_path, capsys):
    ct = tmp_path / "ct.nrrd"
    ct.touch()
    for option in ("--dicom", "--identified"):
        assert main(["report", str(result_folder), "--ct", str(ct), option]) == 2
        assert "is an image file, which tells neither of its patient nor of its series" in capsys.readouterr().err
    assert main(["score", str(ct), "--out", str(tmp_path / "out"), "--dicom"]) == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("moved", [(10, 20, 0.0), (0, 0, 4.0)])
def test_another_scan_is_refused(result_folder, scan, tmp_path, capsys, moved):
    volume = read_ct(scan)
    affine = volume.kji_to_lps.copy()
    affine[2, 3] += moved[2]
    other = replace(volume, voxels=volume.voxels[:, moved[0] :, moved[1] :], kji_to_lps=affine)
    write_volume(other, tmp_path / "other.nrrd")
    assert main(["report", str(result_folder), "--ct", str(tmp_path / "other.nrrd")]) == 2
    assert "its grid differs" in capsys.readouterr().err
    assert not (result_folder / "report.html").exists()


@pytest.mark.slow
def test_a_result_of_a_copy_without_its_header_gets_objects_of_the_series(result_folder, scan):
    pydicom, _ = pytest.importorskip("pydicom"), pytest.importorskip("highdicom")
    result = read_result(result_folder)
    copy = replace(result, input={**result.input, "path": "ct.nrrd", "series_uid": None})
    (result_folder / "case.json").write_text(copy.to_json(), encoding="utf-8")
    assert main(["report", str(result_folder), "--ct", str(scan), "--dicom"]) == 0
    (series,) = pydicom.dcmread(result_folder / "segmentation.dcm").ReferencedSeriesSequence
    assert series.SeriesInstanceUID == result.input["series_uid"]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_another_series_on_the_same_grid_is_refused_with_both_named(result_folder, scan, tmp_path, capsys):
    other = write_dicom_series(slab().volume, tmp_path / "other", "Roe^Richard", sex="M", age_years=40)
    before = contents(result_folder)
    assert main(["report", str(result_folder), "--ct", str(tmp_path / "other")]) == 2
    error = capsys.readouterr().err
    assert other in error
    assert read_result(result_folder).input["series_uid"] in error
    assert "--ct" in error
    assert contents(result_folder) == before


@pytest.mark.parametrize("stored", ["series", "/no/such/series", None])
def test_a_scan_that_is_not_known_by_its_full_path_is_asked_for(result_folder, scan, monkeypatch, capsys, stored):
    result = read_result(result_folder)
    (result_folder / "case.json").write_text(replace(result, input={**result.input, "path": stored}).to_json())
    monkeypatch.chdir(scan.parent)
    assert main(["report", str(result_folder)]) == 2
    assert "Give the scan with --ct" in capsys.readouterr().err


@pytest.mark.slow
def test_a_patient_file_takes_the_place_of_all_that_was_told_before_it_and_the_header_completes_it(
    result_folder, tmp_path
):
    for content in ({"age_years": 40, "sex": "male", "smoker": True}, {"family_history": False}):
        (tmp_path / "patient.json").write_text(json.dumps(content))
        assert main(["report", str(result_folder), "--patient", str(tmp_path / "patient.json")]) == 0
    assert read_result(result_folder).patient == {"age_years": 66.0, "sex": "female", "family_history": False}


@pytest.mark.slow
def test_dicom_objects_of_what_was_known_before_are_removed_and_foreign_ones_are_not(
    result_folder, scan, tmp_path, capsys
):
    pytest.importorskip("highdicom")
    (tmp_path / "patient.json").write_text(json.dumps({"nodules": {"1": {"spiculated": True}}}))
    assert main(["report", str(result_folder), "--dicom"]) == 0
    assert main(["report", str(result_folder)]) == 0
    assert (result_folder / "measurements.dcm").exists()
    foreign = next(scan.iterdir()).read_bytes()
    (result_folder / "segmentation.dcm").write_bytes(foreign)
    capsys.readouterr()
    assert main(["report", str(result_folder), "--patient", str(tmp_path / "patient.json")]) == 0
    assert "Removed: measurements.dcm" in capsys.readouterr().out
    assert not (result_folder / "measurements.dcm").exists()
    assert (result_folder / "segmentation.dcm").read_bytes() == foreign


@pytest.mark.slow
def test_a_report_that_fails_changes_nothing(result_folder, tmp_path, monkeypatch):
    (tmp_path / "patient.json").write_text(json.dumps({"smoker": True}))
    before = contents(result_folder)

    def fail(*_):
        raise UsageError("the series holds no CT images")

    monkeypatch.setattr(dicom, "save_dicom", fail)
    assert main(["report", str(result_folder), "--patient", str(tmp_path / "patient.json"), "--dicom"]) == 2
    assert contents(result_folder) == before


def test_a_rank_that_is_not_there_is_refused_before_anything_is_written(result_folder, tmp_path, capsys):
    (tmp_path / "patient.json").write_text(json.dumps({"nodules": {"99": {"spiculated": True}}}))
    before = contents(result_folder)
    assert main(["report", str(result_folder), "--patient", str(tmp_path / "patient.json")]) == 2
    assert "rank 99; the case has those of 1." in capsys.readouterr().err
    assert contents(result_folder) == before


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 4)], ids=["another grid", "2D"])
def test_outlines_on_another_grid_are_refused(result_folder, capsys, shape):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros(shape, np.uint8)), str(result_folder / "nodules.nrrd"))
    assert main(["report", str(result_folder)]) in (2, 3)
    assert "nodules.nrrd" in capsys.readouterr().err
    assert not (result_folder / "report.html").exists()


def test_a_folder_without_a_result_is_told(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 3
    assert f"{tmp_path / 'case.json'} cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("table", "entry", "value", "said"),
    [
        ("case", "score", 5.0, "case.score is 5.0; expected 0 to 1"),
        ("patient", "sex", "F", "sex is 'F'; expected female or male. Tell what is known with --patient"),
    ],
)
def test_a_damaged_case_is_refused_with_its_file_and_entry_before_anything_is_written(
    result_folder, capsys, table, entry, value, said
):
    content = json.loads((result_folder / "case.json").read_text())
    content[table][entry] = value
    (result_folder / "case.json").write_text(json.dumps(content))
    before = contents(result_folder)
    assert main(["report", str(result_folder)]) == 3
    error = capsys.readouterr().err
    assert str(result_folder / "case.json") in error
    assert said in error
    assert contents(result_folder) == before


def scored_with_an_export_that_raises(error, result_folder, scan, out, monkeypatch):
    """What `score --dicom` does of a case that is known."""
    pytest.importorskip("highdicom")

    def refuse(*_):
        raise error

    monkeypatch.setattr(dicom, "save_dicom", refuse)
    known = replace(read_result(result_folder), volume=read_ct(scan))
    monkeypatch.setattr(pipeline, "score_file", lambda *_, **__: known)
    return main(["score", str(scan), "--out", str(out), "--dicom", "--no-scene"])


def test_a_series_that_no_object_can_refer_to_does_not_cost_the_result(
    result_folder, scan, tmp_path, monkeypatch, capsys
):
    out, error = tmp_path / "out", UsageError("The series has odd headers.")
    assert scored_with_an_export_that_raises(error, result_folder, scan, out, monkeypatch) == 2
    assert f"The series has odd headers. The result itself is in {out}." in capsys.readouterr().err
    assert read_result(out).case == read_result(result_folder).case


def test_nor_does_an_export_that_breaks(result_folder, scan, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with pytest.raises(RuntimeError, match="broken"):
        scored_with_an_export_that_raises(RuntimeError("broken"), result_folder, scan, out, monkeypatch)
    assert read_result(out).case == read_result(result_folder).case


def test_but_a_disk_that_is_full_leaves_nothing(result_folder, scan, tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert scored_with_an_export_that_raises(OutputError("full"), result_folder, scan, out, monkeypatch) == 6
    assert not out.exists()
