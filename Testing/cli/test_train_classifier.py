"""`lungcancerdx train classifier`: a store with labels and a detector to a run with a model that can be loaded."""

import argparse
import json
from dataclasses import replace

import pytest
import torch

from LungCancerDxLib.cli.train import _plan, _recipe, add_train
from LungCancerDxLib.errors import ModelError, UsageError
from LungCancerDxLib.models.bundle import load_model, save_model
from LungCancerDxLib.runtime.interruption import Stop
from LungCancerDxLib.training.cases.store import write_case, write_outcomes
from LungCancerDxLib.training.classifier import readers
from LungCancerDxLib.training.classifier.recipe import STAGES
from LungCancerDxLib.training.engine.run_folder import VALIDATION_FILE, read_log
from Testing.real_nodules import write_bank
from Testing.training.classifier_tiny import labelled_store, tiny_detector
from Testing.training.tiny import ball_case, store_of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_preset")]

QUICK = ("--steps", 1, "--batch", 2, "--precision", "fp32", "--progress", "none", "--seed", 5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A store, and the run of a detector with its model."""
    folder = tmp_path_factory.mktemp("files")
    labelled_store(folder / "store")
    save_model(tiny_detector(), folder / "run" / "model")
    return folder


def parsed(*arguments):
    parser = argparse.ArgumentParser()
    add_train(parser.add_subparsers(dest="command"))
    return parser.parse_args(["train", *map(str, arguments)])


def run_train(*arguments):
    namespace = parsed(*arguments)
    return namespace.run(namespace, Stop())


def run_classifier(*arguments):
    return run_train("classifier", *arguments)


@pytest.mark.parametrize(("learned_from", "crops", "steps"), [("cases", [48, 64], [12, 4]), ("nodules", [64], [16])])
def test_one_that_knows_ratings_learns_the_last_stage_alone(folder, tmp_path, monkeypatch, learned_from, crops, steps):
    write_bank(tmp_path)
    save_model(replace(tiny_detector(), outcome="readers", learned_from=learned_from), tmp_path / "start")
    seen = []
    monkeypatch.setattr(readers, "train_readers", lambda *_, recipe, **__: seen.append(recipe))
    files = ("--data", folder / "store", "--detector", tmp_path / "start", "--bank", tmp_path)
    run_classifier(*files, "--recipe", "readers", "--outcome", "readers", "--steps", 16)
    assert [stage.crop_size for stage in seen[0].stages] == crops
    assert [stage.steps for stage in seen[0].stages] == steps


def test_recipe_readers_refuses_options_that_would_do_nothing(folder, tmp_path):
    files = ("--data", folder / "store", "--detector", folder / "run", "--bank", tmp_path, "--out", tmp_path / "run")
    options = ("--join", "max-p", "--scheme", "F", "--partly-described", "--epochs", 2)
    with pytest.raises(UsageError, match="no use for --join, --scheme, --partly-described, --epochs"):
        run_classifier(*files, "--recipe", "readers", "--outcome", "readers", *options)


def test_another_recipe_refuses_a_bank_and_a_fold(folder, tmp_path):
    files = ("--data", folder / "store", "--detector", folder / "run", "--out", tmp_path / "run")
    with pytest.raises(UsageError, match="Recipe cpu has no use for --bank, --fold; pass --recipe readers"):
        run_classifier(*files, "--outcome", "synthetic", "--bank", tmp_path, "--fold", 0)


def test_a_run_of_one_step_finds_proposals_and_leaves_a_model(folder, tmp_path):
    files = ("--data", folder / "store", "--detector", folder / "run", "--out", tmp_path / "run")
    message = run_classifier(*files, "--outcome", "synthetic", *QUICK)
    assert f"The model is in {tmp_path / 'run' / 'model'}; outcome synthetic; learned leak 0." in message
    model = load_model(tmp_path / "run" / "model")
    assert (model.outcome, model.join) == ("synthetic", "leaky-noisy-or")
    assert "scheme F, recipe CPU" in model.trained_on
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["cancer_of_cases"] == {"case-0": 1, "case-1": 0, "case-2": 1}
    assert len(list((folder / "store").glob("proposals-*/*.npz"))) == 3
    with pytest.raises(UsageError, match="not empty"):
        run_classifier(*files, "--outcome", "synthetic", *QUICK)
    run_classifier(*files, "--outcome", "synthetic", *QUICK, "--resume")


def test_scheme_join_and_proposals_can_be_chosen(folder, tmp_path):
    files = ("--data", folder / "store", "--detector", folder / "run" / "model", "--out", tmp_path / "run")
    options = ("--scheme", "F->F", "--join", "max-p", "--proposals", "truth", "--outcome", "none")
    assert "leak" not in run_classifier(*files, *options, *QUICK)
    model = load_model(tmp_path / "run" / "model")
    assert (model.outcome, model.join) == ("none", "max-p")
    assert "scheme F->F" in model.trained_on
    assert "not by a detector" in model.trained_on


def test_other_cases_are_looked_at_during_the_training(folder, tmp_path):
    others = store_of(tmp_path / "others", ball_case("other"), ball_case("another"))
    write_outcomes(others.folder, {"other": True, "another": False})
    files = ("--data", folder / "store", "--detector", folder / "run", "--out", tmp_path / "run")
    run_classifier(*files, "--outcome", "synthetic", "--validation", others.folder, *QUICK)
    checks = read_log(tmp_path / "run" / "1-F" / VALIDATION_FILE)
    assert [row["step"] for row in checks] == ["0", "1"]
    with pytest.raises(UsageError, match="both list case-0"):
        run_classifier(*files, "--outcome", "synthetic", "--validation", folder / "store", *QUICK, "--resume")


def all_of(store, out, *more):
    steps = ("--detector-steps", 1, "--classifier-steps", 1, "--precision", "fp32", "--progress", "none")
    return run_train("all", "--data", store, "--out", out, "--outcome", "synthetic", *steps, *more)


def test_both_networks_are_trained_by_one_command(folder, tmp_path):
    message = all_of(folder / "store", tmp_path / "run", "--join", "noisy-or", "--partly-described")
    assert str(tmp_path / "run-detector" / "model") in message
    assert f"The model is in {tmp_path / 'run' / 'model'}; outcome synthetic." in message
    model, detector = (load_model(tmp_path / run / "model") for run in ("run", "run-detector"))
    assert (model.outcome, model.join) == ("synthetic", "noisy-or")
    assert torch.equal(model.detector.output[0].weight, detector.detector.output[0].weight)
    with pytest.raises(UsageError, match="exists and is not empty"):
        all_of(folder / "store", tmp_path / "run")
    before = (tmp_path / "run" / "model" / "weights.safetensors").read_bytes()
    all_of(folder / "store", tmp_path / "run", "--join", "noisy-or", "--partly-described", "--resume")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["recipe"]["false_alarm_loss"] == 0
    assert (tmp_path / "run" / "model" / "weights.safetensors").read_bytes() == before


def test_what_would_stop_the_classifier_is_found_before_the_detector_is_trained(folder, tmp_path):
    unlabelled = store_of(tmp_path / "unlabelled", ball_case("one"))
    with pytest.raises(UsageError, match=r"labels\.csv"):
        all_of(folder / "store", tmp_path / "run", "--classifier-data", unlabelled.folder)
    with pytest.raises(UsageError, match=r"labels\.csv"):
        all_of(folder / "store", tmp_path / "run", "--validation", unlabelled.folder)
    with pytest.raises(UsageError, match="both list"):
        all_of(folder / "store", tmp_path / "run", "--validation", folder / "store")
    write_case(tmp_path / "paper", ball_case("one"), "PAPER")
    write_case(tmp_path / "paper", ball_case("two"), "PAPER")
    write_outcomes(tmp_path / "paper", {"one": True, "two": False})
    with pytest.raises(UsageError, match=r"preset DEFAULT, those in .* of PAPER"):
        all_of(folder / "store", tmp_path / "run", "--classifier-data", tmp_path / "paper")
    for name in ("one", "two"):
        write_case(tmp_path / "not described", ball_case(name, boxes=[]), "DEFAULT")
    write_outcomes(tmp_path / "not described", {"one": True, "two": False})
    with pytest.raises(UsageError, match=r"No case in .*not described has a nodule of 6 mm or more"):
        all_of(folder / "store", tmp_path / "run", "--classifier-data", tmp_path / "not described", "--recipe", "paper")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(UsageError, match="taken"):
        all_of(folder / "store", tmp_path / "taken")
    assert not list(tmp_path.glob("*-detector"))


def test_the_outcome_is_never_guessed(folder, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run_classifier("--data", folder / "store", "--detector", folder / "run", "--out", tmp_path / "run")
    assert "--outcome" in capsys.readouterr().err


def recipe_of(*options):
    files = ("classifier", "--data", "d", "--detector", "m", "--outcome", "none")
    return _recipe(parsed(*files, *options))


def test_epochs_take_the_place_of_the_recipes_steps():
    recipe = recipe_of("--epochs", "7")
    assert (recipe.name, recipe.epochs_of(STAGES["F"]), recipe.steps) == ("CPU", 7, None)


def test_epochs_take_the_place_of_a_stages_own_too():
    options = ("--data", "d", "--detector", "m", "--out", "o", "--outcome", "synthetic", "--recipe", "grt123")
    of = [_plan(parsed("classifier", *options, "--scheme", "net4", *more)) for more in ((), ("--epochs", 1))]
    assert [plan.recipe.epochs_of(plan.stages[0]) for plan in of] == [30, 1]


@pytest.mark.parametrize("more", [(), ("--resume",)])
def test_an_out_without_a_name_is_refused(folder, more):
    with pytest.raises(UsageError, match=r"--out / names no folder that could be made|output folder / exists"):
        run_train("all", "--data", folder / "store", "--outcome", "synthetic", "--out", "/", *more)


def test_where_nodules_are_partly_described_there_are_no_false_alarms():
    assert recipe_of().false_alarm_loss > 0
    assert recipe_of("--partly-described").false_alarm_loss == 0


def test_the_miss_loss_is_an_option_of_every_recipe():
    assert recipe_of("--miss-loss", "0.5").miss_loss == 0.5
    assert recipe_of("--recipe", "grt123").miss_loss == 1
    assert recipe_of("--recipe", "grt123", "--miss-loss", "0").miss_loss == 0


@pytest.mark.parametrize("weight", ["-1", "nan", "inf", "much"])
def test_a_weight_that_is_none_is_refused(weight, capsys):
    with pytest.raises(SystemExit, match="2"):
        recipe_of("--miss-loss", weight)
    assert "--miss-loss" in capsys.readouterr().err


def test_a_detector_that_is_none_is_named(folder, tmp_path):
    with pytest.raises(ModelError, match="nowhere"):
        run_classifier("--data", folder / "store", "--detector", tmp_path / "nowhere", "--outcome", "none")
