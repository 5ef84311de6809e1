"""The constants of the segmenter's training, and its loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from ...networks.segmenter import CORE, WHOLE, SegmenterNet
from ..detector.loss import Losses
from ..engine.optimizer import OptimizerConfig
from ..engine.validation import Batch

_OPTIMIZER = OptimizerConfig("adamw", 2e-3, 0.01, cosine=True, warm_up_steps=100, clip_norm=1.0)


@dataclass(frozen=True)
class SegmenterRecipe:
    """Everything that may be changed about a training.

    Parameters
    ----------
    own, inserted, cubes, synthetic, none
        Shares of the crops: bank nodules in their own surroundings and in other lungs, cubes, synthetic nodules, and
        vessels, pleura and plain lung without a nodule.
    shift_mm, shift_share
        How far along each axis a proposal's centre may be off: so much and this share of the diameter.
    box_scales
        Its diameter, of the nodule's.
    user_share, user_mm
        How many are points that a user set, which have a diameter of their own.
    resampled_share, resampled_mm
        How many crops are shown as coarser scans (linear there and back), and the voxels of such a scan.
    contrast, offset_hu, noise_hu
        Greatest changes of the image.
    empty_voxels
        Added to both sides of Dice's ratio: for so many false voxels an empty crop loses a half.
    """

    name: str = "SEGMENTER"
    batch: int = 8
    steps: int = 5000
    check_every: int = 500
    own: float = 0.36
    inserted: float = 0.17
    cubes: float = 0.07
    synthetic: float = 0.27
    none: float = 0.13
    shift_mm: float = 1.0
    shift_share: float = 0.1
    box_scales: tuple[float, float] = (0.7, 1.4)
    user_share: float = 0.08
    user_mm: float = 10.0
    scales: tuple[float, float] = (0.8, 1.25)
    turned_share: float = 0.6
    turned_degrees: float = 12.0
    resampled_share: float = 0.4
    resampled_mm: tuple[float, float] = (0.6, 2.5)
    contrast: float = 0.03
    offset_hu: float = 25.0
    noise_hu: float = 30.0
    empty_voxels: float = 100.0
    optimizer: OptimizerConfig = _OPTIMIZER


class SegmenterWithLoss(nn.Module):
    """A batch of `OutlinedCrops` to Dice and cross entropy of whole nodule and core, where they are known."""

    def __init__(self, net: SegmenterNet, recipe: SegmenterRecipe) -> None:
        super().__init__()
        self.net, self._smooth = net, recipe.empty_voxels

    def logits(self, batch: Batch) -> torch.Tensor:
        """(B, 2, S, S, S) float32."""
        logits: torch.Tensor = self.net(batch["hu"].float(), batch["diameter_mm"], batch["spacing_mm"])
        return logits.float()

    def forward(self, batch: Batch) -> Losses:
        logits, target, known = self.logits(batch), batch["target"].float(), batch["known"].float()
        entropy = functional.binary_cross_entropy_with_logits(logits, target, known)
        share, volume = torch.sigmoid(logits) * known, target * known
        both, either = (share * volume).sum((2, 3, 4)), (share + volume).sum((2, 3, 4))
        dice = ((2 * both + self._smooth) / (either + self._smooth)).mean(0)
        losses = 1 - dice[WHOLE] + 0.5 * (1 - dice[CORE])
        return {
            "loss": losses + entropy,
            "dice": dice[WHOLE].detach(),
            "dice_core": dice[CORE].detach(),
            "entropy": entropy.detach(),
        }
