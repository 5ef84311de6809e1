"""C-Net: its size, its published keys, the central feature, and the whole from crops to a case."""

import functools

import pytest
import torch

from LungCancerDxLib.names import JOINS
from LungCancerDxLib.networks.cnet import CNet, central_max
from LungCancerDxLib.preset import DEFAULT, GRT123
from Testing.networks.random_nets import randomised, seeded
from Testing.Oracles.networks import case_net, case_net_shapes


@functools.cache
def _net(preset=GRT123, join="leaky-noisy-or"):
    return randomised(CNet(preset, join).double())


@functools.cache
def _blueprint(preset=GRT123, join="leaky-noisy-or"):
    """A network of shapes only."""
    with torch.device("meta"):
        return CNet(preset, join)


def test_the_whole_has_the_published_number_of_parameters():
    assert sum(parameter.numel() for parameter in _blueprint().parameters()) == 5_391_945


def test_the_state_dict_has_the_published_keys_and_shapes():
    state = _blueprint().state_dict()
    assert len(state) == 289
    shapes = {key: tuple(value.shape) for key, value in state.items() if not key.endswith("num_batches_tracked")}
    assert shapes == case_net_shapes()
    assert len(shapes) == 249


def test_a_state_dict_of_2017_without_batch_counters_loads_strictly():
    old = {key: torch.full(shape, 0.5) for key, shape in case_net_shapes().items()}
    net = CNet(GRT123)
    net.load_state_dict(old, strict=True)
    assert all((value == 0.5).all() for key, value in net.state_dict().items() if key in old)


@pytest.mark.parametrize("join", JOINS)
def test_only_the_leaky_noisy_or_has_a_baseline_and_a_leak(join):
    net = _blueprint(DEFAULT, join)
    assert ("baseline" in net.state_dict()) == (join == "leaky-noisy-or")
    assert (net.leak is not None) == (join == "leaky-noisy-or")


@pytest.mark.parametrize(("preset", "leak"), [(GRT123, 9.36e-14), (DEFAULT, 0.00995)], ids=["GRT123", "DEFAULT"])
def test_the_leak_starts_where_the_preset_says(preset, leak):
    assert CNet(preset).leak.item() == pytest.approx(leak, rel=1e-3)


# ---------------------------------------------------------------------- the central feature


def test_the_central_feature_comes_from_cells_11_and_12_of_24():
    near = range(9, 15)
    for k, j, i in [(k, j, i) for k in near for j in near for i in near]:
        features = torch.zeros(1, 1, 24, 24, 24)
        features[0, 0, k, j, i] = 1.0
        assert central_max(features).item() == float({k, j, i} <= {11, 12})


def test_nothing_but_the_central_cells_matters():
    features = torch.ones(1, 1, 24, 24, 24)
    features[..., 11:13, 11:13, 11:13] = -1.0
    assert central_max(features).tolist() == [[-1.0]]


def test_each_channel_has_its_own_greatest_cell():
    features = seeded(2, 3, 8, 6, 4)
    expected = features[:, :, 3:5, 2:4, 1:3].flatten(2).max(dim=2).values
    torch.testing.assert_close(central_max(features), expected)


# ---------------------------------------------------------------------- from crops to a case


@pytest.mark.slow
def test_the_forward_pass_is_that_of_the_published_layers():
    crops, locations = seeded(1, 2, 1, 16, 16, 16), seeded(1, 2, 3, 4, 4, 4, seed=1)
    net = _net()
    with torch.no_grad():
        score = net(crops, locations)
        case, nodules = case_net(net.state_dict(), crops, locations)
    torch.testing.assert_close(score.probability, case, rtol=0, atol=1e-12)
    torch.testing.assert_close(score.malignancy, nodules, rtol=0, atol=1e-12)
    assert nodules.std() > 1e-3
    torch.testing.assert_close(score.leak, torch.sigmoid(net.baseline))


def test_only_the_nodules_that_count_make_the_case():
    net, features = _net(), seeded(1, 3, 128)
    with torch.no_grad():
        of_three = net.score(features, torch.tensor([[True, False, True]])).probability
        of_two = net.score(features[:, [0, 2]], torch.tensor([[True, True]])).probability
    torch.testing.assert_close(of_three, of_two)


@pytest.mark.slow
def test_the_gradient_of_the_leaky_noisy_or_flows_to_the_baseline():
    net = _net(DEFAULT)
    score = net.score(seeded(1, 3, 128), torch.ones(1, 3, dtype=torch.bool))
    (gradient,) = torch.autograd.grad(score.probability.sum(), net.baseline)
    leak, survival = score.leak, torch.prod(1 - score.malignancy)
    torch.testing.assert_close(gradient, (leak * (1 - leak) * survival).detach())
    assert gradient.item() > 1e-6


def test_the_published_leak_hardly_learns():
    net = CNet(GRT123).eval()
    score = net.score(seeded(1, 1, 128, dtype=torch.float32), torch.zeros(1, 1, dtype=torch.bool))
    (gradient,) = torch.autograd.grad(score.probability.sum(), net.baseline)
    assert 0 < gradient.item() < 1e-12


@pytest.mark.slow
def test_the_classifier_drops_features_in_training_as_the_preset_says(monkeypatch):
    crops, locations = torch.zeros(1, 1, 1, 16, 16, 16), torch.zeros(1, 1, 3, 4, 4, 4)
    monkeypatch.setattr(CNet, "nodule_features", lambda self, *inputs: seeded(1, 128))
    for preset, varies in ((GRT123, True), (DEFAULT, False)):
        net = _net(preset).train()
        torch.manual_seed(0)
        scores = {net(crops, locations).probability.item() for _ in range(3)}
        assert (len(scores) > 1) == varies
