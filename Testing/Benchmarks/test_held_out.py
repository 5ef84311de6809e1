"""The study of held-out patients leaves tables that the evaluation reads."""

import pytest

from LungCancerDxLib.evaluation.detections import read_detections
from LungCancerDxLib.evaluation.outcomes import read_predictions
from Testing.Benchmarks import held_out
from Testing.helpers import tiny_model

pytestmark = pytest.mark.slow

SEED = 5


@pytest.fixture(scope="module")
def patients():
    return [held_out.rows_of(tiny_model(), "fp32", SEED, number) for number in range(2)]


def test_the_tables_of_patients_are_those_that_the_evaluation_reads(patients, tmp_path):
    one, other = patients
    one["truth"][0][1], other["truth"][0][1] = 0, 1  # both labels are needed
    held_out.write_tables(tmp_path, patients)
    cases, truth = tmp_path / "cases.csv", tmp_path / "truth.csv"
    outcomes = read_predictions(cases, truth, truth)
    assert outcomes.ids == [f"{SEED}-0", f"{SEED}-1"]
    assert outcomes.predicted.tolist() == pytest.approx([patient["cases"][0][1] for patient in patients])
    assert outcomes.bayes.tolist() == pytest.approx([patient["truth"][0][2] for patient in patients])
    found = read_detections(tmp_path / "marks.csv", tmp_path / "nodules.csv", scans=cases)
    assert found.scans == 2
    assert len(found.finding_scan) == sum(patient["truth"][0][4] for patient in patients)
    assert len(found.mark_scan) == sum(len(patient["marks"]) for patient in patients) > 0


def test_a_patient_that_was_scored_is_not_scored_again(patients, tmp_path, monkeypatch):
    monkeypatch.setattr(held_out, "_model", lambda name: None)
    monkeypatch.setattr(held_out, "rows_of", lambda *_arguments: patients[0])
    assert held_out.scored(tmp_path, None, "fp32", SEED, 0).startswith("score 0.")
    assert held_out.scored(tmp_path, None, "fp32", SEED, 0) == "there already"
