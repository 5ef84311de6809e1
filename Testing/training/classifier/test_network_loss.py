"""The classifier's loss by hand-computed values."""

import math
from dataclasses import replace

import pytest
import torch

from LungCancerDxLib.names import JOINS
from LungCancerDxLib.networks.cnet import CNet, CNetOutput
from LungCancerDxLib.training.classifier.network import LOSSES, case_loss, exact_score, false_alarm_loss, miss_loss
from LungCancerDxLib.training.classifier.recipe import PAPER
from Testing.training.classifier_tiny import SMALLEST

LABELS = {
    "cancer": torch.tensor([1.0, 0.0]),
    "counted": torch.tensor([[True, True], [True, True]]),
    "nodule": torch.tensor([[True, False], [True, True]]),
}


def score(probability, malignancy=None, leak=None):
    tensors = (None if value is None else torch.tensor(value) for value in (malignancy, leak))
    return CNetOutput(torch.tensor(probability), *tensors)


def test_the_loss_is_the_cross_entropy_of_the_case():
    losses = case_loss(score([0.8, 0.3], [[0.5, 0.5], [0.2, 0.2]], [0.25]), LABELS, PAPER)
    assert losses["loss"].item() == pytest.approx(-(math.log(0.8) + math.log(0.7)) / 2)
    assert losses["leak"].item() == 0.25
    assert losses["right"].item() == 1.0
    assert tuple(losses) == LOSSES


def test_described_nodules_without_malignancy_cost_the_miss_loss():
    malignancy = torch.tensor([[0.01, 0.02], [0.5, 0.029]], requires_grad=True)
    loss = miss_loss(malignancy, LABELS["nodule"])
    assert loss.item() == pytest.approx(-(math.log(0.011) + math.log(0.030)) / 4)
    loss.backward()
    expected = torch.tensor([[-1 / 0.011 / 4, 0], [0, -1 / 0.030 / 4]])
    torch.testing.assert_close(malignancy.grad, expected)


def test_the_miss_loss_counts_by_its_weight():
    case = score([0.8, 0.3], [[0.01, 0.02], [0.5, 0.029]])
    plain, with_miss = (case_loss(case, LABELS, recipe) for recipe in (PAPER, replace(PAPER, miss_loss=2.0)))
    assert with_miss["loss"].item() == pytest.approx(plain["loss"].item() + 2 * plain["miss"].item())


def test_malignancy_without_a_described_nodule_costs_the_false_alarm_loss():
    malignancy = torch.tensor([[0.5, 0.2, 0.9], [0.5, 0.2, 0.9]], requires_grad=True)
    nodule = torch.tensor([[True, False, False], [False, False, False]])
    counted = torch.tensor([[True, True, False], [True, True, True]])
    loss = false_alarm_loss(malignancy, counted, nodule)
    assert loss.item() == pytest.approx(-math.log(0.8) / 6)
    loss.backward()
    torch.testing.assert_close(malignancy.grad, torch.tensor([[0, 1 / 0.8 / 6, 0], [0, 0, 0]]))


def test_cases_of_which_no_proposal_shows_a_described_nodule_cost_nothing():
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    assert false_alarm_loss(torch.full((2, 3), 0.9), ~nothing, nothing).item() == 0


def test_the_false_alarm_loss_counts_by_its_weight():
    case = score([0.8, 0.3], [[0.5, 0.25], [0.5, 0.5]])
    plain, weighed = (case_loss(case, LABELS, recipe) for recipe in (PAPER, replace(PAPER, false_alarm_loss=2.0)))
    assert plain["false_alarm"].item() == pytest.approx(-math.log(0.75) / 4)
    assert weighed["loss"].item() == pytest.approx(plain["loss"].item() + 2 * plain["false_alarm"].item())


def test_a_join_without_malignancies_has_the_cross_entropy_alone():
    losses = case_loss(score([0.8, 0.3]), LABELS, replace(PAPER, miss_loss=2.0, false_alarm_loss=2.0))
    assert losses["miss"].item() == losses["false_alarm"].item() == 0
    assert losses["loss"].item() == losses["cross_entropy"].item()


@pytest.mark.parametrize("join", JOINS)
def test_a_case_that_is_surely_wrong_has_the_gradient_of_its_logit(join):
    """Not none, and no larger than that of any wrong case."""
    net = CNet(SMALLEST, join).requires_grad_(True)
    with torch.no_grad():
        net.fc2.weight.zero_()
        net.fc2.bias.fill_(20.0)
    one = torch.ones(1, 1, dtype=torch.bool)
    score = exact_score(net, torch.ones(1, 1, 128), one)
    loss = case_loss(score, {"cancer": torch.zeros(1), "counted": one, "nodule": ~one}, PAPER)["loss"]
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
