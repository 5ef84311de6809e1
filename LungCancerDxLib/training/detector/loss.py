"""The detector's loss (Eqs. 1 to 3) over positives and hard negatives (IV-F)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ...detection.anchors import NEGATIVE, POOLED
from ...detection.whole_scan import normalised
from ...models.find import initialise
from ...networks.nnet import BOX_FIELDS, NNet
from ...preset import Preset
from .recipe import Recipe

Losses = dict[str, torch.Tensor]


def detector_loss(
    output: torch.Tensor, labels: torch.Tensor, positives: torch.Tensor, targets: torch.Tensor, recipe: Recipe
) -> Losses:
    """The loss of a batch and what is worth knowing of it.

    Eq. 1 lacks its minus sign in print; it is meant as cross entropy. "mean of the selected" is the mean of Eq. 3 over
    all selected anchors; "halves" (published code) gives the mean over the positives and that over the negatives a
    half each and adds the mean of each of the four regression losses.

    Parameters
    ----------
    output
        (B, Z, Y, X, A, 5) of N-Net.
    labels
        (B, Z, Y, X, A) int8, see `detection.anchors`.
    positives
        (M, 5) int64: number in the batch, cell z, y, x, anchor.
    targets
        (M, 4) regression targets of the positives.

    Returns
    -------
    Scalars: `loss`, to be minimised, and its parts `classification` and `regression`; `found`, the share of positives
    with a logit above zero (not a number without positives), and `rejected`, that of selected negatives below zero.
    """
    output = output.float()
    at_positives = output[tuple(positives.T)]
    logits, boxes = at_positives[:, 0], at_positives[:, 1:]
    negatives = output[..., 0][hard_negatives(output[..., 0].detach(), labels, recipe)]
    missed = functional.binary_cross_entropy_with_logits(logits, torch.ones_like(logits), reduction="sum")
    alarms = functional.binary_cross_entropy_with_logits(negatives, torch.zeros_like(negatives), reduction="sum")
    shifts = smooth_l1(boxes - targets, recipe).sum()
    of_positives, of_negatives = max(len(logits), 1), max(len(negatives), 1)
    if recipe.balance == "halves":
        classification = 0.5 * missed / of_positives + 0.5 * alarms / of_negatives
        regression = shifts / of_positives
    else:
        selected = max(len(logits) + len(negatives), 1)
        classification, regression = (missed + alarms) / selected, shifts / selected
    return {
        "loss": classification + regression,
        "classification": classification.detach(),
        "regression": regression.detach(),
        "found": (logits.detach() > 0).float().mean(),
        "rejected": (negatives.detach() < 0).float().mean(),
    }


def hard_negatives(logits: torch.Tensor, labels: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """The selected negatives of a batch (B, Z, Y, X, A), as a mask of the same shape."""
    rows = 1 if recipe.hard_over == "batch" else len(logits)
    chosen = _hardest(logits, labels == POOLED, recipe.hard * len(logits) // rows, rows)
    if recipe.hardest_of_all:
        negative = (labels == NEGATIVE) | (labels == POOLED)
        chosen = chosen | _hardest(logits, negative, recipe.hardest_of_all, len(logits))
    return chosen


def _hardest(logits: torch.Tensor, among: torch.Tensor, count: int, rows: int) -> torch.Tensor:
    """The `count` highest logits of each of so many rows of the batch, among some of them, as a mask."""
    candidates = logits.masked_fill(~among, -torch.inf).reshape(rows, -1)
    best = candidates.topk(min(count, candidates.shape[1]), dim=1)
    mask = torch.zeros_like(candidates, dtype=torch.bool).scatter_(1, best.indices, best.values > -torch.inf)
    return mask.reshape(logits.shape)


def smooth_l1(error: torch.Tensor, recipe: Recipe) -> torch.Tensor:
    """Eq. 2's S: the square up to 1 and the absolute value beyond, or the usual smooth L1, half as steep at first."""
    if recipe.smooth_l1 == "standard":
        return functional.smooth_l1_loss(error, torch.zeros_like(error), reduction="none")
    size = error.abs()
    return torch.where(size > 1, size, size**2)


_HEAD_GAIN = 0.1


class DetectorWithLoss(nn.Module):
    """A batch of `DetectorItems` to its losses."""

    def __init__(self, net: NNet, recipe: Recipe) -> None:
        super().__init__()
        self.net = net
        self.recipe = recipe
        if recipe.fine_tuned:
            net.preBlock.requires_grad_(False)  # a fourth of a step's time, for edges that are known

    def train(self, mode: bool = True) -> DetectorWithLoss:
        """Training mode, of all but the batch norms where the recipe only tunes."""
        super().train(mode)
        if self.recipe.fine_tuned:
            freeze_norms(self)
        return self

    def forward(self, batch: dict[str, torch.Tensor]) -> Losses:
        image = normalised(batch["image"], torch.float32).contiguous(memory_format=torch.channels_last_3d)
        output = self.net(image, batch["location"])
        return detector_loss(output, batch["labels"], batch["positives"], batch["targets"], self.recipe)


def freeze_norms(module: nn.Module) -> None:
    """Batch norms use their running statistics from now on and do not change them."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm3d):
            part.eval()


def new_detector(preset: Preset, recipe: Recipe, seed: int) -> NNet:
    """N-Net with random weights from a seed: logits near the `initial_logit`, boxes near their anchors."""
    net = NNet(preset)
    initialise(net, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        *_, weight, bias = net.output.parameters()
        weight.mul_(_HEAD_GAIN)
        bias.view(-1, BOX_FIELDS)[:, 0] = recipe.initial_logit
    return net
