"""The classifier's loss: cross entropy of the case's probability (V-E), and what the published code adds."""

from __future__ import annotations

import torch
from torch.nn import functional

from ..networks.cnet import CaseScore, CNet
from .losses import Losses

_MISSED_BELOW = 0.03
_MISS_OFFSET = 0.001
_LEAST_PROBABILITY = 1e-12

NAMES = ("loss", "cross_entropy", "miss", "leak", "right")


def exact_score(net: CNet, features: torch.Tensor, counted: torch.Tensor) -> CaseScore:
    """`CNet.score` with nodules joined in float64, where there is that: in float32 1 - P of a case that is surely wrong
    is noise, and its gradient none at all or far too large.
    """
    exact = torch.float32 if features.device.type == "mps" else torch.float64
    hidden = torch.relu(net.fc1(features))
    leak = None if net.leak is None else net.leak.to(exact)
    probability, malignancy = net.join(hidden, lambda shown: net.fc2(shown).to(exact), counted, leak)
    return CaseScore(probability, malignancy, leak)


def case_loss(score: CaseScore, batch: dict[str, torch.Tensor], miss_weight: float) -> Losses:
    """The loss of a batch and what is worth knowing of it.

    Parameters
    ----------
    batch
        cancer (B,) 0 or 1; nodule (B, K) bool: which proposals show a described nodule.
    miss_weight
        Of `miss_loss` in the sum.

    Returns
    -------
    Scalars: `loss`, to be minimised, its parts `cross_entropy` and `miss`; `leak` (0 where the join has none), and
    `right`, the share of cases on the right side of one half.
    """
    probability = score.probability
    least = max(_LEAST_PROBABILITY, torch.finfo(probability.dtype).eps)
    probability = probability.clamp(least, 1 - least)
    cross_entropy = functional.binary_cross_entropy(probability, batch["cancer"].to(probability.dtype))
    miss = cross_entropy.new_zeros(())
    if score.malignancy is not None:
        miss = miss_loss(score.malignancy, batch["nodule"])
    return {
        "loss": cross_entropy + miss_weight * miss if miss_weight else cross_entropy,
        "cross_entropy": cross_entropy.detach(),
        "miss": miss.detach(),
        "leak": miss.new_zeros(()) if score.leak is None else score.leak.detach().mean(),
        "right": ((probability.detach() > 0.5) == (batch["cancer"] > 0.5)).float().mean(),
    }


def miss_loss(malignancy: torch.Tensor, nodule: torch.Tensor) -> torch.Tensor:
    """The published code's: described nodules of nearly no malignancy (under .03) cost -log(P_i + .001).

    Parameters
    ----------
    malignancy, nodule
        (B, K); the sum is divided by B K.
    """
    missed = nodule & (malignancy.detach() < _MISSED_BELOW)
    return -(torch.log(malignancy + _MISS_OFFSET) * missed).sum() / missed.numel()
