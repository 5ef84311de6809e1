"""The case from its nodules: which are classified, which count, and what they add up to (section V)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ..case import Evidence, combine
from ..detection.proposals import Proposals
from ..errors import UsageError
from ..networks.cnet import CNet
from ..preprocessing import WorkingScan
from ..preset import Preset
from ..runtime.device import Compute
from ..runtime.progress import Progress, silent
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
    scan: WorkingScan,
    proposals: Proposals,
    points_kji: np.ndarray,
    net: CNet,
    preset: Preset,
    compute: Compute,
    also: Collection[int] = (),
    progress: Progress = silent,
) -> ScoredCase:
    """Classify the nodules that count (the best five above the threshold) and join them.

    Parameters
    ----------
    proposals
        Best first.
    points_kji
        (M, 3) further spots to classify, in working voxels; they do not count.
    also
        Ranks (from 1) of further nodules to classify, which do not count either. The points, whose ranks follow those
        of the proposals, are classified anyway.

    Raises
    ------
    OutOfMemoryError, ModelError
    UsageError
        For a rank that this case does not have.
    """
    scored = int((proposals.logit[: preset.scored_nodules] > preset.score_above_logit).sum())
    _check_ranks(also, len(proposals) + len(points_kji))
    classified = sorted({*range(scored), *(rank - 1 for rank in also if rank <= len(proposals))})
    centers_kji = np.concatenate([proposals.center_kji[classified], points_kji])
    nodules = classify_nodules(scan, centers_kji, net, preset, compute, progress)
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
        known = [None] * len(centers_kji)
    else:
        known = nodules.malignancy.tolist()
        evidence = combine(net.join, known[:scored], leak, blank_malignancy, blank_count)
    of_proposal = dict(zip(classified, known, strict=False))
    malignancy = (*(of_proposal.get(n) for n in range(len(proposals))), *known[len(classified) :])
    return ScoredCase(malignancy, scored, evidence, leak, blank_malignancy, blank_count, warnings)


def _check_ranks(ranks: Collection[int], listed: int) -> None:
    unknown = sorted(rank for rank in ranks if not 1 <= rank <= listed)
    if unknown:
        there = f"its nodules have the ranks 1 to {listed}" if listed else "no nodules were found in it"
        raise UsageError(f"This case has no nodule of rank {', '.join(map(str, unknown))}: {there}.")
