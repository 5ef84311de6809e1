"""The malignancy of nodules, one by one, with a backbone that passes on what it sees."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from LungCancerDxLib.classification import classifier
from LungCancerDxLib.classification.classifier import case_probability, classify_blank, classify_nodules
from LungCancerDxLib.errors import Cancelled, OutOfMemoryError
from LungCancerDxLib.evidence import combine
from LungCancerDxLib.names import JOINS
from LungCancerDxLib.networks.cnet import CNet
from LungCancerDxLib.preset import DEFAULT, GRT123, PAPER
from LungCancerDxLib.runtime.device import Compute
from Testing.detection.fake_scans import fake_scan, grey_image
from Testing.networks.random_nets import randomised, seeded

SMALL = {"crop_size": 16}
SCAN = fake_scan(grey_image((40, 48, 44)))
CENTERS = np.array([[20.0, 20.0, 20.0], [3.0, 40.0, 22.0], [39.0, 5.0, 43.0]])
NONE = np.empty((0, 3))


class _PassOn(nn.Module):
    """A backbone whose first features are the mean grey of a cell and its location; the others are zero."""

    def features(self, image, location, central):
        seen = torch.cat([functional.avg_pool3d(image, 4), location], dim=1)
        return functional.pad(seen, (0, 0, 0, 0, 0, 0, 0, 124))


def _passing_on(preset=DEFAULT, join="leaky-noisy-or"):
    with torch.device("meta"):
        net = CNet(preset, join)
    del net.NoduleNet
    net.to_empty(device="cpu")
    net.NoduleNet = _PassOn()  # type: ignore[assignment]
    if net.leak is not None:
        net.baseline.data.fill_(preset.initial_leak_logit)
    return randomised(net)


@pytest.fixture(scope="module")
def real_net():
    return randomised(CNet(DEFAULT))


# ---------------------------------------------------------------------- what the network is shown


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "seen"), [(GRT123, 200.0), (PAPER, 0.5625), (DEFAULT, 0.5625)], ids=["GRT123", "PAPER", "DEFAULT"]
)
def test_the_code_of_2017_sees_raw_grey_values_and_the_paper_normalised_ones(preset, seen):
    scan = fake_scan(np.full((96, 96, 96), 200, dtype=np.uint8))
    scores = classify_nodules(scan, np.full((1, 3), 47.5), _passing_on(), preset, Compute())
    assert scores.features.shape == (1, 128)
    assert scores.features[0, 0] == seen


def test_the_central_feature_is_that_of_the_nodule():
    image = np.full((40, 48, 44), 128, dtype=np.uint8)
    image[17:21, 28:32, 10:14] = 255  # the first of the eight central cells of a crop centred at its corner
    centers, preset = np.array([[20.5, 31.5, 13.5], [10.0, 10.0, 30.0]]), replace(DEFAULT, **SMALL, shifted_crops=False)
    scores = classify_nodules(fake_scan(image), centers, _passing_on(), preset, Compute())
    assert scores.features[:, 0].tolist() == [127 / 128, 0]


def test_the_network_is_shown_where_in_the_lungs_the_nodule_lies():
    """Lungs from 10 to 30, 12 to 36, 11 to 33; the last of the central cells is 2 voxels beyond the centre."""
    preset = replace(DEFAULT, **SMALL, shifted_crops=False, mirrored_crops=False)
    scores = classify_nodules(SCAN, np.array([[19.5, 35.5, 8.5]]), _passing_on(), preset, Compute())
    np.testing.assert_allclose(scores.features[0, 1:4], [1.5 / 10, 13.5 / 12, -11.5 / 11], atol=1e-6)


def mirrored(scan):
    """Left and right of a scan exchanged; its lungs' ends follow."""
    low, high = scan.lung_ends_kji
    width = scan.image.shape[2] - 1
    ends = (np.array([*low[:2], width - high[2]]), np.array([*high[:2], width - low[2]]))
    return replace(scan, image=np.ascontiguousarray(scan.image[..., ::-1]), lung_ends_kji=ends)


@pytest.mark.slow
def test_a_mirrored_scan_gets_the_same_scores(real_net):
    """Centres are on half voxels, so that crops of an even size have them in their middle."""
    centers = np.array([[20.5, 20.5, 20.5], [3.5, 39.5, 22.5]])
    other = centers * (1, 1, -1) + (0, 0, SCAN.image.shape[2] - 1)
    preset = replace(DEFAULT, **SMALL, shifted_crops=False)
    both = [
        classify_nodules(scan, at, real_net, preset, Compute())
        for scan, at in ((SCAN, centers), (mirrored(SCAN), other))
    ]
    np.testing.assert_allclose(both[0].features, both[1].features, atol=1e-5)
    alone = replace(preset, mirrored_crops=False)
    one, two = (
        classify_nodules(scan, at, real_net, alone, Compute()).features
        for scan, at in ((SCAN, centers), (mirrored(SCAN), other))
    )
    assert np.abs(one - two).max() > 1e-3
    np.testing.assert_allclose((one + two) / 2, both[0].features, atol=1e-5)


def test_a_nodule_is_seen_half_a_stride_aside_too(real_net):
    centers = np.array([[20.5, 20.5, 20.5], [3.5, 39.5, 22.5]])
    plain = replace(DEFAULT, **SMALL, shifted_crops=False)
    here, aside, both = (
        classify_nodules(SCAN, at, real_net, preset, Compute()).features
        for at, preset in ((centers, plain), (centers + 2, plain), (centers, replace(plain, shifted_crops=True)))
    )
    assert np.abs(here - aside).max() > 1e-3
    np.testing.assert_allclose((here + aside) / 2, both, atol=1e-5)


def test_a_blank_is_its_own_mirror_image():
    net = _passing_on()
    alone, together = (classify_blank(net, replace(DEFAULT, mirrored_crops=on), Compute()) for on in (False, True))
    assert together.features.shape == (1, 128)
    np.testing.assert_array_equal(together.features, alone.features)


@pytest.mark.parametrize(("preset", "grey"), [(GRT123, 0.0), (PAPER, -1.0)], ids=["GRT123", "PAPER"])
def test_a_blank_is_black_and_lies_nowhere(preset, grey):
    blank = classify_blank(_passing_on(), preset, Compute())
    assert blank.features.shape == (1, 128)
    assert blank.features[0, :4].tolist() == [grey, 0, 0, 0]
    assert 0 < blank.malignancy[0] < 1


# ---------------------------------------------------------------------- scores


def test_the_malignancy_is_that_of_the_two_layers_in_double_precision():
    net, preset = _passing_on(), replace(DEFAULT, **SMALL)
    scores = classify_nodules(SCAN, CENTERS, net, preset, Compute())
    with torch.no_grad():
        expected = torch.sigmoid(net.fc2(torch.relu(net.fc1(torch.from_numpy(scores.features))))).flatten()
    assert scores.malignancy.dtype == np.float64
    assert scores.features.dtype == np.float32
    np.testing.assert_allclose(scores.malignancy, expected, atol=1e-6)
    assert scores.malignancy.std() > 1e-3


@pytest.mark.slow
def test_the_score_of_a_nodule_does_not_depend_on_the_others(real_net):
    preset = replace(DEFAULT, **SMALL)
    together = classify_nodules(SCAN, CENTERS, real_net, preset, Compute())
    backwards = classify_nodules(SCAN, CENTERS[::-1], real_net, preset, Compute())
    alone = classify_nodules(SCAN, CENTERS[1:2], real_net, preset, Compute())
    np.testing.assert_allclose(backwards.malignancy[::-1], together.malignancy, rtol=0, atol=1e-6)
    np.testing.assert_allclose(alone.malignancy, together.malignancy[1:2], rtol=0, atol=1e-6)
    np.testing.assert_allclose(alone.features, together.features[1:2], rtol=0, atol=1e-5)


@pytest.mark.parametrize("join", JOINS)
def test_without_nodules_there_are_no_scores(join):
    scores = classify_nodules(SCAN, NONE, _passing_on(join=join), DEFAULT, Compute())
    assert scores.features.shape == (0, 128)
    assert scores.malignancy is None if join == "feature-combining" else scores.malignancy.shape == (0,)


def test_feature_combining_gives_nodules_no_malignancy():
    net, preset = _passing_on(join="feature-combining"), replace(DEFAULT, **SMALL)
    scores = classify_nodules(SCAN, CENTERS, net, preset, Compute())
    assert scores.malignancy is None
    assert scores.features.shape == (3, 128)
    assert 0 < case_probability(scores.features, net) < 1


# ---------------------------------------------------------------------- the case


@pytest.mark.parametrize("count", [0, 1, 5])
@pytest.mark.parametrize("join", ["max-p", "noisy-or", "leaky-noisy-or"])
def test_the_closed_form_and_the_network_agree_on_the_case(join, count):
    net = _passing_on(join=join)
    features = seeded(count, 128, dtype=torch.float32)
    with torch.no_grad():
        malignancy = torch.sigmoid(net.fc2(torch.relu(net.fc1(features)))).flatten().tolist()
    leak = None if net.leak is None else net.leak.item()
    evidence = combine(join, malignancy, leak, None, 0)
    assert case_probability(features.numpy(), net) == pytest.approx(evidence.score, abs=1e-6)


def test_a_case_without_nodules_has_the_probability_of_the_leak():
    net = _passing_on()
    assert case_probability(np.empty((0, 128), dtype=np.float32), net) == pytest.approx(net.leak.item(), abs=1e-7)


def test_a_case_is_not_scored_with_dropout():
    net, features = _passing_on(GRT123), seeded(2, 128, dtype=torch.float32).numpy()
    assert len({case_probability(features, net.train()) for _ in range(3)}) == 1


# ---------------------------------------------------------------------- precision, memory, progress


@pytest.mark.slow
def test_half_precision_runs_on_the_processor_and_leaves_the_models_weights_alone(real_net):
    before = {key: value.clone() for key, value in real_net.state_dict().items()}
    preset = replace(DEFAULT, **SMALL)
    reference = classify_nodules(SCAN, CENTERS[:1], real_net, preset, Compute())
    scores = classify_nodules(SCAN, CENTERS[:1], real_net, preset, Compute(dtype=torch.bfloat16))
    assert scores.features.dtype == np.float32
    assert np.abs(scores.features - reference.features).max() > 0
    assert scores.malignancy == pytest.approx(reference.malignancy, abs=0.05)
    after = real_net.state_dict()
    assert all(value.dtype == after[key].dtype and torch.equal(value, after[key]) for key, value in before.items())


@pytest.fixture
def short_of_memory(monkeypatch):
    """A function that makes classification fail with an error on all devices but those named."""
    real = classifier._features

    def limit(error, *works_on):
        def limited(inputs, net, preset, compute, progress):
            if compute.device.type not in works_on:
                raise error
            return real(inputs, net, preset, compute, progress)

        monkeypatch.setattr(classifier, "_features", limited)

    return limit


def test_a_device_that_runs_out_of_memory_gives_the_work_to_the_processor_with_a_warning(short_of_memory):
    net, preset = _passing_on(), replace(DEFAULT, **SMALL)
    expected = classify_nodules(SCAN, CENTERS, net, preset, Compute())
    short_of_memory(torch.OutOfMemoryError("no more"), "cpu")
    scores = classify_nodules(SCAN, CENTERS, net, preset, Compute(torch.device("meta"), torch.float16))
    np.testing.assert_array_equal(scores.malignancy, expected.malignancy)
    assert expected.warnings == ()
    assert scores.warnings == ("The meta device ran out of memory; nodules were classified on the processor.",)


def test_a_processor_that_runs_out_of_memory_is_an_error_that_says_so(short_of_memory):
    short_of_memory(MemoryError())
    with pytest.raises(OutOfMemoryError, match="Not enough memory to classify a nodule"):
        classify_nodules(SCAN, CENTERS, _passing_on(), DEFAULT, Compute())


def test_other_errors_pass_through(short_of_memory):
    short_of_memory(RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        classify_nodules(SCAN, CENTERS, _passing_on(), DEFAULT, Compute(torch.device("meta")))


def test_progress_goes_up_from_nodule_to_nodule_and_ends_at_one():
    fractions = []
    preset = replace(DEFAULT, **SMALL, shifted_crops=False, mirrored_crops=False)
    classify_nodules(
        SCAN, CENTERS, _passing_on(), preset, Compute(), lambda stage, fraction: fractions.append(fraction)
    )
    assert fractions == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_cancelling_stops_before_the_next_nodule():
    fractions = []

    def cancel(stage, fraction):
        fractions.append(fraction)
        if fraction > 0:
            raise Cancelled

    with pytest.raises(Cancelled):
        classify_nodules(SCAN, CENTERS, _passing_on(), replace(DEFAULT, **SMALL), Compute(), cancel)
    assert fractions == pytest.approx([0, 1 / 12])  # three nodules, each seen in four ways
