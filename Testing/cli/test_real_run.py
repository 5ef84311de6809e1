"""The command `lungcancerdx score`: what a real run leaves and says."""

import json
import math

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from LungCancerDxLib.io.image_file import write_volume
from LungCancerDxLib.models.find import untrained_model
from LungCancerDxLib.preset import DEFAULT
from LungCancerDxLib.runtime.device import choose_compute
from Testing.cli.files import FILES, case, names
from Testing.helpers import check_case_contract, chest, run_command

pytestmark = pytest.mark.slow

APICES = {"spacing_mm_kji": (2.5, 2.0, 2.0), "z_range_mm": (62.0, 120.0)}


@pytest.fixture(scope="module")
def apices(folder):
    """The one real run, of the untrained default networks over the tops of the lungs: the process and its output."""
    write_volume(chest(**APICES).volume, folder / "apices.nrrd")
    out = folder / "apices"
    options = ("--model", "untrained-default", "--progress", "json", "--no-scene")
    return run_command("score", "apices.nrrd", "--out", out, *options, cwd=folder), out


def test_a_real_run_succeeds(apices):
    process, out = apices
    assert process.returncode == 0, process.stderr
    assert names(out) == FILES


def test_every_line_of_json_progress_parses_and_the_fraction_never_falls(apices):
    reports = [json.loads(line) for line in apices[0].stdout.splitlines()]
    fractions = [report["fraction"] for report in reports]
    assert all(set(report) == {"stage", "fraction", "seconds_left"} for report in reports)
    assert fractions == sorted(fractions)
    assert (reports[0]["stage"], fractions[0]) == ("reading the CT", 0)
    assert (reports[-1]["stage"], fractions[-1], reports[-1]["seconds_left"]) == ("writing the results", 1, 0)


def test_with_json_progress_the_words_go_to_stderr(apices):
    error = apices[0].stderr
    assert "NO TRAINED MODEL" in error
    assert "Research use only. Not for diagnosis." in error


def test_case_json_is_as_the_contract_says(apices):
    content = case(apices[1])
    check_case_contract(content)
    assert content["input"]["path"] == str(apices[1].parent / "apices.nrrd")
    precision = choose_compute("cpu", preset=DEFAULT).precision
    assert content["run"] == {"device": "cpu", "precision": precision, "torch": torch.__version__}
    assert content["model"]["name"] == "untrained-default"
    assert (content["model"]["preset"], content["model"]["outcome"]) == ("DEFAULT", "none")
    assert content["model"]["sha256"] == untrained_model().sha256
    assert list(content["timing_s"]) == [
        "reading",
        "preprocessing",
        "detection",
        "classification",
        "segmentation",
        "total",
    ]
    *stages, total = content["timing_s"].values()
    assert 0 < sum(stages) <= total


def test_the_numbers_of_a_real_run_hold_together(apices):
    content = case(apices[1])
    table, nodules = content["case"], content["nodules"]
    assert 0 < table["scored_nodules"] <= 5
    assert len(nodules) <= 20
    counted = [nodule for nodule in nodules if nodule["scored"]]
    assert len(counted) == table["scored_nodules"]
    assert all(nodule["logit"] > -1 for nodule in counted)
    assert table["weighted_by_confidence"] == (content["model"]["outcome"] == "readers")
    weights = [nodule["confidence"] if table["weighted_by_confidence"] else 1 for nodule in counted]
    survival = math.prod(1 - w * nodule["malignancy"] for w, nodule in zip(weights, counted, strict=True))
    assert table["score"] == pytest.approx(1 - (1 - table["leak"]) * survival, abs=1e-6)
    assert sum(nodule["contribution"] for nodule in counted) + table["leak_share"] == pytest.approx(1)


def test_the_lungs_of_a_slab_of_upper_lungs_are_both_found_and_called_cut_off(apices):
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(apices[1] / "lungs.nrrd")))
    assert set(np.unique(labels)) == {0, 1, 2}
    warnings = case(apices[1])["warnings"]
    assert any("cut off at the bottom" in warning for warning in warnings)
    assert not any("cut off at the top" in warning for warning in warnings)
