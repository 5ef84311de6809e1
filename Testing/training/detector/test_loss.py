"""The detector's loss beside values worked out by hand."""

from dataclasses import replace
from math import exp, log

import pytest
import torch

from LungCancerDxLib.detection.anchors import IGNORED, NEGATIVE, POOLED, POSITIVE
from LungCancerDxLib.networks.nnet import NNet
from LungCancerDxLib.training.detector.loss import DetectorWithLoss, detector_loss, hard_negatives, smooth_l1
from LungCancerDxLib.training.detector.recipe import CPU, GRT123, PAPER
from Testing.training.tiny import TINY

NO_BOXES = (torch.zeros(0, 5, dtype=torch.long), torch.zeros(0, 4))


def batch_of(labels, logits):
    """Patches of 1 x 1 x n cells with one anchor: their output and labels (B, 1, 1, n, 1)."""
    logits = torch.tensor(logits, dtype=torch.float32)
    output = torch.zeros(*logits.shape, 5)
    output[..., 0] = logits
    shape = (len(logits), 1, 1, logits.shape[1], 1)
    return output.reshape(*shape, 5), torch.tensor(labels, dtype=torch.int8).reshape(shape)


def softplus(x):
    return log(1 + exp(x))


def one_positive() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A positive of logit 1 whose box errs by 0.5, -2, 0 and 1, and three pooled negatives of logits 2, -1, 0."""
    output, labels = batch_of([[POSITIVE, POOLED, POOLED, POOLED]], [[1.0, 2.0, -1.0, 0.0]])
    output[0, 0, 0, 0, 0, 1:] = torch.tensor([0.5, -2.0, 0.25, 1.0])
    targets = torch.tensor([[0.0, 0.0, 0.25, 0.0]])
    return output, labels, torch.tensor([[0, 0, 0, 0, 0]]), targets


def test_the_paper_takes_the_mean_over_all_selected_anchors():
    losses = detector_loss(*one_positive(), PAPER)
    assert losses["classification"].item() == pytest.approx((softplus(-1) + softplus(2) + softplus(0)) / 3)
    assert losses["regression"].item() == pytest.approx((0.25 + 2 + 0 + 1) / 3)
    assert losses["loss"].item() == pytest.approx((softplus(-1) + softplus(2) + softplus(0) + 3.25) / 3)


def test_the_published_code_halves_the_classes_and_sums_the_regressions():
    losses = detector_loss(*one_positive(), GRT123)
    assert losses["classification"].item() == pytest.approx(softplus(-1) / 2 + (softplus(2) + softplus(0)) / 4)
    assert losses["regression"].item() == pytest.approx(0.125 + 1.5 + 0 + 0.5)


def test_without_positives_only_the_negatives_count():
    output, labels = batch_of([[POOLED, POOLED]], [[2.0, -1.0]])
    losses = detector_loss(output, labels, *NO_BOXES, GRT123)
    assert losses["loss"].item() == pytest.approx((softplus(2) + softplus(-1)) / 4)
    assert losses["found"].isnan()
    assert losses["rejected"].item() == 0.5


def test_a_confident_right_answer_costs_little_and_a_wrong_one_much():
    """Eq. 1 without its minus sign would reward the wrong one."""
    right, labels = batch_of([[POSITIVE, POOLED]], [[9.0, -9.0]])
    positives = torch.tensor([[0, 0, 0, 0, 0]])
    assert detector_loss(right, labels, positives, torch.zeros(1, 4), PAPER)["loss"] < 1e-3
    assert detector_loss(-right, labels, positives, torch.zeros(1, 4), PAPER)["loss"] > 8


def chosen(labels, logits, recipe):
    output, labels = batch_of(labels, logits)
    return hard_negatives(output[..., 0], labels, recipe).reshape(labels.shape[0], -1).tolist()


LABELS = [[POOLED, POOLED, POOLED, NEGATIVE], [POOLED, POOLED, POOLED, IGNORED]]
LOGITS = [[0.0, 2.0, 1.0, 9.0], [-3.0, -2.0, -1.0, 9.0]]


def test_the_hardest_of_the_pool_are_selected_in_each_patch():
    assert chosen(LABELS, LOGITS, PAPER) == [[False, True, True, False], [False, True, True, False]]


def test_the_published_code_looks_for_the_hardest_over_the_whole_batch():
    assert chosen(LABELS, LOGITS, replace(GRT123, hard=1)) == [[False, True, True, False], [False] * 4]


def test_the_hardest_of_all_need_not_be_in_the_pool():
    assert chosen(LABELS, LOGITS, replace(CPU, hard=1, hardest_of_all=1)) == [
        [False, True, False, True],
        [False, False, True, False],
    ]


def test_a_pool_smaller_than_what_is_asked_for_is_taken_whole():
    assert chosen([[POOLED, IGNORED, POSITIVE, IGNORED]], [[0.0, 1.0, 2.0, 3.0]], PAPER) == [
        [True, False, False, False]
    ]


@pytest.mark.parametrize(
    ("recipe", "expected"), [(PAPER, [0.04, 1.0, 3.0]), (GRT123, [0.02, 0.5, 2.5])], ids=["printed", "standard"]
)
def test_both_smooth_l1_losses(recipe, expected):
    torch.testing.assert_close(smooth_l1(torch.tensor([0.2, -1.0, 3.0]), recipe), torch.tensor(expected))


def test_a_detector_that_is_only_tuned_keeps_its_batch_norms_and_its_first_layers():
    module = DetectorWithLoss(NNet(TINY), replace(CPU, fine_tuned=True)).train()
    norm = module.net.forw2[0].bn1
    before = norm.running_mean.clone()
    labels = torch.full((1, 4, 4, 4, 3), POOLED, dtype=torch.int8)
    image, location = torch.randint(0, 255, (1, 1, 16, 16, 16), dtype=torch.uint8), torch.zeros(1, 3, 4, 4, 4)
    batch = {"image": image, "location": location, "labels": labels}
    module({**batch, "positives": NO_BOXES[0], "targets": NO_BOXES[1]})["loss"].backward()
    torch.testing.assert_close(norm.running_mean, before)
    assert norm.weight.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in module.net.preBlock.parameters())
