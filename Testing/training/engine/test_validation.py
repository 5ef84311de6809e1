"""A run that is checked on other cases: what it writes, and that its weights do not know of it."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from LungCancerDxLib.errors import Cancelled, UsageError
from LungCancerDxLib.preset import PRESETS
from LungCancerDxLib.report.plotting import pyplot
from LungCancerDxLib.training.cases.store import write_outcomes
from LungCancerDxLib.training.classifier.recipe import parse_scheme
from LungCancerDxLib.training.classifier.train import Plan, train_classifier
from LungCancerDxLib.training.detector.train import train_detector
from LungCancerDxLib.training.engine.loop import train
from LungCancerDxLib.training.engine.run_folder import CURVES_FILE, LOG_FILE, VALIDATION_FILE, draw_curves, read_log
from LungCancerDxLib.training.engine.validation import MOST_BATCHES, Validation, check_apart, mean_losses
from Testing.training.classifier_tiny import BOXES, FEATURES, FEW, SMALLEST, labelled_store, tiny_detector
from Testing.training.tiny import SMALL, TINY, ball_case, insert_ball, quiet, store_of
from Testing.training.toy import STEPS, Shifted, Toy, ToyNet, checked_run, toy_run

pytestmark = pytest.mark.slow


def checks_of(folder):
    return [(int(row["step"]), float(row["loss"])) for row in read_log(folder / VALIDATION_FILE)]


def no_autocast():
    return torch.autocast("cpu", enabled=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The task and the folder of a run that was checked."""
    torch.set_num_threads(1)
    task, folder = Toy(), tmp_path_factory.mktemp("checked") / "run"
    train(task, checked_run(folder), quiet())
    return task, folder


def test_the_weights_do_not_depend_on_the_checks(finished, tmp_path):
    """The toy has dropout, and batch norm whose statistics a batch in training mode would move."""
    alone = Toy()
    train(alone, toy_run(tmp_path / "run"), quiet())
    for name, tensor in alone.module.state_dict().items():
        assert torch.equal(tensor, finished[0].module.state_dict()[name]), name
    assert not (tmp_path / "run" / VALIDATION_FILE).exists()


def test_it_is_checked_before_the_first_step_now_and_then_and_at_the_end(finished):
    task, folder = finished
    checks = checks_of(folder)
    assert [step for step, _ in checks] == [0, 15, 30, STEPS]
    expected = {}
    for step, module in ((0, Toy().module), (STEPS, task.module)):
        module.eval()
        with torch.no_grad():
            losses = [module(Shifted().batch(n, range(4)))["loss"].item() for n in range(3)]
        expected[step] = np.mean(losses)
    assert checks[0][1] == pytest.approx(expected[0], rel=1e-4)
    assert checks[-1][1] == pytest.approx(expected[STEPS], rel=1e-4)
    assert checks[-1][1] < checks[0][1]


@pytest.mark.parametrize("stopped_after", [11, 15, 16])
def test_a_stopped_and_resumed_run_has_the_same_checks(finished, tmp_path, stopped_after):
    def stop(message, fraction):
        if fraction >= stopped_after / STEPS:
            raise Cancelled("asked")

    with pytest.raises(Cancelled):
        train(Toy(), checked_run(tmp_path / "run"), quiet(progress=stop))
    train(Toy(), checked_run(tmp_path / "run"), quiet(resume=True))
    assert checks_of(tmp_path / "run") == checks_of(finished[1])
    train(Toy(), checked_run(tmp_path / "run"), quiet(resume=True))  # nothing is left to do
    assert checks_of(tmp_path / "run") == checks_of(finished[1])


@pytest.mark.parametrize("step", [15, STEPS])
def test_a_check_can_be_stopped_and_is_made_again(finished, tmp_path, step):
    def stop(message, fraction):
        if message == "validation, batch 2 of 3" and fraction == step / STEPS:
            raise Cancelled("asked")

    with pytest.raises(Cancelled, match=f"Stopped after step {step} of {STEPS}; --resume"):
        train(Toy(), checked_run(tmp_path / "run"), quiet(progress=stop))
    assert checks_of(tmp_path / "run")[-1][0] < step
    task = Toy()
    train(task, checked_run(tmp_path / "run"), quiet(resume=True))
    assert checks_of(tmp_path / "run") == checks_of(finished[1])
    for name, tensor in task.module.state_dict().items():
        assert torch.equal(tensor, finished[0].module.state_dict()[name]), name


def test_the_curves_show_the_checks(finished, tmp_path, monkeypatch):
    plt, drawn = pyplot(), list[Any]()
    monkeypatch.setattr(plt, "close", drawn.append)
    draw_curves(finished[1])
    titles = {ax.get_title(): [line.get_label() for line in ax.get_lines()] for ax in drawn[0].axes}
    assert "validation" in titles["loss"]
    assert "validation" not in titles["learning rate"]
    assert (finished[1] / CURVES_FILE).stat().st_size > 0


def test_a_run_is_checked_on_an_epoch_but_not_on_too_much_and_not_too_often():
    checks = Validation.of(Toy(), 4, 7, 1000)
    assert (checks.items_per_batch, checks.batches, checks.every) == (4, 7, 50)
    assert Validation.of(Toy(), 4, 10**6, 1000).batches == MOST_BATCHES
    assert Validation.of(Toy(), 4, 1, 5).every == 1


def test_what_is_no_number_in_some_batches_is_left_out_there_and_the_module_trains_on():
    class Either(nn.Module):
        def forward(self, batch):
            return {"loss": batch["x"], "kind": torch.tensor(math.nan) if batch["x"] > 2 else batch["x"]}

    module = Either().train()
    batches = ({"x": torch.tensor(x)} for x in (1.0, 2.0, 6.0))
    means = mean_losses(module, batches, no_autocast())
    assert {name: float(value) for name, value in means.items()} == {"loss": 3.0, "kind": 1.5}
    assert module.training


def test_a_module_trains_on_where_a_check_fails():
    module = ToyNet().train()
    with pytest.raises(KeyError):
        mean_losses(module, iter([{}]), no_autocast())
    assert module.training


# ---------------------------------------------------------------------- the networks


@pytest.fixture
def stores(tmp_path, monkeypatch):
    """Cases to learn from, and two others."""
    monkeypatch.setitem(PRESETS, "DEFAULT", SMALLEST)
    others = store_of(tmp_path / "others", *(ball_case(f"other-{n}", BOXES[n]) for n in range(2)))
    write_outcomes(others.folder, {"other-0": True, "other-1": False})
    return labelled_store(tmp_path / "store"), others


def test_a_detector_is_checked_on_other_cases(stores, tmp_path):
    store, others = stores
    recipe = replace(SMALL, steps=2, batch=1)
    nets = []
    for validation in (None, others):
        folder = tmp_path / f"run-{validation is None}"
        nets.append(train_detector(store, recipe, TINY, folder, quiet(), validation=validation).state_dict())
    assert all(torch.equal(tensor, nets[1][name]) for name, tensor in nets[0].items())
    checks, log = (read_log(tmp_path / "run-False" / name) for name in (VALIDATION_FILE, LOG_FILE))
    assert [row["step"] for row in checks] == ["0", "1", "2"]
    assert {"loss", "classification", "regression", "found", "rejected"} <= checks[0].keys() < log[0].keys()


def test_a_detector_that_learns_from_inserted_nodules_is_checked_on_backgrounds(tmp_path):
    store, others = (store_of(tmp_path / name, ball_case(name, boxes=[])) for name in ("store", "others"))
    recipe = replace(SMALL, steps=1, batch=1, inserted_share=1.0, inserted_diameter=(8.0, 0.1))
    train_detector(store, recipe, TINY, tmp_path / "run", quiet(), inserter=insert_ball, validation=others)
    checks = read_log(tmp_path / "run" / VALIDATION_FILE)
    assert [row["step"] for row in checks] == ["0", "1"]
    assert all(0 < float(row["loss"]) < np.inf for row in checks)


@pytest.mark.parametrize("scheme", ["F->A", "E"])
def test_every_stage_of_a_classifier_is_checked_on_other_cases(stores, tmp_path, scheme):
    store, others = stores
    plan = Plan(replace(FEATURES, batch=2, steps=2, detector=FEW.detector), parse_scheme(scheme), "synthetic")
    models = []
    for validation in (None, others):
        folder, from_truth = tmp_path / f"run-{validation is None}", replace(plan, proposals="truth", seed=1)
        models.append(train_classifier(store, tiny_detector(), from_truth, folder, quiet(), validation=validation))
    without, checked = (model.classifier.state_dict() for model in models)
    assert all(torch.equal(tensor, checked[name]) for name, tensor in without.items())
    for n, stage in enumerate(scheme.split("->"), start=1):
        rows = read_log(tmp_path / "run-False" / f"{n}-{stage}" / VALIDATION_FILE)
        assert [row["step"] for row in rows] == ["0", "1", "2"]
        values = [float(row["cross_entropy"]) for row in rows]
        assert np.isfinite(values).all()
        assert len(set(values)) == 3  # the weights moved


def test_others_of_another_preset_or_learned_from_are_refused(stores, tmp_path):
    store, others = stores
    with pytest.raises(UsageError, match=r"both list case-0, case-1, case-2: what is learned from shows nothing"):
        check_apart(store, store)
    others.preset = "GRT123"
    with pytest.raises(UsageError, match=r"of preset DEFAULT, those for the validation in .*others of GRT123"):
        train_detector(store, SMALL, TINY, tmp_path / "run", quiet(), validation=others)
    plan = Plan(FEATURES, parse_scheme("F"), "synthetic", proposals="truth")
    with pytest.raises(UsageError, match="both list"):
        train_classifier(store, tiny_detector(), plan, tmp_path / "run", quiet(), validation=store)
    assert not (tmp_path / "run").exists()
