"""The classifier's loss by hand-computed values."""

import math

import pytest
import torch

from LungCancerDxLib.networks.cnet import CaseScore, CNet
from LungCancerDxLib.networks.pooling import JOINS
from LungCancerDxLib.training.classifier_loss import NAMES, case_loss, exact_score, miss_loss
from Testing.training.classifier_tiny import SMALLEST

LABELS = {"cancer": torch.tensor([1.0, 0.0]), "nodule": torch.tensor([[True, False], [True, True]])}


def score(probability, malignancy=None, leak=None):
    tensors = (None if value is None else torch.tensor(value) for value in (malignancy, leak))
    return CaseScore(torch.tensor(probability), *tensors)


def test_the_loss_is_the_cross_entropy_of_the_case():
    losses = case_loss(score([0.8, 0.3], [[0.5, 0.5], [0.2, 0.2]], [0.25]), LABELS, 0.0)
    assert losses["loss"].item() == pytest.approx(-(math.log(0.8) + math.log(0.7)) / 2)
    assert losses["leak"].item() == 0.25
    assert losses["right"].item() == 1.0
    assert tuple(losses) == NAMES


def test_described_nodules_without_malignancy_cost_the_miss_loss():
    malignancy = torch.tensor([[0.01, 0.02], [0.5, 0.029]], requires_grad=True)
    loss = miss_loss(malignancy, LABELS["nodule"])
    assert loss.item() == pytest.approx(-(math.log(0.011) + math.log(0.030)) / 4)
    loss.backward()
    expected = torch.tensor([[-1 / 0.011 / 4, 0], [0, -1 / 0.030 / 4]])
    torch.testing.assert_close(malignancy.grad, expected)


def test_the_miss_loss_counts_by_its_weight():
    case = score([0.8, 0.3], [[0.01, 0.02], [0.5, 0.029]])
    plain, with_miss = (case_loss(case, LABELS, weight) for weight in (0.0, 2.0))
    assert with_miss["loss"].item() == pytest.approx(plain["loss"].item() + 2 * plain["miss"].item())
    assert case_loss(score([0.8, 0.3]), LABELS, 2.0)["miss"].item() == 0  # a join without malignancies


@pytest.mark.parametrize("join", JOINS)
def test_a_case_that_is_surely_wrong_has_the_gradient_of_its_logit(join):
    """Not none, and no larger than that of any wrong case."""
    net = CNet(SMALLEST, join).requires_grad_(True)
    with torch.no_grad():
        net.fc2.weight.zero_()
        net.fc2.bias.fill_(20.0)
    batch = {"cancer": torch.zeros(1), "nodule": torch.zeros(1, 1, dtype=torch.bool)}
    score = exact_score(net, torch.ones(1, 1, 128), torch.ones(1, 1, dtype=torch.bool))
    loss = case_loss(score, batch, 0.0)["loss"]
    loss.backward()
    assert loss.item() == pytest.approx(20.0, abs=0.02)
    assert net.fc2.bias.grad.item() == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("join", JOINS)
def test_the_exact_score_is_the_networks_own(join):
    net = CNet(SMALLEST, join).eval()
    features, counted = torch.rand(2, 3, 128), torch.tensor([[True, True, False], [False, False, False]])
    exact, own = exact_score(net, features, counted), net.score(features, counted)
    torch.testing.assert_close(exact.probability.float(), own.probability)
    if own.malignancy is not None:
        torch.testing.assert_close(exact.malignancy.float(), own.malignancy)
