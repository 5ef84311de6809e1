"""The suspicion of a nodule from what the network says and what its outline measures (late fusion; ours).

Readers rate a nodule by its size and its calcification before all else, and a mask measures both better than a crop of
fixed size shows them. But a mask does not tell a nodule from a hilum, a heart or a dome, as the network does: what the
network finds harmless, size alone must not make suspicious.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit

from ..case import CaseResult, Nodule
from ..names import CALCIFIED
from ..volume import world_to_index

REFERENCE_MM = 8.0
DIAMETERS_MM = (4.0, 32.0)  # between which diameters tell nodules apart: few that were learned from lie outside
MOST_RAISED = 3.0  # times the odds: what size alone would raise further is a false alarm far more often than a nodule
_CLIP = 1e-6  # probabilities are kept this far from 0 and 1 before their logit is taken


@dataclass(frozen=True)
class LateFusion:
    """A logistic regression on the network's logit and the outline's diameter and calcification (`evaluation.fusion`).

    logit P = network logit P_network + doubling log2(diameter / 8 mm) + calcified [is calcified] + intercept,
    at most logit P_network + ln `MOST_RAISED`
    """

    network: float
    doubling: float
    calcified: float
    intercept: float

    def malignancy(self, network: np.ndarray, diameter_mm: np.ndarray, is_calcified: np.ndarray) -> np.ndarray:
        """P (N,) of nodules from the network's P (N,), their measured diameters and whether they are calcified."""
        by_network = logits(network)
        by_outline = outline_features(diameter_mm, is_calcified) @ (self.doubling, self.calcified)
        fused = self.network * by_network + by_outline + self.intercept
        return np.asarray(expit(np.minimum(fused, by_network + np.log(MOST_RAISED))))


def logits(probability: np.ndarray) -> np.ndarray:
    """Of probabilities (N,), none infinite."""
    return np.asarray(logit(np.clip(probability, _CLIP, 1 - _CLIP)))


def outline_features(diameter_mm: np.ndarray, is_calcified: np.ndarray) -> np.ndarray:
    """What is weighed of outlines, (N, 2): doublings of the diameter of 8 mm, calcified or not."""
    return np.stack([np.log2(np.clip(diameter_mm, *DIAMETERS_MM) / REFERENCE_MM), is_calcified], axis=-1).astype(float)


def rated_by_outline(nodule: Nodule, fusion: LateFusion | None) -> Nodule:
    """The nodule with the malignancy that its outline gives it, where the model fuses, and it has both."""
    if fusion is None or nodule.malignancy is None or nodule.diameter_mm is None or nodule.is_box:
        return nodule
    known = (nodule.malignancy, nodule.diameter_mm, nodule.type == CALCIFIED)
    (fused,) = fusion.malignancy(*(np.array([value]) for value in known)).tolist()
    return replace(nodule, malignancy=fused, network_malignancy=nodule.malignancy)


def rated_by_outlines(result: CaseResult, fusion: LateFusion | None) -> CaseResult:
    """The case with its nodules rated by their outlines: those that count in their new order, the score joined anew.

    Which ones count stays as it is. One without an outline that lies in another's is the same nodule found twice: it is
    no more suspicious than that.
    """
    if fusion is None:
        return result
    by_rank = {nodule.rank: rated_by_outline(nodule, fusion) for nodule in result.nodules}
    nodules = [_at_most(nodule, by_rank.get(_label_at(result, nodule))) for nodule in by_rank.values()]
    counted = [nodule for nodule in nodules if nodule.scored]
    counted.sort(key=lambda nodule: -nodule.expected_malignancy)
    label_of = np.arange(np.iinfo(np.uint8).max + 1, dtype=np.uint8)
    label_of[[nodule.rank for nodule in counted]] = range(1, len(counted) + 1)
    ranked = [replace(nodule, rank=int(label_of[nodule.rank])) for nodule in (*counted, *nodules[len(counted) :])]
    labels = None if result.nodule_labels is None else label_of[result.nodule_labels]
    return replace(result, nodules=tuple(ranked), nodule_labels=labels).rescored(range(1, len(counted) + 1))


def _at_most(nodule: Nodule, same: Nodule | None) -> Nodule:
    """A nodule that was not fused, no more suspicious than the one that is the same, if any.

    One that counts is compared with others that count alone: what was asked about beside them changes no score.
    """
    if same is None or nodule.malignancy is None or same.malignancy is None or (nodule.scored and not same.scored):
        return nodule
    if nodule.network_malignancy is not None or nodule.malignancy <= same.malignancy:
        return nodule
    return replace(nodule, malignancy=same.malignancy, network_malignancy=nodule.malignancy)


def _label_at(result: CaseResult, nodule: Nodule) -> int:
    """The rank of the nodule in whose outline a nodule's centre lies; 0 where there is none."""
    if result.nodule_labels is None or result.volume is None:
        return 0
    kji = np.rint(world_to_index(result.volume.kji_to_lps, np.array([nodule.center_lps_mm]))[0]).astype(int)
    inside = ((kji >= 0) & (kji < result.nodule_labels.shape)).all()
    return int(result.nodule_labels[tuple(kji)]) if inside else 0
