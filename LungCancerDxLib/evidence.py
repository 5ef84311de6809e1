"""What the malignancies of nodules add up to for the case: section V's joins in closed form, without torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .errors import UsageError
from .names import FEATURE_COMBINING, MAX_P

_ALMOST_ONE = 1 - 1e-7


@dataclass(frozen=True)
class Evidence:
    """score: the case's. shares: of each nodule, leak and blanks, summing to one; None where the join has none."""

    score: float
    shares: tuple[float | None, ...]
    leak_share: float | None
    blank_share: float | None


def combine(
    join: str, malignancy: Sequence[float], leak: float | None, blank_malignancy: float | None, blank_count: int
) -> Evidence:
    """The case's score from the malignancies P_i of the nodules that count.

    With a noisy-or join a share is -log(1 - P_i) over -log(1 - P): the evidence adds up to that of the case. The
    probabilities are clamped to 1 - 1e-7 for it; without evidence (P = 0) there are no shares.

    Parameters
    ----------
    leak
        Pd of Eq. 5; None for joins without.
    blank_malignancy, blank_count
        The malignancy of a blank proposal and how many of them count; None and 0 where blanks are ignored.

    Raises
    ------
    UsageError
        For feature combining, which has no closed form over nodules.
    """
    check_overrulable(join)
    blanks = [blank_malignancy] * blank_count if blank_malignancy is not None else []
    if join == MAX_P:
        return Evidence(max([*malignancy, *blanks], default=0.0), (None,) * len(malignancy), None, None)
    nodules = [_evidence(p) for p in malignancy]
    leaked = _evidence(leak or 0.0)
    blank = sum(_evidence(p) for p in blanks)
    total = math.fsum((*nodules, leaked, blank))  # whatever their order
    score = -math.expm1(-total)
    if total == 0:
        return Evidence(score, (None,) * len(nodules), None, None)
    return Evidence(
        score,
        tuple(e / total for e in nodules),
        leaked / total if leak is not None else None,
        blank / total if blanks else None,
    )


def expected(malignancy: float, confidence: float | None) -> float:
    """P_i times the confidence that there is a nodule, where P_i says how it looks, not whether it is one.

    A user's own point, which has no confidence, is one for certain.
    """
    return malignancy if confidence is None else malignancy * confidence


def check_overrulable(join: str) -> None:
    """Raise `UsageError` for a join whose nodules have no score of their own."""
    if join == FEATURE_COMBINING:
        raise UsageError(f"A case scored by {join} cannot be overruled: its nodules have no score of their own.")


def _evidence(probability: float) -> float:
    return -math.log1p(-min(probability, _ALMOST_ONE))
