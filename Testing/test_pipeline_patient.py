"""What is known of the patient, from a file and from the header, on its way through scoring."""

import json

import pytest

from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.io.dicom.writer import write_dicom_series
from LungCancerDxLib.io.image_file import write_volume
from LungCancerDxLib.options import ScoreOptions
from LungCancerDxLib.pipeline import score_file
from Testing.helpers import slab, tiny_model


@pytest.mark.slow
@pytest.mark.usefixtures("no_outlines")
def test_header_and_file_are_joined_and_the_file_goes_first(tmp_path):
    write_dicom_series(slab().volume, tmp_path / "scan", "somebody", sex="F", age_years=66)
    (tmp_path / "patient.json").write_text(json.dumps({"age_years": 67, "smoker": True}))
    with_file = score_file(tmp_path / "scan", ScoreOptions(patient=tmp_path / "patient.json"), model=tiny_model())
    assert with_file.patient == {"age_years": 67, "sex": "female", "smoker": True}
    assert with_file.assessment["nodules"] == ()  # nothing was outlined
    assert len(with_file.assessment["not_assessed"]) == with_file.case.scored_nodules


def test_a_damaged_file_ends_the_run_before_it_begins(tmp_path):
    ct = tmp_path / "ct.nrrd"
    write_volume(slab().volume, ct)
    options = ScoreOptions(patient=tmp_path / "missing.json", model="no such model either")
    with pytest.raises(UsageError, match=r"missing\.json: cannot be read"):
        score_file(ct, options)
