"""Whole trainings of the classifier: schemes, stages that follow each other, stopping, the model in the end."""

import json
from dataclasses import replace

import pytest
import torch

from LungCancerDxLib.errors import Cancelled, UsageError
from LungCancerDxLib.models.bundle import load_model
from LungCancerDxLib.preset import GRT123, PRESETS
from LungCancerDxLib.training.classifier.network import new_classifier
from LungCancerDxLib.training.classifier.recipe import (
    CLASSIFIER_RECIPES,
    STAGES,
    UNCHANGED,
    augmentation_of,
    optimizer_of,
    parse_scheme,
)
from LungCancerDxLib.training.classifier.recipe import GRT123 as PUBLISHED
from LungCancerDxLib.training.classifier.train import Plan, train_classifier
from LungCancerDxLib.training.engine.distributed import Ranks
from LungCancerDxLib.training.engine.optimizer import OptimizerConfig
from LungCancerDxLib.training.engine.run_folder import LOG_FILE, read_log
from Testing.training.classifier_tiny import FEATURES, FEW, SMALLEST, labelled_store, tiny_detector
from Testing.training.tiny import quiet

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setitem(PRESETS, "DEFAULT", SMALLEST)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return labelled_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def detector():
    return tiny_detector()


def trained(store, detector, out, scheme="A", recipe=FEW, **options):
    plan = Plan(recipe, parse_scheme(scheme), "synthetic", proposals="truth", seed=1)
    return train_classifier(store, detector, plan, out, quiet(**options))


def state(model):
    return model.classifier.state_dict()


def backbone_is_shared(model):
    own = model.detector.state_dict()
    return all(torch.equal(own[name], value) for name, value in model.classifier.NoduleNet.state_dict().items())


# ---------------------------------------------------------------------- schemes


def test_the_stages_are_those_of_table_one():
    marks = {s: (g.augmentation, g.clipped, g.alternate, g.frozen_norms) for s, g in STAGES.items()}
    assert marks["C-Net"] == ("none", False, False, False)
    assert marks["A"] == ("all", False, False, False)
    assert marks["B"] == ("all", True, False, False)
    assert marks["C"] == ("all", False, True, False)
    assert marks["D"] == ("all", True, True, False)
    assert marks["E"] == ("all", True, True, True)


def test_a_scheme_is_read_with_or_without_spaces_and_a_wrong_stage_is_named():
    assert [stage.name for stage in parse_scheme("A -> B→E")] == ["A", "B", "E"]
    with pytest.raises(UsageError, match="'A->X' has a stage 'X'; expected one or more of C-Net, A, B"):
        parse_scheme("A->X")
    for recipe in CLASSIFIER_RECIPES.values():
        assert parse_scheme(recipe.scheme)


def test_a_stage_without_augmentation_changes_nothing_and_one_of_flips_only_flips():
    assert augmentation_of(STAGES["C-Net"], FEW) == UNCHANGED
    flips = augmentation_of(STAGES["net3"], PUBLISHED)
    assert flips == replace(UNCHANGED, flipped_axes=(0, 1, 2), turned_location=True)
    assert augmentation_of(STAGES["net4"], PUBLISHED) == PUBLISHED.augmentation


def test_the_published_rates_are_those_of_its_epochs():
    third, fourth = (optimizer_of(STAGES[name], PUBLISHED, n) for n, name in enumerate(("net3", "net4")))
    rates = [third.rate(epoch - 30, 100) for epoch in (30, 49, 50, 99, 100, 129)]
    assert rates == pytest.approx([1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-4])
    assert [fourth.rate(epoch - 130, 30) for epoch in (130, 139, 140, 159)] == pytest.approx([1e-4, 1e-4, 1e-5, 1e-5])
    assert third.clip_norm is fourth.clip_norm is None


def test_later_stages_start_at_a_lower_rate_and_clipping_is_at_norm_one():
    first, second = (optimizer_of(stage, FEW, n) for n, stage in enumerate(parse_scheme("A->B")))
    assert second.learning_rate == pytest.approx(first.learning_rate / 10)
    assert (first.clip_norm, second.clip_norm) == (None, 1.0)


# ---------------------------------------------------------------------- trainings


def test_the_papers_scheme_runs_stage_by_stage_to_a_model_with_one_backbone(store, detector, tmp_path):
    model = trained(store, detector, tmp_path / "run", "A->B->E", replace(FEW, steps=None, epochs=1))
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"config.json", "1-A", "2-B", "3-E", "model"}
    rows = [read_log(tmp_path / "run" / name / LOG_FILE) for name in ("1-A", "2-B", "3-E")]
    assert [len(stage) for stage in rows] == [2, 2, 3 + 2]  # 3 cases in batches of 2; 4 nodules / .7 in batches of 2
    assert [row["cross_entropy"] == "nan" for row in rows[2]] == [True] * 3 + [False] * 2
    assert backbone_is_shared(model)
    kept = load_model(tmp_path / "run" / "model")
    assert (kept.outcome, kept.join, kept.preset.name) == ("synthetic", "leaky-noisy-or", "DEFAULT")
    assert "classifier: 3 scans, scheme A->B->E, recipe FEW" in kept.trained_on
    assert "not by a detector" in kept.trained_on
    assert not any(parameter.requires_grad is False for parameter in model.classifier.parameters())


def test_a_stage_begins_with_the_weights_of_the_one_before_and_frozen_statistics_stay(store, detector, tmp_path):
    recipe = replace(FEW, steps=None, epochs=1)
    first = trained(store, detector, tmp_path / "a", "A", recipe)
    both = trained(store, detector, tmp_path / "ae", "A->E", recipe)
    last = torch.load(tmp_path / "ae" / "1-A" / "checkpoint.pt")["module"]
    for name, tensor in state(first).items():
        assert torch.equal(tensor, last[f"net.{name}"]), name
        if "running" in name:
            assert torch.equal(tensor, state(both)[name]), name
    assert not torch.equal(state(first)["fc1.weight"], state(both)["fc1.weight"])


@pytest.mark.parametrize("scheme", ["A->C", "F->A"])
def test_a_stopped_and_resumed_training_gives_the_same_weights(store, detector, tmp_path, scheme):
    recipe = replace(FEATURES, batch=2, steps=2, detector=FEW.detector)
    whole = state(trained(store, detector, tmp_path / "whole", scheme, recipe))

    def run(**options):
        return trained(store, detector, tmp_path / "parts", scheme, recipe, **options)

    for at in (0.45, 0.8):  # in the first stage, in the second

        def stop(message, fraction, at=at):
            if fraction >= at and "step" in message:
                raise Cancelled("asked")

        with pytest.raises(Cancelled):
            run(progress=stop, resume=at > 0.45)
    for name, tensor in state(run(resume=True)).items():
        assert torch.equal(tensor, whole[name]), name


def test_on_cached_features_the_backbone_stays_and_the_model_shares_it(store, detector, tmp_path):
    model = trained(store, detector, tmp_path / "run", "F", FEATURES)
    for name, tensor in detector.detector.state_dict().items():
        assert torch.equal(tensor, model.classifier.NoduleNet.state_dict()[name]), name
    assert backbone_is_shared(load_model(tmp_path / "run" / "model"))
    assert "baseline" in state(model)  # a plain number again
    assert model.classifier.baseline.item() != SMALLEST.initial_leak_logit


def test_where_only_the_classifier_moved_the_backbone_the_detector_keeps_its_own(store, detector, tmp_path):
    model = trained(store, detector, tmp_path / "run", "A")
    assert not backbone_is_shared(model)
    for name, tensor in detector.detector.state_dict().items():
        assert torch.equal(tensor, model.detector.state_dict()[name]), name


def test_a_clipped_step_is_as_long_as_the_learning_rate_and_another_is_longer(store, detector, tmp_path):
    recipe = replace(FEATURES, steps=1, optimizer=OptimizerConfig("sgd", 0.5, 0.0), leak_rate=1.0, initial_logit=8.0)
    start = new_classifier(detector.detector, SMALLEST, "leaky-noisy-or", recipe, 0).state_dict()
    lengths = {}
    for clipped in (True, False):
        plan = Plan(recipe, (replace(STAGES["F"], clipped=clipped),), "none", proposals="truth")
        out = tmp_path / f"clipped-{clipped}"
        train_classifier(store, detector, plan, out, quiet())
        moved = torch.load(out / "1-F" / "checkpoint.pt")["module"]
        squares = [((moved[f"net.{name}"] - start[name]) ** 2).sum().item() for name in start if "Nodule" not in name]
        lengths[clipped] = sum(squares) ** 0.5
    assert lengths[True] == pytest.approx(0.5, rel=1e-3)
    assert lengths[False] > 1


# ---------------------------------------------------------------------- what will not do


def test_a_run_is_not_resumed_with_another_scheme_and_a_folder_in_use_is_left_alone(store, detector, tmp_path):
    trained(store, detector, tmp_path / "run", "F", FEATURES)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["scheme"] == "F"
    with pytest.raises(UsageError, match="scheme: F before, F->F now"):
        trained(store, detector, tmp_path / "run", "F->F", FEATURES, resume=True)
    with pytest.raises(UsageError, match="not empty"):
        trained(store, detector, tmp_path / "run", "F", FEATURES)


def test_cases_and_detector_must_be_of_one_preset(store, tmp_path):
    other = tiny_detector(replace(SMALLEST, name="GRT123"))
    with pytest.raises(UsageError, match="preset DEFAULT, the model 'untrained-grt123' of GRT123"):
        trained(store, other, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("cases", "patches"), [(3, 2), (2, 3)])
def test_processes_share_cases_and_patches_evenly(store, detector, tmp_path, cases, patches):
    recipe = replace(FEW, batch=cases, detector=replace(FEW.detector, batch=patches))
    with pytest.raises(UsageError, match="a batch of 3 cannot be shared out evenly among 2 processes"):
        trained(store, detector, tmp_path / "run", "A->E", recipe, ranks=Ranks(0, 2, 0))
    assert not (tmp_path / "run").exists()


def test_the_code_of_2017_keeps_the_detector_of_its_first_stage(tmp_path):
    """Its two networks see different inputs at test time."""
    small = {"crop_size": 16, "scored_nodules": 2, "units_per_block": (1, 1, 1, 1), "units_per_back_block": 1}
    preset = replace(GRT123, name="DEFAULT", **small)
    detector = tiny_detector(preset)
    store = labelled_store(tmp_path / "store")
    recipe = replace(PUBLISHED, batch=2, steps=2, detector=replace(PUBLISHED.detector, patch=32, batch=1, margin=4))
    plan = Plan(recipe, parse_scheme("net4"), "synthetic", proposals="truth")
    PRESETS["DEFAULT"] = preset
    model = train_classifier(store, detector, plan, tmp_path / "run", quiet())
    assert model.detector is detector.detector
    assert not backbone_is_shared(model)
    assert model.classifier.leak.item() < 1e-10  # a leak of e-30 learns nothing


def test_a_model_says_what_its_own_networks_learned_from_and_nothing_of_the_classifier_it_replaces(
    store, detector, tmp_path
):
    said = "suspicion of outlined nodules fitted to 147 nodules; classifier: ratings; detector: real nodules; scans"
    model = trained(store, replace(detector, trained_on=said), tmp_path / "run", "F")
    assert model.trained_on.startswith("classifier: 3 scans, scheme F")
    assert model.trained_on.endswith("; detector: real nodules; scans")
    assert "ratings" not in model.trained_on
    assert "fitted" not in model.trained_on
