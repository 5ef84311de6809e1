"""Age and sex of the patient in the header, and nothing else of who it is."""

import pytest

from LungCancerDxLib.io import read_ct
from Testing.io.dicom.dicom_files import chest_voxels, write_series


@pytest.mark.parametrize(
    ("tags", "age", "sex"),
    [
        ({"PatientAge": "066Y", "PatientSex": "F"}, 66.0, "female"),
        ({"PatientAge": "018M", "PatientSex": "M"}, 1.5, "male"),
        ({"PatientAge": "", "PatientSex": "O"}, None, None),
        ({"PatientAge": "000Y"}, None, None),
        ({"StudyDate": "20200301", "PatientBirthDate": "19500302"}, 69.0, None),  # a day before the birthday
        ({"StudyDate": "20200302", "PatientBirthDate": "19500302"}, 70.0, None),
        ({"StudyDate": "20200302", "PatientBirthDate": "18000101"}, None, None),
        ({"PatientAge": "066Y", "StudyDate": "20200302", "PatientBirthDate": "19900101"}, 66.0, None),
        ({}, None, None),
    ],
)
def test_age_and_sex_of_the_header(tmp_path, tags, age, sex):
    write_series(tmp_path / "scan", chest_voxels(), **{"PatientName": "Doe^Jane", **tags})
    info = read_ct(tmp_path / "scan").info
    assert info.get("patient_age_years") == age
    assert info.get("patient_sex") == sex
    assert "Doe" not in str(info)
