"""The case in text nodes: its JSON, from which everything can be had again, and a summary to read."""

from __future__ import annotations

import slicer

from ..case import CaseResult
from .wording import case_headline, case_summary


def add_case_text(scene: slicer.vtkMRMLScene, result: CaseResult, name: str) -> slicer.vtkMRMLTextNode:
    """Add the content of `case.json`."""
    node = scene.AddNewNodeByClass("vtkMRMLTextNode", name)
    update_case_text(node, result)
    return node


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
