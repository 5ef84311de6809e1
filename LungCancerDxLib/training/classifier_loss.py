"""The classifier's loss: cross entropy of the case's probability (V-E), what the published code adds, and we."""

from __future__ import annotations

import torch
from torch.nn import functional

from ..networks.cnet import CaseScore, CNet
from .classifier_recipe import ClassifierRecipe
from .losses import Losses

_MISSED_BELOW = 0.03
_MISS_OFFSET = 0.001
_LEAST_PROBABILITY = 1e-12

NAMES = ("loss", "cross_entropy", "miss", "false_alarm", "leak", "right")


def exact_score(net: CNet, features: torch.Tensor, counted: torch.Tensor) -> CaseScore:
    """`CNet.score` with nodules joined in float64, where there is that: in float32 1 - P of a case that is surely wrong
    is noise, and its gradient none at all or far too large.
    """
    exact = torch.float32 if features.device.type == "mps" else torch.float64
    hidden = torch.relu(net.fc1(features))
    leak = None if net.leak is None else net.leak.to(exact)
    probability, malignancy = net.join(hidden, lambda shown: net.fc2(shown).to(exact), counted, leak)
    return CaseScore(probability, malignancy, leak)


def case_loss(score: CaseScore, batch: dict[str, torch.Tensor], recipe: ClassifierRecipe) -> Losses:
    """The loss of a batch and what is worth knowing of it.

    Parameters
    ----------
    batch
        cancer (B,) 0 or 1; counted, nodule (B, K) bool: which proposals vote, and which show a described nodule.
    recipe
        Has the weights of `miss_loss` and `false_alarm_loss` in the sum.

    Returns
    -------
    Scalars: `loss`, to be minimised, its parts `cross_entropy`, `miss` and `false_alarm`; `leak` (0 where the join has
    none), and `right`, the share of cases on the right side of one half.
    """
    probability = score.probability
    least = max(_LEAST_PROBABILITY, torch.finfo(probability.dtype).eps)
    probability = probability.clamp(least, 1 - least)
    cross_entropy = functional.binary_cross_entropy(probability, batch["cancer"].to(probability.dtype))
    loss, miss, false_alarm = cross_entropy, cross_entropy.new_zeros(()), cross_entropy.new_zeros(())
    if score.malignancy is not None:
        miss = miss_loss(score.malignancy, batch["nodule"])
        false_alarm = false_alarm_loss(score.malignancy, batch["counted"], batch["nodule"])
    if recipe.miss_loss:
        loss = loss + recipe.miss_loss * miss
    if recipe.false_alarm_loss:
        loss = loss + recipe.false_alarm_loss * false_alarm
    return {
        "loss": loss,
        "cross_entropy": cross_entropy.detach(),
        "miss": miss.detach(),
        "false_alarm": false_alarm.detach(),
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


def false_alarm_loss(malignancy: torch.Tensor, counted: torch.Tensor, nodule: torch.Tensor) -> torch.Tensor:
    """Ours: proposals that show no described nodule are no cancers, and cost -log(1 - P_i).

    Only in cases of which some proposal shows a described nodule: of the others nobody may have described any.

    Parameters
    ----------
    malignancy, counted, nodule
        (B, K); the sum is divided by B K.
    """
    false = counted & ~nodule & nodule.any(dim=1, keepdim=True)
    sound = (1 - malignancy).clamp(min=torch.finfo(malignancy.dtype).eps)
    return -(torch.log(sound) * false).sum() / false.numel()
