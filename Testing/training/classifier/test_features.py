"""Training on cached features: the first crop's are those of inference, all are kept, and enough for the true leak."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from LungCancerDxLib.classification.classifier import classify_blank, classify_nodules
from LungCancerDxLib.errors import Cancelled
from LungCancerDxLib.networks.nnet import FEATURE_CHANNELS
from LungCancerDxLib.runtime.device import Compute
from LungCancerDxLib.training.classifier.features import CaseFeatures, FeatureTask, cached_features
from LungCancerDxLib.training.classifier.network import leak_in_units, new_classifier
from LungCancerDxLib.training.engine.loop import Run, train
from LungCancerDxLib.training.engine.optimizer import OptimizerConfig
from Testing.training.classifier_tiny import FEATURES, SMALLEST, known_cases, labelled_store, tiny_detector
from Testing.training.tiny import quiet

LEAK, PLACES = 0.12, 4


@pytest.fixture(scope="module")
def detector():
    return tiny_detector().detector


def features_of(cases, detector, source="abc", **options):
    return cached_features(cases, detector, source, FEATURES, FEATURES.augmentation, SMALLEST, Compute(), 1, **options)


@pytest.mark.slow
def test_the_first_crops_features_are_those_of_inference_and_the_others_are_augmented(tmp_path, detector):
    cases = known_cases(labelled_store(tmp_path))
    found, blank = features_of(cases, detector)
    net = new_classifier(detector, SMALLEST, "max-p", FEATURES, 0).eval()
    alone = replace(SMALLEST, shifted_crops=False, mirrored_crops=False)
    for number, case in enumerate(found):
        centers = cases.proposals[number].center_kji
        expected = classify_nodules(cases.store.case(number).scan, centers, net, alone, Compute()).features
        np.testing.assert_allclose(case.features[:, 0], expected, rtol=1e-5, atol=1e-5)
        for crop in range(1, FEATURES.cached_crops):
            assert not np.allclose(case.features[:, crop], expected, rtol=1e-5, atol=1e-5)
        assert case.nodule.tolist() == [True] * (len(centers) - 1) + [False]
    np.testing.assert_allclose(blank, classify_blank(net, SMALLEST, Compute()).features[0], rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_features_are_computed_once_for_each_source_and_a_stopped_run_goes_on(tmp_path, detector):
    cases = known_cases(labelled_store(tmp_path))

    def stop(message, fraction):
        if fraction > 0.4:
            raise Cancelled("asked")

    with pytest.raises(Cancelled):
        features_of(cases, detector, progress=stop)
    (folder,) = tmp_path.glob("features-*")
    first = folder / "case-0.npz"
    assert list(folder.iterdir()) == [first]
    written = first.stat().st_mtime_ns
    found, _ = features_of(cases, detector)
    assert first.stat().st_mtime_ns == written
    again, _ = features_of(cases, blind_network())
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one.features, other.features)
    features_of(cases, detector, source="other")
    assert len(list(tmp_path.glob("features-*"))) == 2


def blind_network():
    """A network whose features would be others, were they computed."""
    other = tiny_detector().detector
    torch.nn.init.zeros_(other.preBlock[0].weight)
    return other


def simulated_cases(rng, count):
    """Features whose first entries say how malignant a nodule is, labels by a leaky noisy-or, Bayes probabilities."""
    direction = np.array([1.5, -1.0, 0.8, 0.6])
    cases, labels, bayes = [], [], []
    for number in rng.integers(0, PLACES, count, endpoint=True):
        shown = rng.standard_normal((number, len(direction)))
        logits = 2.0 * shown @ direction - 2.5
        features = np.full((number, 1, FEATURE_CHANNELS), 4.0, dtype=np.float32)
        features[:, 0, : len(direction)] += shown
        probability = 1 - (1 - LEAK) * np.prod(1 / (1 + np.exp(logits)))
        cases.append(CaseFeatures(features, rng.standard_normal(number), np.zeros(number, dtype=bool)))
        labels.append(rng.random() < probability)
        bayes.append(probability)
    return cases, np.array(labels), np.array(bayes)


def log_loss(labels, probabilities):
    probabilities = np.clip(probabilities, 1e-12, 1 - 1e-12)
    return -np.mean(np.where(labels, np.log(probabilities), np.log1p(-probabilities)))


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A network trained on simulated features."""
    torch.set_num_threads(1)
    preset = replace(SMALLEST, scored_nodules=PLACES, blanks_scored=False)
    recipe = replace(FEATURES, batch=128, optimizer=OptimizerConfig("adamw", 5e-3, 0.05, cosine=True))
    cases, labels, _ = simulated_cases(np.random.default_rng(0), 4000)
    net = new_classifier(tiny_detector().detector, preset, "leaky-noisy-or", recipe, 0)
    before = {name: tensor.clone() for name, tensor in net.NoduleNet.state_dict().items()}
    run = Run(tmp_path_factory.mktemp("run") / "run", {}, recipe.optimizer, 300, 0)
    with leak_in_units(net, recipe.leak_rate):
        task = FeatureTask(net, cases, labels, None, recipe, preset, 0)
        train(task, run, quiet())
        task.finish()
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.NoduleNet.state_dict().items())
    return net.eval()


@pytest.mark.slow
def test_the_learned_leak_is_near_the_true_one(learned):
    assert LEAK / 1.5 < learned.leak.item() < LEAK * 1.5


@pytest.mark.slow
def test_the_output_is_calibrated_nearly_as_well_as_can_be(learned):
    cases, labels, bayes = simulated_cases(np.random.default_rng(1), 6000)
    features = np.zeros((len(cases), PLACES, FEATURE_CHANNELS), dtype=np.float32)
    counted = np.zeros((len(cases), PLACES), dtype=bool)
    for n, case in enumerate(cases):
        features[n, : len(case.features)] = case.features[:, 0]
        counted[n, : len(case.features)] = True
    with torch.inference_mode():
        probability = learned.score(torch.from_numpy(features), torch.from_numpy(counted)).probability.double().numpy()
    assert log_loss(labels, probability) < log_loss(labels, bayes) + 0.02
    assert (
        log_loss(labels, bayes) < log_loss(labels, np.full(len(labels), labels.mean())) - 0.1
    )  # there is much to learn
    assert probability.mean() == pytest.approx(labels.mean(), abs=0.03)


@pytest.mark.parametrize("fresh", [True, False])
def test_the_last_layers_learn_on_standard_features_and_end_on_the_features_as_they_are(detector, fresh):
    rng = np.random.default_rng(0)
    raw = (50 + 3 * rng.standard_normal((40, 1, FEATURE_CHANNELS))).astype(np.float32)
    raw[..., 7] = 2.0  # a feature that is always the same
    case = CaseFeatures(raw, np.zeros(40), np.zeros(40, dtype=bool))
    net = new_classifier(detector, SMALLEST, "leaky-noisy-or", FEATURES, 0)
    first, counted = torch.from_numpy(raw[None, :, 0]), torch.ones(1, 40, dtype=torch.bool)
    before = net.score(first, counted).malignancy
    task = FeatureTask(net, [case, case], np.array([True, False]), None, FEATURES, SMALLEST, 0, fresh=fresh)
    shown = torch.cat([task.items.batch(step, range(4))["features"].flatten(0, 1) for step in range(40)])
    assert shown.mean(dim=0).abs().max() < 0.5
    assert (shown.std(dim=0) - 1).abs().median() < 0.2
    assert torch.isfinite(shown).all()
    standard = torch.from_numpy(task._standard(raw)[None, :, 0])
    learned = net.score(standard, counted).malignancy
    task.finish()
    after = net.score(first, counted).malignancy
    torch.testing.assert_close(after, learned, rtol=1e-3, atol=1e-4)
    assert torch.allclose(after, before, rtol=1e-3, atol=1e-4) != fresh


@pytest.mark.parametrize("blank", [None, np.ones(FEATURE_CHANNELS, np.float32)])
def test_a_batch_holds_drawn_crops_of_drawn_proposals_and_blanks(detector, blank):
    features = np.arange(3)[:, None, None] * 10 + np.arange(2)[:, None] + np.zeros((3, 2, FEATURE_CHANNELS))
    case = CaseFeatures(features.astype(np.float32), np.zeros(3), np.array([True, False, False]))
    preset = replace(SMALLEST, scored_nodules=2, blanks_scored=blank is not None)
    lone = CaseFeatures(case.features[:1], case.logits[:1], case.nodule[:1])
    net = new_classifier(detector, preset, "leaky-noisy-or", FEATURES, 0)
    task = FeatureTask(net, [case, lone], np.array([True, False]), blank, FEATURES, preset, 0)
    drawn = set()
    mean, spread = task._mean[0], task._spread[0]
    for step in range(40):
        batch = task.items.batch(step, range(4))
        rows = (batch[name] for name in ("features", "counted", "nodule", "cancer"))
        for values, counted, nodule, cancer in zip(*rows, strict=True):
            first = (values[:, 0] * spread + mean).round().int()
            if cancer:
                drawn |= set(first.tolist())
                assert counted.all()
                assert torch.equal(nodule, first < 10)
            else:
                assert first[0] in (0, 1)
                assert blank is None or first[1] == 1
                assert counted.tolist() == [True, blank is not None]
    assert drawn == {0, 1, 10, 11, 20, 21}
