"""The command `lungcancerdx score`: what a real run leaves and says."""

import json

import pytest
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
