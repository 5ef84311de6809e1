"""What the user knows of the patient: read, checked, written."""

import json

import pytest

from LungCancerDxLib.assessment.patient import NoduleFacts, Patient
from LungCancerDxLib.errors import UsageError

TABLE = {
    "age_years": 66,
    "sex": "female",
    "family_history": False,
    "nodule_count": 2,
    "months_since_prior": 12,
    "nodules": {"1": {"upper_lobe": True, "spiculated": False, "prior_diameter_mm": 6.5}, "3": {"status": "new"}},
}


def test_what_is_read_is_written():
    patient = Patient.from_json(json.dumps(TABLE), "patient.json")
    assert patient.facts(1) == NoduleFacts(upper_lobe=True, spiculated=False, prior_diameter_mm=6.5)
    assert patient.facts(2) == NoduleFacts()
    assert patient.to_table() == TABLE


def test_nothing_is_required():
    assert Patient.from_json("{}", "patient.json") == Patient()
    assert Patient().to_table() == {}


def test_header_fills_in_what_is_not_given():
    assert Patient(sex="male").completed(70.0, "female") == Patient(age_years=70.0, sex="male")
    assert Patient().completed(None, None) == Patient()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("[1]", "a table"),
        ("{", "no JSON"),
        ('{"age": 66}', "'age' is not known; known are age_years"),
        ('{"age_years": "66"}', "a number"),
        ('{"age_years": true}', "a number"),
        ('{"age_years": 660}', "0 to 120"),
        ('{"sex": "F"}', "female or male"),
        ('{"smoker": 1}', "true or false"),
        ('{"nodule_count": 1.5}', "whole number"),
        ('{"nodule_count": 0}', "1 to 1000"),
        ('{"nodules": [1]}', "a table by rank"),
        ('{"nodules": {"first": {}}}', "by their rank"),
        ('{"nodules": {"1": {}, "01": {}}}', "named twice"),
        ('{"nodules": {"1": {"spiculated": true}, "1": {"upper_lobe": true}}}', "'1' is there twice"),
        ('{"age_years": 66, "age_years": 50}', "'age_years' is there twice"),
        ("[" * 100_000, "no JSON"),
        ('{"nodules": {"1": {"place": "hilum"}}}', "nodule 1: place"),
        ('{"nodules": {"1": 3}}', "nodule 1: expected a table"),
        ('{"nodules": {"1": {"prior_diameter_mm": -1}}}', "0 to 300"),
    ],
)
def test_what_cannot_be_is_refused_with_the_file_and_the_cure(table, said):
    with pytest.raises(UsageError, match=r"patient\.json") as refused:
        Patient.from_json(table, "patient.json")
    assert said in str(refused.value)
