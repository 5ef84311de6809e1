"""`lungcancerdx train detector`: a store to a run with a model that can be loaded."""

import argparse
import json

import pytest
import torch

from LungCancerDxLib.cli.train import add_train
from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.models.bundle import load_model
from LungCancerDxLib.runtime.interruption import Stop
from Testing.training.tiny import ball_case, store_of


def run_train(*arguments):
    parser = argparse.ArgumentParser()
    add_train(parser.add_subparsers(dest="command"))
    parsed = parser.parse_args(["train", *map(str, arguments)])
    return parsed.run(parsed, Stop())


@pytest.fixture
def store(tmp_path):
    return store_of(tmp_path / "store", ball_case()).folder


@pytest.mark.slow
def test_a_run_of_one_step_leaves_a_run_and_a_model(store, tmp_path):
    options = ("--steps", 1, "--patch", 32, "--batch", 1, "--precision", "fp32", "--progress", "none")
    others = store_of(tmp_path / "others", ball_case("other"))
    checked = ("--validation", others.folder)
    message = run_train("detector", "--data", store, "--out", tmp_path / "run", *checked, *options)
    assert str(tmp_path / "run" / "model") in message
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"config.json", "log.csv", "validation.csv", "checkpoint.pt", "curves.png", "model"} <= names
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["recipe"]["patch"], config["recipe"]["steps"], config["precision"]) == (32, 1, "fp32")
    model = load_model(tmp_path / "run" / "model")
    assert model.outcome == "none"
    assert torch.equal(model.detector.output[0].weight, model.classifier.NoduleNet.output[0].weight)
    with pytest.raises(UsageError, match="not empty"):
        run_train("detector", "--data", store, "--out", tmp_path / "run", *options)


@pytest.mark.parametrize("patch", ["40", "16", "0", "x"])
def test_a_patch_is_a_multiple_of_sixteen_from_32_on(store, tmp_path, patch, capsys):
    with pytest.raises(SystemExit):
        run_train("detector", "--data", store, "--out", tmp_path / "run", "--patch", patch)
    assert "--patch" in capsys.readouterr().err


def test_recipe_readers_asks_for_a_trained_detector_and_a_fold_of_the_bank(store, tmp_path):
    files = ("--data", store, "--out", tmp_path / "run", "--recipe", "readers")
    for options in ((), ("--start", "Default", "--validation", store)):
        with pytest.raises(UsageError, match=r"with --start, say Default, and the part with --fold"):
            run_train("detector", *files, *options)
    assert not (tmp_path / "run").exists()


def test_a_seed_below_zero_is_bad_usage(store, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        run_train("detector", "--data", store, "--out", tmp_path / "run", "--seed", -1)
    assert "expected zero or more, got -1" in capsys.readouterr().err
