"""The detector learns, its run can be stopped, and its model is found where it says."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from LungCancerDxLib.datasets.nodule_bank import bank_digest
from LungCancerDxLib.detection.detector import detect
from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.models.find import untrained_model
from LungCancerDxLib.models.registry import WEIGHTS_FILE, read_card
from LungCancerDxLib.preset import DEFAULT
from LungCancerDxLib.runtime.device import Compute
from LungCancerDxLib.training.detector.loss import new_detector
from LungCancerDxLib.training.detector.recipe import CPU, PAPER, READERS
from LungCancerDxLib.training.detector.train import detector_model, number_of_steps, train_detector, train_on_bank
from LungCancerDxLib.training.engine.precision import training_compute
from LungCancerDxLib.training.engine.run_folder import LOG_FILE, read_log
from Testing.training.tiny import SMALL, TINY, ball_case, insert_ball, quiet, store_of

pytestmark = pytest.mark.slow

BOX = (30.0, 28.0, 34.0, 11.0)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return store_of(tmp_path_factory.mktemp("store"), ball_case(boxes=[BOX]))


def trained(store, folder, recipe, **options):
    """In bfloat16 where the processor has instructions for it; the deepest maps of a patch have 2 x 2 x 2 voxels."""
    run = {name: options.pop(name) for name in ("resume", "progress") if name in options}
    return train_detector(store, recipe, TINY, folder, quiet(compute=training_compute("cpu"), **run), **options)


def test_it_overfits_one_patch_and_finds_its_nodule_first(tmp_path):
    box = (14.0, 17.0, 16.0, 11.0)
    store = store_of(tmp_path / "store", ball_case(boxes=[box], shape=(32, 32, 32)))
    optimizer = replace(CPU.optimizer, warm_up_steps=5, learning_rate=3e-3)
    always_whole = {"random_patches": "within the scan", "margin": 8, "flipped_axes": (), "scale": (1.0, 1.0)}
    recipe = replace(SMALL, **always_whole, batch=1, steps=50, optimizer=optimizer)
    net = trained(store, tmp_path / "run", recipe)
    losses = [float(row["loss"]) for row in read_log(tmp_path / "run" / LOG_FILE)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) / 5
    found = detect(store.case(0).scan, net, replace(TINY, list_above_logit=-20.0), Compute()).proposals
    np.testing.assert_allclose([*found.center_kji[0], found.diameter[0]], box, atol=2.5)
    assert found.logit[0] > 1 > found.logit[1]


def test_it_learns_from_nodules_inserted_into_a_background(tmp_path):
    synthetic = [replace(ball_case(name, boxes=[]), synthetic=True) for name in ("one", "two")]
    store = store_of(tmp_path / "store", ball_case(boxes=[]), *synthetic)
    recipe = replace(SMALL, steps=2, inserted_share=1.0, inserted_diameter=(8.0, 0.1))
    trained(store, tmp_path / "run", recipe, inserter=insert_ball)
    text = "detector: 1 scan and 2 synthetic patients with inserted nodules, recipe SMALL, steps 2, seed 0"
    assert read_card(tmp_path / "run" / "model").trained_on == text
    assert np.isfinite([float(row["loss"]) for row in read_log(tmp_path / "run" / LOG_FILE)]).all()


def test_it_begins_with_the_weights_of_a_model_and_says_so(store, tmp_path):
    start = untrained_model(TINY, seed=5)
    still = replace(SMALL, steps=1, optimizer=replace(CPU.optimizer, learning_rate=0.0))
    net = trained(store, tmp_path / "run", still, start=start)
    for name, weight in start.detector.named_parameters():
        assert torch.equal(weight, net.get_parameter(name)), name
    assert read_card(tmp_path / "run" / "model").trained_on.endswith("; started from untrained-default (nothing)")
    with pytest.raises(UsageError, match="other settings"):
        trained(store, tmp_path / "run", still, resume=True)


def test_it_does_not_begin_with_a_model_of_another_preset(store, tmp_path):
    with pytest.raises(UsageError, match="of preset DEFAULT, the model 'untrained-grt123' of GRT123"):
        trained(store, tmp_path / "run", SMALL, start=untrained_model(replace(TINY, name="GRT123")))
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def lungs(tmp_path_factory):
    """Two scans and a synthetic patient between them."""
    one, patient, two = (ball_case(name, boxes=[], shape=(84, 84, 84)) for name in ("one", "patient", "two"))
    return store_of(tmp_path_factory.mktemp("lungs"), one, replace(patient, synthetic=True), two)


QUICK = replace(READERS, patch=32, margin=2, batch=2, steps=1, pool=100)


def test_real_nodules_are_learned_by_a_trained_model_whose_classifier_stays(lungs, bank, tmp_path):
    start = replace(untrained_model(TINY, seed=5), outcome="synthetic", sha256="abc")
    options = quiet(compute=training_compute("cpu"))
    net = train_on_bank(lungs, bank, TINY, start, tmp_path / "run", options, recipe=QUICK, fold=1)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["bank"], config["fold"], config["start_sha256"]) == (["a-1"], 1, "abc")
    assert list(config["cases"]) == ["one", "patient"]  # "two" is the scan of the fold
    (found,) = lungs.folder.glob("proposals-*")  # whose false alarms are shown
    assert {path.stem for path in found.glob("*.npz")} == {"one", "patient"}
    assert (tmp_path / "run" / "validation.csv").read_text().count("\n") == 3
    first, last = net.preBlock[0].weight, net.back2[0].conv1.weight
    assert torch.equal(first, start.detector.preBlock[0].weight)
    assert not torch.equal(last, start.detector.back2[0].conv1.weight)
    other = replace(untrained_model(TINY, seed=6), sha256="def")
    again = replace(options, resume=True)
    with pytest.raises(UsageError, match="other settings"):
        train_on_bank(lungs, bank, TINY, start, tmp_path / "run", again, recipe=QUICK, fold=1, also_wrong=[other])
    train_on_bank(lungs, bank, TINY, start, tmp_path / "two", options, recipe=QUICK, fold=1, also_wrong=[other])
    assert json.loads((tmp_path / "two" / "config.json").read_text())["also_wrong_sha256"] == ["def"]
    assert len(list(lungs.folder.glob("proposals-*"))) == 2
    card = read_card(tmp_path / "run" / "model")
    assert (card.outcome, card.bank_folds, card.bank) == ("synthetic", (0,), bank_digest(bank))
    assert "with inserted nodules, 1 of them of LIDC-IDRI, recipe READERS" in card.trained_on


def test_false_alarms_of_a_detector_of_another_preset_are_refused(lungs, bank, tmp_path):
    foreign = replace(untrained_model(TINY), preset=replace(TINY, name="GRT123"), name="foreign")
    start, out = untrained_model(TINY), tmp_path / "run"
    with pytest.raises(UsageError, match="the model 'foreign' of GRT123"):
        train_on_bank(lungs, bank, TINY, start, out, quiet(), recipe=QUICK, also_wrong=[foreign])
    assert not out.exists()


def test_a_fold_needs_nodules_and_a_scan_of_its_own(lungs, bank, tmp_path):
    model, out = untrained_model(TINY), tmp_path / "run"
    with pytest.raises(UsageError, match=r"Fold 2 has 0 nodules, and .* has 2 scans and 1 synthetic patient;"):
        train_on_bank(lungs, bank, TINY, model, out, quiet(), recipe=QUICK, fold=2)
    alone = lungs.without({"two"})
    with pytest.raises(UsageError, match=r"Fold 1 has 1 nodules, and .* has 1 scan and 1 synthetic"):
        train_on_bank(alone, bank, TINY, model, out, quiet(), recipe=QUICK, fold=1)
    with pytest.raises(UsageError, match="learned from part 1 of the bank already"):
        train_on_bank(lungs, bank, TINY, replace(model, bank_folds=(1,)), out, quiet(), recipe=QUICK, fold=1)
    assert not out.exists()


def test_the_model_of_a_run_says_that_nothing_was_learned_of_malignancy(store, tmp_path):
    trained(store, tmp_path / "run", replace(SMALL, steps=1))
    card = read_card(tmp_path / "run" / "model")
    assert (card.name, card.preset, card.outcome) == ("run", "DEFAULT", "none")
    assert card.trained_on == "detector: 1 scan, recipe SMALL, steps 1, seed 0"


def test_the_default_model_with_one_backbone_in_half_precision_has_less_than_12_mb(tmp_path):
    from LungCancerDxLib.models.bundle import save_model

    net = new_detector(DEFAULT, CPU, 0)
    save_model(detector_model(net, DEFAULT, "default", "nothing"), tmp_path / "model", half_precision=True)
    assert (tmp_path / "model" / WEIGHTS_FILE).stat().st_size < 12e6


def test_a_new_detector_starts_near_the_recipes_logit_and_the_anchors():
    image, place = torch.full((1, 1, 32, 32, 32), -0.5), torch.zeros(1, 3, 8, 8, 8)
    with torch.inference_mode():
        output, other = (new_detector(TINY, CPU, seed).eval()(image, place) for seed in (0, 1))
    assert (output[..., 0] + 4).abs().max() < 0.5
    assert output[..., 1:].abs().max() < 0.5
    assert not torch.equal(output, other)


def test_the_papers_run_is_a_hundred_epochs(store, tmp_path):
    assert number_of_steps(store, PAPER) == int(np.ceil(100 * (1 / 0.7) / 32))
    assert number_of_steps(store, CPU) == 1680
