"""The case that the panel shows."""

from __future__ import annotations

from dataclasses import dataclass

import slicer

from ..case import CaseResult
from ..errors import LungCancerDxError
from ..scene import CaseNodes, case_result, cases_of
from .overruling import by_model


@dataclass(frozen=True)
class ShownCase:
    """A case with its nodes; `by_model` is the case as the model itself counted, where the user has overruled it."""

    nodes: CaseNodes
    result: CaseResult
    by_model: CaseResult | None


def latest_case(ct_node: slicer.vtkMRMLScalarVolumeNode | None) -> ShownCase | None:
    """The last case of a CT in the scene, where there is one.

    Raises
    ------
    LungCancerDxError
        Where its text is damaged.
    """
    cases = cases_of(ct_node) if ct_node is not None and ct_node.GetScene() is not None else []
    if not cases:
        return None
    try:
        result = case_result(cases[-1].case)
        return ShownCase(cases[-1], result, by_model(result, cases[-1]))
    except (LungCancerDxError, ValueError) as error:
        raise LungCancerDxError("The case of this CT in the scene is damaged; run again.") from error
