"""What the classifier is shown of a case in training."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from LungCancerDxLib.classification.classifier import crop, crop_start
from LungCancerDxLib.detection.proposals import Proposals
from LungCancerDxLib.training.classifier.items import CaseItems, KnownCases, case_of
from LungCancerDxLib.training.classifier.proposals import draw
from LungCancerDxLib.training.classifier.recipe import UNCHANGED
from Testing.training.classifier_tiny import FEW, LABELS, SMALLEST, known_cases, labelled_store


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return known_cases(labelled_store(tmp_path_factory.mktemp("store")))


def items(cases, preset=SMALLEST, augmentation=FEW.augmentation, seed=3):
    return CaseItems(cases, FEW, augmentation, preset, seed)


def test_a_batch_is_a_function_of_seed_and_step(cases):
    first, again, other = items(cases), items(cases), items(cases, seed=4)
    again.item(0, 0)
    for name, tensor in first.batch(7, range(2)).items():
        assert torch.equal(tensor, again.batch(7, range(2))[name]), name
    assert not torch.equal(first.batch(7, range(2))["image"], other.batch(7, range(2))["image"])


def test_every_epoch_has_every_case_once_in_another_order():
    epochs = [[case_of(epoch * 20 + n, 20, seed=1) for n in range(20)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(20)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_a_case_brings_its_label_and_the_crops_of_its_proposals(cases):
    for number in range(3):
        chosen = case_of(number, 3, 3)
        item = items(cases, replace(SMALLEST, scored_nodules=5), UNCHANGED).item(0, number)
        assert item["cancer"] == LABELS[f"case-{chosen}"]
        proposals, image = cases.proposals[chosen], cases.store.case(chosen).scan.image
        assert item["nodule"][: len(proposals)].tolist() == [True] * (len(proposals) - 1) + [False]
        for shown, center_kji in zip(item["image"][:, 0], proposals.center_kji, strict=False):
            np.testing.assert_array_equal(shown, crop(image, crop_start(center_kji, SMALLEST), SMALLEST))


@pytest.mark.parametrize("scored", [True, False])
def test_blanks_are_zero_and_vote_where_the_preset_says_so(cases, scored):
    preset = replace(SMALLEST, scored_nodules=5, blanks_scored=scored)
    item = items(cases, preset).item(0, 0)
    taken = len(cases.proposals[case_of(0, 3, 3)])
    assert item["counted"].tolist() == [True] * taken + [scored] * (5 - taken)
    assert not item["image"][taken:].any()
    assert not item["location"][taken:].any()
    assert item["image"][:taken].any(axis=(1, 2, 3, 4)).all()


def test_a_case_without_proposals_is_all_blanks(cases):
    empty = KnownCases(cases.store, cases.labels, [Proposals.from_rows(np.zeros((0, 5)))] * 3)
    batch = items(empty).batch(0, range(2))
    assert not batch["counted"].any()
    assert not batch["image"].any()


def test_proposals_are_drawn_anew_for_every_use(cases):
    crowded = replace(SMALLEST, scored_nodules=1)
    chosen = case_of(0, 3, 3)
    shown = {bool(items(cases, crowded, seed=3).item(step, 0)["nodule"][0]) for step in range(0, 90, 3)}
    assert shown == {True, False}
    rng = np.random.default_rng(0)
    assert len({tuple(draw(rng, cases.proposals[chosen].logit, 1, FEW)) for _ in range(50)}) > 1
