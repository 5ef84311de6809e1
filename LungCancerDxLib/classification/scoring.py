"""The case from its nodules: which are classified, which count, and what they add up to (section V)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..compute import Compute
from ..evidence import Evidence, combine
from ..networks.cnet import CNet
from ..preprocessing import Preprocessed
from ..preset import Preset
from ..progress import Progress, silent
from .classifier import case_probability, classify_blank, classify_nodules


@dataclass(frozen=True)
class ScoredCase:
    """What the classifier says of a case.

    Parameters
    ----------
    malignancy
        P_i of every proposal in order, then of every point; None where it was not asked for or the join has none.
    scored
        How many of the proposals, from the best on, count.
    evidence
        The case's score, and the shares of the proposals that count.
    leak, blank_malignancy, blank_count
        Pd of Eq. 5 and what the blanks add, None and 0 where there are none.
    """

    malignancy: tuple[float | None, ...]
    scored: int
    evidence: Evidence
    leak: float | None
    blank_malignancy: float | None
    blank_count: int
    warnings: tuple[str, ...]


def score_case(
    scan: Preprocessed,
    proposals: np.ndarray,
    points_kji: np.ndarray,
    net: CNet,
    preset: Preset,
    compute: Compute,
    classify_all: bool = False,
    progress: Progress = silent,
) -> ScoredCase:
    """Classify the nodules that count (the best five above the threshold) and join them.

    Parameters
    ----------
    proposals
        (N, 5) logit, k, j, i, d in working voxels, best first.
    points_kji
        (M, 3) further spots to classify, in working voxels; they do not count.
    classify_all
        Classify all proposals, not only those that count.

    Raises
    ------
    OutOfMemoryError, ModelError
    """
    scored = int((proposals[: preset.scored_nodules, 0] > preset.score_above_logit).sum())
    classified = len(proposals) if classify_all else scored
    centers = np.concatenate([proposals[:classified, 1:4], points_kji])
    nodules = classify_nodules(scan, centers, net, preset, compute, progress)
    blank_count = preset.scored_nodules - scored if preset.blanks_scored else 0
    blank = classify_blank(net, preset, compute) if blank_count else None
    blank_malignancy = None if blank is None or blank.malignancy is None else float(blank.malignancy[0])
    warnings = nodules.warnings + (blank.warnings if blank else ())
    leak = None if net.leak is None else net.leak.item()
    if nodules.malignancy is None:
        features = nodules.features[:scored]
        if blank is not None:
            features = np.concatenate([features, np.repeat(blank.features, blank_count, axis=0)])
        evidence = Evidence(case_probability(features, net), (None,) * scored, None, None)
        known = [None] * len(centers)
    else:
        known = nodules.malignancy.tolist()
        evidence = combine(net.join.name, known[:scored], leak, blank_malignancy, blank_count)
    not_classified = [None] * (len(proposals) - classified)
    malignancy = (*known[:classified], *not_classified, *known[classified:])
    return ScoredCase(malignancy, scored, evidence, leak, blank_malignancy, blank_count, warnings)
