"""Recipe readers learns from crops that are put together alike for a seed, and holds out what it is checked on."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from LungCancerDxLib.classification.classifier import classify_nodules, mirrored_crop
from LungCancerDxLib.datasets.nodule_bank import bank_digest
from LungCancerDxLib.detection.proposals import Proposals
from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.io.tables import read_table
from LungCancerDxLib.models.bundle import load_model
from LungCancerDxLib.models.find import segmenter_of, untrained_model
from LungCancerDxLib.preset import PRESETS
from LungCancerDxLib.runtime.device import Compute, choose_compute
from LungCancerDxLib.training.cases.store import CaseStore, write_case
from LungCancerDxLib.training.classifier import readers
from LungCancerDxLib.training.classifier.held_out import held_out
from LungCancerDxLib.training.classifier.held_out_scores import write_scores
from LungCancerDxLib.training.classifier.rated_crops import (
    NO_NODULE,
    Background,
    CropAugmentation,
    RatedCrops,
    resampled,
    target_of,
    traits_of,
    without_nodule,
)
from LungCancerDxLib.training.classifier.rated_network import RatedNodules, measured, suspicions
from LungCancerDxLib.training.classifier.readers import READERS, Stage, train_readers
from LungCancerDxLib.training.engine.loop import RunOptions
from Testing.segmentation.stand_in import ThresholdNet
from Testing.training.tiny import TINY, ball_case, quiet

PRESET = replace(TINY, crop_size=32, shifted_crops=False)
ONLY = {"nodule": (1, 0, 0, 0, 0), "cube": (0, 1, 0, 0, 0), "synthetic": (0, 0, 1, 0, 0), "alarm": (0, 0, 0, 1, 0)}
PLAIN = CropAugmentation((1.0, 1.0), 0.0, 0.0, 0.0, 0.0, resampled_share=0.0, grey_offset=0, contrast=0, noise_grey=0)


@pytest.fixture(scope="module")
def case():
    return ball_case("lung", boxes=(), shape=(84, 84, 84))


@pytest.fixture(scope="module")
def background(case):
    return Background.of(case, np.array([[60.0, 60, 60]]), PRESET)


def crops(background, bank, shares, augmentation=READERS.augmentation):
    return RatedCrops([background], bank, shares, augmentation, PRESET, seed=0)


@pytest.mark.parametrize("kind", ONLY)
def test_a_crop_is_a_pure_function_of_seed_step_and_number(background, bank, kind):
    one, again = (crops(background, bank, ONLY[kind]).item(3, 1) for _ in range(2))
    np.testing.assert_array_equal(one.image, again.image)
    assert one.image.shape == (32, 32, 32)
    assert one.location.shape == (3, 8, 8, 8)
    assert 0 < one.target < 1
    assert not np.array_equal(one.image, crops(background, bank, ONLY[kind]).item(4, 1).image)


def test_a_nodule_is_in_the_middle_of_its_crop_and_its_rating_is_the_target(background, bank):
    for number in range(4):
        item = crops(background, bank[:1], ONLY["nodule"], augmentation=PLAIN).item(0, number)
        assert item.image[14:18, 14:18, 14:18].mean() > 130
        assert item.target == pytest.approx(0.2)


def test_a_larger_nodule_is_more_suspicious():
    assert target_of(4, 1.25) > target_of(4) > target_of(4, 0.8) > target_of(3, 0.8)
    assert [round(target_of(rating), 2) for rating in (1, 2, 3, 4, 5)] == [0.03, 0.2, 0.5, 0.8, 0.97]


def test_proposals_near_known_lesions_are_no_false_alarms(case):
    regions = np.array([[60.0, 60, 60, 10]])
    centers = np.array([[60.0, 60, 65], [60, 60, 75]])
    found = Background.of(replace(case, exclusion_regions=regions), centers, PRESET).false_alarms
    np.testing.assert_array_equal(found, centers[1:])


def test_nothing_is_learned_at_a_scans_own_nodules(case):
    own = replace(case, nodules=np.array([[60.0, 60, 60, 10]]))
    found = Background.of(own, np.array([[60.0, 60, 65], [60, 60, 75]]), PRESET)
    np.testing.assert_array_equal(found.false_alarms, [[60, 60, 75]])
    assert len(found.case.exclusion_regions) == 1


def test_so_many_crops_are_of_real_scans(background, bank):
    scan = background.case.scan
    darker = replace(background.case, scan=replace(scan, image=scan.image // 2), synthetic=True)
    both, means = [background, background._replace(case=darker)], {}
    for share in (0.0, 0.5, 1.0):
        items = RatedCrops(both, bank, ONLY["alarm"], PLAIN, PRESET, 0, real_background_share=share)
        means[share] = {round(float(items.item(0, number).image.mean())) for number in range(20)}
    assert means[0.0] | means[1.0] == means[0.5]
    assert len(means[0.5]) == 2


def test_steps_are_shared_out_among_the_stages():
    shorter = READERS.of_steps(READERS.steps // 10)
    assert [stage.steps * 10 for stage in shorter.stages] == [stage.steps for stage in READERS.stages]
    assert [stage.steps for stage in READERS.of_steps(1).stages] == [1, 1]


def test_voxels_of_the_same_size_change_nothing_and_others_smooth():
    image = np.random.default_rng(0).integers(0, 160, (16, 16, 16)).astype(np.uint8)
    np.testing.assert_array_equal(resampled(image, (1, 1, 1), (0, 0, 0), 170), image)
    assert resampled(image, (1.5, 1.2, 1.2), (0.3, 0.4, 0.1), 170).std() < 0.8 * image.std()


def test_batch_norms_full_resolution_the_detectors_head_and_the_leak_stay(background, bank):
    module = RatedNodules(untrained_model(PRESET).classifier, PRESET).train()
    batch = crops(background, bank, ONLY["nodule"]).batch(0, range(2))
    before = module.net.NoduleNet.preBlock[1].running_mean.clone()
    module(batch)["loss"].backward()
    torch.testing.assert_close(module.net.NoduleNet.preBlock[1].running_mean, before)
    assert module.net.NoduleNet.forw1[0].conv1.weight.grad.abs().sum() > 0
    assert module.net.NoduleNet.preBlock[0].weight.grad is None
    assert module.net.NoduleNet.output[0].weight.grad is None
    assert module.net.baseline.grad is None


def test_what_the_readers_said_beside_is_known_of_real_nodules_only(background, bank):
    real, none = (crops(background, bank, ONLY[kind]).batch(0, range(4)) for kind in ("nodule", "alarm"))
    assert (real["traits"].isfinite().all(dim=1) == (real["target"] > NO_NODULE)).all()  # some find no place
    assert real["traits"].isfinite().any()
    assert none["traits"].isnan().all()
    small, large = (traits_of(bank[0], scale)[-1] for scale in (0.8, 1.25))
    assert large - small == pytest.approx(np.log(1.25 / 0.8))
    module = RatedNodules(untrained_model(PRESET).classifier, PRESET).train()
    assert module(none)["traits"] == 0
    losses = module(real)
    losses["loss"].backward()
    assert losses["traits"] > 0
    assert module.traits.weight.grad.abs().sum() > 0


def test_a_check_scores_nodules_as_at_test_time_and_their_mirror_images_alike(background, bank):
    module = RatedNodules(untrained_model(PRESET).classifier, PRESET).eval()
    rows = [crops(background, bank, ONLY["nodule"]).item(0, number) for number in range(3)]
    mirrored = [
        row._replace(image=image, location=location) for row in rows for image, location in [mirrored_crop(*row[:2])]
    ]
    np.testing.assert_allclose(suspicions(module, rows, 2), suspicions(module, mirrored, 2), atol=1e-6)
    centers = np.array([[20.0, 20.0, 20.0], [24.0, 18.0, 22.0]])
    alone = [without_nodule(background, center, PRESET) for center in centers]
    expected = classify_nodules(background.case.scan, centers, module.net, PRESET, Compute()).malignancy
    np.testing.assert_allclose(suspicions(module, alone, 2), expected, rtol=0.01)  # there kernels are rounded


@pytest.mark.slow
def test_a_check_compares_with_the_diameter_on_the_same_nodules(background, bank):
    module = RatedNodules(untrained_model(PRESET).classifier, PRESET)
    numbers = measured(module, held_out(background, bank[:2], PRESET, seed=0), 2)
    assert numbers["auc_diameter"] == 1
    assert 0 <= numbers["auc"] <= 1
    assert numbers["sd_resampled"] >= 0


@pytest.mark.slow
def test_what_is_held_out_is_outlined_where_it_lies(background, bank, tmp_path):
    module = RatedNodules(untrained_model(PRESET).classifier, PRESET)
    others, path = held_out(background, bank[:1], PRESET, 0, 0), tmp_path / "held-out.csv"
    write_scores(path, module.eval(), others, 2, ThresholdNet())
    table = read_table(path)
    assert table.texts("id") == [bank[0].id, "lung-0"]
    outlined, alarm = table.numbers("outlined_mm", empty_allowed=True)
    assert outlined == pytest.approx(bank[0].diameter_mm, rel=0.3)
    assert np.isnan(alarm)  # plain lung
    assert table.numbers("calcified").tolist() == [0, 0]
    assert np.array_equal(table.numbers("network_suspicion"), table.numbers("suspicion"))
    write_scores(path, module, others, 2, None)
    assert not read_table(path).has("outlined_mm")


@pytest.mark.slow
def test_a_run_holds_out_fold_and_background_and_leaves_a_model(tmp_path, case, bank, monkeypatch):
    for name in ("one", "two"):
        write_case(tmp_path / "cases", replace(case, name=name), "DEFAULT")
    store = CaseStore(tmp_path / "cases")
    alarm = Proposals.from_rows(np.array([[1.0, 60, 60, 60, 8]]))
    monkeypatch.setattr(readers, "find_proposals", lambda *_: [alarm, alarm])
    monkeypatch.setitem(PRESETS, "DEFAULT", PRESET)  # so that the small model can be read again
    shares, optimizer = READERS.stages[0].shares, READERS.stages[0].optimizer
    stages = (Stage(32, 1, optimizer, shares), Stage(36, 2, optimizer, shares))
    own = segmenter_of(untrained_model(PRESET))
    assert own is not None
    start = replace(untrained_model(PRESET), segmenter=replace(own, trained_on="elsewhere"))
    recipe = replace(READERS, stages=stages, batch=2, check_every=1)
    options = quiet(choose_compute("cpu", "fp32"))
    train_readers(store, bank, start, tmp_path / "run", options, recipe=recipe, fold=0)
    config = json.loads((tmp_path / "run" / "crops-36" / "config.json").read_text())
    assert (list(config["backgrounds"]), config["nodules"], config["fold"]) == (["two"], ["a-2", "c"], 0)
    for folder, checks in (("crops-32", 2), ("crops-36", 3)):
        assert (tmp_path / "run" / folder / "validation.csv").read_text().count("\n") == 1 + checks
    rows = (tmp_path / "run" / "held-out.csv").read_text().splitlines()
    assert rows[0] == "id,patient,malignancy,diameter_mm,suspicion,network_suspicion,outlined_mm,calcified"
    assert rows[1].startswith("a-1,P-1,2,")
    assert rows[-1].startswith("one-0,one,0,")
    model = load_model(tmp_path / "run" / "model")
    assert (model.outcome, model.bank_folds, model.learned_from) == ("readers", (1,), "nodules")
    assert model.bank == bank_digest(bank)
    assert model.segmenter.trained_on == "elsewhere"
    with pytest.raises(UsageError, match="Fold 4 has 0 nodules"):
        train_readers(store, bank, start, tmp_path / "other", options, recipe=recipe, fold=4)
    again = replace(options, resume=True)
    train_readers(store, bank, start, tmp_path / "run", again, recipe=recipe, fold=0)  # nothing left to do
    assert load_model(tmp_path / "run" / "model").sha256 == model.sha256


def test_a_folder_that_holds_another_run_is_refused_before_any_work(tmp_path, case, bank, monkeypatch):
    write_case(tmp_path / "cases", case, "DEFAULT")
    store, start = CaseStore(tmp_path / "cases"), untrained_model()
    monkeypatch.setattr(readers, "find_proposals", lambda *_: pytest.fail("work was begun"))
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "run" / "model" / "model.json").touch()
    with pytest.raises(UsageError, match="exists and is not empty"):
        train_readers(store, bank, start, tmp_path / "run", RunOptions())
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["model"]


@pytest.mark.slow
def test_a_fold_is_not_held_out_from_a_model_that_has_learned_from_it(tmp_path, case, bank):
    write_case(tmp_path, replace(case, name="a"), "DEFAULT")
    write_case(tmp_path, replace(case, name="b"), "DEFAULT")
    start = replace(untrained_model(), bank_folds=(0, 3))
    with pytest.raises(UsageError, match=r"learned from part 0 of the bank already \(and in all from 0, 3\)"):
        train_readers(CaseStore(tmp_path), bank, start, tmp_path / "run", RunOptions(), fold=0)
    assert not (tmp_path / "run").exists()


def test_scans_for_tests_are_refused(tmp_path, case, bank):
    write_case(tmp_path, replace(case, name="LIDC-IDRI-0001"), "DEFAULT")
    with pytest.raises(UsageError, match=r"LIDC-IDRI-0001.* for tests only"):
        train_readers(CaseStore(tmp_path), bank, untrained_model(), tmp_path / "run", RunOptions())
