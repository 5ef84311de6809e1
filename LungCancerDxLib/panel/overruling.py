"""The user's say in which nodules count."""

from __future__ import annotations

from ..case import CaseResult
from ..errors import UsageError
from ..evidence import check_overrulable
from ..scene import CaseNodes, counted_by_model


def can_overrule(result: CaseResult) -> bool:
    """Whether the case's join gives its nodules a score of their own."""
    try:
        check_overrulable(result.case.join)
    except UsageError:
        return False
    return True


def ticked(result: CaseResult) -> frozenset[int]:
    """The ranks that count."""
    return frozenset(nodule.rank for nodule in result.nodules if nodule.scored)


def is_classified(result: CaseResult, rank: int) -> bool:
    """Whether a listed nodule has its malignancy, without which it cannot count."""
    return any(nodule.rank == rank and nodule.malignancy is not None for nodule in result.nodules)


def classified_beyond_model(result: CaseResult, nodes: CaseNodes) -> tuple[int, ...]:
    """The detected nodules that the model did not count and that have a malignancy all the same."""
    counted = counted_by_model(nodes.case)
    return tuple(
        n.rank for n in result.nodules if n.source == "detected" and n.malignancy is not None and n.rank not in counted
    )


def users_points_lps_mm(result: CaseResult) -> list[tuple[float, float, float]]:
    """The points that the user had classified, in their order."""
    return [nodule.center_lps_mm for nodule in result.nodules if nodule.source == "user"]


def by_model(result: CaseResult, nodes: CaseNodes) -> CaseResult | None:
    """The case as the model counted it; None where the user changed nothing."""
    counted = counted_by_model(nodes.case)
    return result.rescored(counted) if can_overrule(result) and counted != ticked(result) else None
