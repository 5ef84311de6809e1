"""The case in text nodes: its JSON, from which everything can be had again, and a summary to read.

What the user overrules changes the JSON; which nodules the model itself counted stays beside it.
"""

from __future__ import annotations

import slicer

from ..case import CaseResult
from .wording import case_headline, case_summary


def add_case_text(scene: slicer.vtkMRMLScene, result: CaseResult, name: str) -> slicer.vtkMRMLTextNode:
    """Add the content of `case.json`."""
    node = scene.AddNewNodeByClass("vtkMRMLTextNode", name)
    node.SetAttribute(_COUNTED, " ".join(str(nodule.rank) for nodule in result.nodules if nodule.scored))
    update_case_text(node, result)
    return node


def case_result(node: slicer.vtkMRMLTextNode) -> CaseResult:
    """The case that a text node holds; its label maps are in the segmentation.

    Raises
    ------
    LungCancerDxError
        Where the text is no case.
    """
    return CaseResult.from_json(node.GetText() or "")


def counted_by_model(node: slicer.vtkMRMLTextNode) -> frozenset[int]:
    """The ranks that counted before the user changed anything."""
    return frozenset(int(rank) for rank in (node.GetAttribute(_COUNTED) or "").split())


def update_case_text(node: slicer.vtkMRMLTextNode, result: CaseResult) -> None:
    """Bring the JSON in line with a case."""
    node.SetText(result.to_json())
    node.SetDescription(case_headline(result))


def add_summary(scene: slicer.vtkMRMLScene, result: CaseResult, name: str) -> slicer.vtkMRMLTextNode:
    """Add the summary."""
    node = scene.AddNewNodeByClass("vtkMRMLTextNode", name)
    update_summary(node, result)
    return node


def update_summary(node: slicer.vtkMRMLTextNode, result: CaseResult) -> None:
    """Bring the summary in line with a case."""
    node.SetText(case_summary(result))
    node.SetDescription(case_headline(result))


_COUNTED = "LungCancerDx.CountedByModel"
