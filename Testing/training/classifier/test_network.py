"""One step of the classifier: with every join, with batch norm frozen or not."""

from dataclasses import replace

import pytest
import torch

from LungCancerDxLib.names import JOINS
from LungCancerDxLib.training.classifier.items import CaseItems
from LungCancerDxLib.training.classifier.network import ClassifierWithLoss, new_classifier
from Testing.training.classifier_tiny import FEW, SMALLEST, known_cases, labelled_store, tiny_detector


@pytest.fixture(scope="module")
def detector():
    return tiny_detector().detector


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    cases = known_cases(labelled_store(tmp_path_factory.mktemp("store")))
    return CaseItems(cases, FEW, FEW.augmentation, SMALLEST, 3).batch(0, range(2))


def net_of(detector, join="leaky-noisy-or"):
    return new_classifier(detector, SMALLEST, join, FEW, seed=0)


def stepped(net, batch, **options):
    """The module after one step, and its losses."""
    module = ClassifierWithLoss(net, FEW, SMALLEST, **options).train()
    optimiser = torch.optim.SGD([w for w in module.parameters() if w.requires_grad], 0.1)
    losses = module(batch)
    losses["loss"].backward()
    optimiser.step()
    return module, losses


def changed(before, net):
    return {name.split(".")[0] for name, tensor in net.state_dict().items() if not torch.equal(tensor, before[name])}


def state(net):
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


@pytest.mark.parametrize("join", JOINS)
def test_every_join_learns_from_a_batch(detector, batch, join):
    net = net_of(detector, join)
    before = state(net)
    _, losses = stepped(net, batch)
    assert all(torch.isfinite(value) for value in losses.values())
    leak = {"baseline"} if join == "leaky-noisy-or" else set()
    assert changed(before, net) == {"NoduleNet", "fc1", "fc2"} | leak
    head = [name for name in before if name.startswith("NoduleNet.output")]
    assert head
    assert all(torch.equal(before[name], net.state_dict()[name]) for name in head)


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_statistics_do_not_move_and_others_do(detector, batch, frozen):
    net = net_of(detector)
    before = state(net)
    stepped(net, batch, frozen_norms=frozen)
    moved = [not torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items() if "running" in name]
    assert moved
    assert any(moved) != frozen
    assert all(moved) != frozen


def test_frozen_norms_stay_so_through_train_and_other_layers_do_not(detector):
    net = net_of(detector)
    module = ClassifierWithLoss(net, FEW, SMALLEST, frozen_norms=True).eval().train()
    modes = {type(part).__name__: part.training for part in module.modules()}
    assert modes["BatchNorm3d"] is False
    assert modes["Dropout"] is True


def test_the_classifier_starts_with_the_detectors_backbone_and_the_presets_leak(detector):
    net = new_classifier(detector, SMALLEST, "leaky-noisy-or", replace(FEW, initial_logit=-2.0), seed=0)
    for name, tensor in detector.state_dict().items():
        assert torch.equal(tensor, net.NoduleNet.state_dict()[name]), name
    assert net.baseline.item() == pytest.approx(-4.6)
    assert net.fc2.bias.item() == -2.0
    other = new_classifier(detector, SMALLEST, "leaky-noisy-or", FEW, seed=1)
    assert not torch.equal(net.fc1.weight, other.fc1.weight)


def test_blanks_that_do_not_count_do_not_touch_the_network(detector, batch):
    """Neither the score nor the statistics of batch norm."""
    some = dict(batch, counted=torch.tensor([[True, False], [True, False]]))
    other = dict(some, image=some["image"].clone())
    other["image"][:, 1] = 255
    results = []
    for shown in (some, other):
        net = net_of(detector)
        _, losses = stepped(net, shown)
        results.append((losses["loss"], net.NoduleNet.preBlock[1].running_mean.clone()))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_a_batch_without_any_proposal_still_teaches_the_leak(detector, batch):
    net = net_of(detector)
    before = state(net)
    nothing = {**batch, "counted": torch.zeros(2, 2, dtype=torch.bool)}
    module = ClassifierWithLoss(net, FEW, SMALLEST, frozen_norms=True).train()
    module(nothing)["loss"].backward()
    assert net.baseline.grad.abs().item() > 0
    assert torch.equal(before["baseline"], net.baseline.detach())
    assert all(w.grad is None or not w.grad.any() for w in net.NoduleNet.parameters())
