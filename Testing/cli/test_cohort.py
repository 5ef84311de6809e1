"""`lungcancerdx cohort`: what it asks of the run, and the real method on one small scan."""

import argparse
import json
from dataclasses import replace

import pytest
import torch

from LungCancerDxLib.cli import cohort
from LungCancerDxLib.cli.cohort import add_cohort
from LungCancerDxLib.cohorts import run as scoring
from LungCancerDxLib.cohorts.run import Settings
from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.io import read_ct
from LungCancerDxLib.io.image_file import write_volume
from LungCancerDxLib.models import find
from LungCancerDxLib.options import ScoreOptions
from LungCancerDxLib.pipeline import detect_and_score
from LungCancerDxLib.runtime.interruption import Stop
from Testing.cohorts.runs import in_this_process, rows
from Testing.helpers import slab, tiny_model


@pytest.fixture
def command(monkeypatch):
    """A function that runs the command in this process with the tiny model, or one of other weights."""
    models = {None: tiny_model(), "other": replace(tiny_model(), sha256="other")}
    scoring._model.cache_clear()
    monkeypatch.setattr(scoring, "on_workers", in_this_process)
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)  # float32 on any processor
    monkeypatch.setattr(find, "find_model", models.get)

    def run(*arguments):
        parser = argparse.ArgumentParser()
        add_cohort(parser.add_subparsers(dest="command"))
        return cohort.run(parser.parse_args(["cohort", *map(str, arguments), "--progress", "none"]), Stop())

    yield run
    scoring._model.cache_clear()


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    write_volume(slab().volume, folder / "slab.nrrd")
    (folder / "broken.nrrd").write_text("no image\n")
    return folder


@pytest.mark.slow
def test_a_cohort_is_scored_as_its_scans_are_and_goes_on_only_with_the_same_options(
    command, scans, tmp_path, no_outlines
):
    message = command(scans, "--out", tmp_path)
    assert "1 of 2 scans scored, 1 failed." in message
    assert "--retry-failed does them again" in message
    assert "NO TRAINED MODEL" in message
    assert "trained on: nothing" in message
    broken, scored = rows(tmp_path)
    assert (broken["id"], broken["status"]) == ("broken", "failed")
    alone = detect_and_score(read_ct(scans / "slab.nrrd"), tiny_model())
    assert float(scored["score"]) == pytest.approx(alone.case.score, abs=1e-6)
    assert (scored["model"], scored["outcome"]) == (alone.model["name"], "none")
    assert float(scored["left_lung_ml"]) == pytest.approx(alone.lungs["left_volume_ml"])
    assert [float(row["logit"]) for row in rows(tmp_path, "nodules.csv")] == pytest.approx(
        [nodule.logit for nodule in alone.nodules], abs=1e-4
    )
    record = json.loads((tmp_path / "run.json").read_text())
    assert (record["sha256"], record["preset"], record["precision"]) == (tiny_model().sha256, "DEFAULT", "fp32")
    with pytest.raises(UsageError, match="precision was fp32 and is bf16"):
        command(scans, "--out", tmp_path, "--precision", "bf16")
    with pytest.raises(UsageError, match=f"sha256 was {tiny_model().sha256} and is other"):
        command(scans, "--out", tmp_path, "--model", "other")
    assert "1 of 2 scans scored" in command(scans, "--out", tmp_path)
    record["weighted_by_confidence"] = True
    (tmp_path / "run.json").write_text(json.dumps(record))
    with pytest.raises(UsageError, match="weighted_by_confidence was True and is None"):
        command(scans, "--out", tmp_path)


def test_an_output_folder_among_the_scans_or_with_something_else_in_it_is_refused(command, scans, tmp_path):
    with pytest.raises(UsageError, match="lies among the scans"):
        command(scans, "--out", scans / "results")
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(UsageError, match="is no run of cohort"):
        command(scans, "--out", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_worker_with_another_model_of_that_name_ends_the_run(command, scans):
    with pytest.raises(UsageError, match="other weights here"):
        scoring.score_ct(scans / "slab.nrrd", Settings(ScoreOptions(), sha256="elsewhere"))
