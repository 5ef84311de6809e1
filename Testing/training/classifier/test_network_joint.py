"""Detector and classifier in turn, over one backbone."""

import math
from dataclasses import replace

import pytest
import torch

from LungCancerDxLib.preset import GRT123
from LungCancerDxLib.training.classifier.items import CaseItems, JointItems
from LungCancerDxLib.training.classifier.network import JointNet, new_classifier, seen
from LungCancerDxLib.training.detector.items import DetectorItems
from LungCancerDxLib.training.engine.loop import Task
from Testing.training.classifier_tiny import FEW, SMALLEST, known_cases, labelled_store, tiny_detector

OF_DETECTOR, OF_CLASSIFIER = 3, 2


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return known_cases(labelled_store(tmp_path_factory.mktemp("store")))


@pytest.fixture
def net():
    return new_classifier(tiny_detector().detector, SMALLEST, "leaky-noisy-or", FEW, 0)


def task_of(net, cases, recipe=FEW, **options):
    patches = DetectorItems(cases.store, recipe.detector, SMALLEST, 5)
    items = CaseItems(cases, recipe, recipe.augmentation, SMALLEST, 5)
    both = JointItems(patches, items, OF_DETECTOR, OF_CLASSIFIER)
    task = Task(JointNet(net, recipe, SMALLEST, **options), both, recipe.batch, find_unused_parameters=True)
    return task, patches, items


def is_of_cases(batch):
    return "cancer" in batch


def test_epochs_of_the_detector_and_of_the_classifier_take_turns(net, cases):
    task, patches, items = task_of(net, cases)
    kinds = [is_of_cases(task.items.batch(step, range(2))) for step in range(10)]
    assert kinds == [False] * 3 + [True] * 2 + [False] * 3 + [True] * 2
    for step, own, source in ((6, 4, patches), (8, 2, items)):
        assert torch.equal(task.items.batch(step, range(2))["image"], source.batch(own, range(2))["image"])


def test_processes_share_the_patches_as_they_share_the_cases(net, cases):
    recipe = replace(FEW, batch=2, detector=replace(FEW.detector, batch=4))
    task, patches, _ = task_of(net, cases, recipe)
    shares = [task.items.batch(0, share)["image"] for share in (range(0, 1), range(1, 2))]
    assert torch.equal(torch.cat(shares), patches.batch(0, range(4))["image"])


def test_both_networks_move_one_set_of_weights_and_only_they_know_their_losses(net, cases):
    task, *_ = task_of(net, cases, frozen_norms=True)
    module = task.module.train()
    optimiser = torch.optim.SGD(module.parameters(), 0.05)
    shared = net.NoduleNet.back2[0].conv1.weight
    before, names = shared.detach().clone(), []
    for step, own, others in ((0, "classification", "cross_entropy"), (3, "cross_entropy", "classification")):
        optimiser.zero_grad()
        losses = module(task.items.batch(step, range(2)))
        losses["loss"].backward()
        optimiser.step()
        assert not torch.equal(before, shared)
        before = shared.detach().clone()
        assert math.isfinite(losses["loss"].detach())
        assert math.isfinite(losses[own])
        assert math.isnan(losses[others])
        names.append(list(losses))
        assert (net.fc1.weight.grad is None) == (step == 0)
        assert (net.NoduleNet.output[0].weight.grad is None) == (step == 3)
    assert sorted(names[0]) == sorted(names[1])
    assert names[0] == names[1]


def test_of_the_code_of_2017_both_networks_see_raw_grey_values_in_common_training():
    grey = torch.full((1, 1, 4, 4, 4), 200, dtype=torch.uint8)
    assert seen(grey, GRT123).unique().item() == 200
    assert seen(grey, SMALLEST).unique().item() == 0.5625
