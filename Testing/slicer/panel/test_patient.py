"""What is known of the patient, told in the panel: kept in the scene, and followed by categories and risks."""

from dataclasses import replace

import pytest

from LungCancerDxLib.assessment.assess import assess
from LungCancerDxLib.assessment.patient import NoduleFacts
from Testing.slicer.panel.conftest import cases, choose, place_point, result_of, run, tick, wait

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

pytestmark = pytest.mark.slow


@pytest.fixture
def scored(app, quick, ct):
    choose(app, quick, ct)
    run(app, quick)
    return quick


def pick(app, widget, name, label):
    """As a user does: what is chosen in a box is told by `activated`."""
    box = getattr(widget.ui, name)
    box.setCurrentIndex(box.findText(label))
    box.activated.emit(box.currentIndex)
    app.process_events()


def known(app):
    from LungCancerDxLib.slicer.panel.patient import patient_of

    return patient_of(result_of(cases(app)[-1]))


def test_without_a_case_nothing_can_be_told(app, quick, ct):
    choose(app, quick, ct)
    assert not quick.ui.patientCollapsibleButton.enabled


def test_what_is_told_stands_in_the_scene_and_comes_back_with_it(app, scored, tmp_path):
    scored.ui.ageSpinBox.value = 66
    pick(app, scored, "sexComboBox", "female")
    pick(app, scored, "settingComboBox", "screening")
    pick(app, scored, "smokerComboBox", "no")
    scored.panel._nodules.select(1)
    app.process_events()
    pick(app, scored, "spiculatedComboBox", "yes")
    expected = known(app)
    assert (expected.age_years, expected.sex, expected.setting, expected.smoker) == (66, "female", "screening", False)
    assert expected.nodules == {1: NoduleFacts(spiculated=True)}
    assert result_of(cases(app)[-1]).assessment
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    app.open_scene(tmp_path / "scene.mrb")
    assert known(app) == expected


def test_what_is_told_is_shown_again_and_can_be_taken_back(app, scored):
    pick(app, scored, "emphysemaComboBox", "yes")
    assert scored.ui.emphysemaComboBox.currentText == "yes"
    pick(app, scored, "emphysemaComboBox", "not known")
    assert known(app).to_table() == {}


def test_overruling_and_a_second_run_keep_the_patient(app, scored):
    scored.ui.ageSpinBox.value = 70
    tick(app, scored, 1, False)
    assert known(app).age_years == 70
    place_point(app, scored, (-60.0, 10.0, -30.0))
    wait(app, scored)
    assert known(app).age_years == 70
    result = result_of(cases(app)[-1])
    ranks = [each["rank"] for each in result.assessment["nodules"]]
    assert ranks == [each.rank for each in assess(result).nodules]
    assert 1 not in ranks


def test_the_text_says_category_and_risk_on_what_they_depend_and_who_decides(app, scored):
    from LungCancerDxLib.slicer.panel.patient import assessment_text

    result = result_of(cases(app)[-1])
    measured = replace(
        result.nodules[0],
        diameter_mm=9.0,
        longest_axial_diameter_mm=10.0,
        volume_mm3=381.7,
        type="solid",
        scored=True,
    )
    elsewhere = replace(measured, rank=99, center_lps_mm=(0.0, 0.0, 0.0), volume_mm3=None, type=None)
    found = assess(replace(result, nodules=(measured, elsewhere), unreliable=("slices are 5.0 mm apart",)))
    text = assessment_text(found, measured.rank)
    assert "Lung-RADS of the scan: at least 4A" in text
    assert "Brock risk (clinical outcomes, screening population)" in text
    assert "a radiologist decides." in text
    assert "the setting is not given" in text
    assert "Lung-RADS may be 0, as the scan cannot be evaluated in full: slices are 5.0 mm apart." in text
    assert "Not outlined and therefore not assessed: nodule 99." in text
    assert text.splitlines()[-len(found.remarks) :] == list(found.remarks)
    assert "is not assessed" in assessment_text(assess(result), 999)


def test_the_nodule_list_is_copied_as_text(app, scored):
    import qt

    scored.ui.copyButton.click()
    assert qt.QApplication.clipboard().text().rstrip().endswith("Not for diagnosis.")


def test_age_and_sex_of_the_database_of_slicer(app, ct, tmp_path, monkeypatch):
    from types import SimpleNamespace

    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    from LungCancerDxLib.slicer.scene.ct import header_patient

    assert header_patient(ct) == (None, None)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.PatientAge, dataset.PatientSex = "061Y", "M"
    dataset.save_as(tmp_path / "slice.dcm")
    files = {"1.2.3": str(tmp_path / "slice.dcm")}
    database = SimpleNamespace(fileForInstance=lambda uid: files.get(uid, ""))
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    ct.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    assert header_patient(ct) == (61.0, "male")
    ct.SetAttribute("DICOM.instanceUIDs", "9.9")
    assert header_patient(ct) == (None, None)
