"""The proposals that the classifier learns from: drawn anew for every use (V), or made up to try things out."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ...detection.proposals import Proposals
from ..cases.store import TrainingCase
from .recipe import ClassifierRecipe

_FALSE_ALARMS = (4, 12)  # of a case, in `proposals_from_truth`
_FALSE_DIAMETER = (6.0, 0.4)  # log-normal: median, standard deviation of the logarithm
_NODULE_LOGIT, _FALSE_LOGIT = (2.5, 1.5), (-1.0, 1.2)  # normal: mean, standard deviation
_JITTER = 0.1  # of the diameter: standard deviation of centre and size
_TRIES = 64


def proposals_from_truth(case: TrainingCase, rng: np.random.Generator) -> Proposals:
    """Proposals that no detector found: the described nodules, a little off, and random positions as false alarms.

    For trying out a training without a good detector: confidences are drawn, no nodule is ever missed, and false alarms
    are positions like any other, so a classifier trained on these meets an easier task than it will have. False alarms
    are centred in the dilated mask, and neither on a nodule nor in an exclusion region. Best first.
    """
    boxes = np.array(case.nodules, dtype=float).reshape(-1, 4)
    diameters = boxes[:, 3:].copy()
    boxes[:, :3] += _JITTER * diameters * rng.standard_normal((len(boxes), 3))
    boxes[:, 3:] *= np.exp(_JITTER * rng.standard_normal((len(boxes), 1)))
    false = [_false_alarm(case, rng) for _ in range(rng.integers(*_FALSE_ALARMS, endpoint=True))]
    false = [box for box in false if box is not None]
    logits = [rng.normal(*_NODULE_LOGIT, len(boxes)), rng.normal(*_FALSE_LOGIT, len(false))]
    together = np.concatenate([boxes, np.array(false, dtype=float).reshape(-1, 4)])
    proposals = Proposals(logit=np.concatenate(logits), center_kji=together[:, :3], diameter=together[:, 3])
    return proposals[np.argsort(-proposals.logit, kind="stable")]


def _false_alarm(case: TrainingCase, rng: np.random.Generator) -> np.ndarray | None:
    median, spread = _FALSE_DIAMETER
    taken = np.concatenate([case.nodules * (1, 1, 1, 0.5), case.exclusion_regions])
    for _ in range(_TRIES):
        center = rng.integers(0, case.scan.dilated.shape)
        diameter = median * np.exp(spread * rng.standard_normal())
        free = (np.linalg.norm(taken[:, :3] - center, axis=1) > taken[:, 3] + diameter).all()
        if case.scan.dilated[tuple(center)] and free:
            return np.array([*center, diameter])
    return None


def draw(rng: np.random.Generator, logits: np.ndarray, count: int, recipe: ClassifierRecipe) -> np.ndarray:
    """Numbers of at most `count` proposals, drawn without replacement by their confidence; all where there are no more.

    Parameters
    ----------
    logits
        (N,) of the proposals.
    """
    left = np.arange(len(logits))
    if len(left) <= count:
        return left
    drawn = []
    for _ in range(count):
        chosen = rng.choice(len(left), p=chances(logits[left], recipe.chance, recipe.chance_floor))
        drawn.append(left[chosen])
        left = np.delete(left, chosen)
    return np.array(drawn)


def chances(logits: np.ndarray, kind: Literal["confidence", "softmax"], floor: float) -> np.ndarray:
    """How likely each of some proposals is drawn next: (N,), sum 1."""
    weights: np.ndarray = 1 / (1 + np.exp(-logits)) if kind == "confidence" else np.exp(logits - logits.max())
    weights = np.maximum(weights / weights.sum(), floor)
    return np.asarray(weights / weights.sum())
