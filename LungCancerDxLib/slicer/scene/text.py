"""The case in text nodes: its JSON, from which everything can be had again, and a summary to read."""

from __future__ import annotations

import slicer

from ...case import CaseResult, Nodule
from ...names import OUTCOME_REMARKS, RESEARCH_USE_ONLY, figure_text


def nodule_label(nodule: Nodule) -> str:
    """Rank, and score where it is known: "1: 0.63"."""
    return f"{nodule.rank}" if nodule.malignancy is None else f"{nodule.rank}: {nodule.malignancy:.2f}"


def nodule_description(nodule: Nodule, score_name: str) -> str:
    """One line on a nodule: size, type, place, score and what became of it."""
    size = figure_text(nodule.diameter_mm, ".1f", " mm", "size unknown")
    parts = [
        f"about {size}, not outlined" if nodule.is_box else size,
        nodule.type or "type unknown",
        nodule.lung,
        f"{nodule.third} third" if nodule.third else "",
        "not classified" if nodule.malignancy is None else f"{score_name} {nodule.malignancy:.2f}",
        "" if nodule.contribution is None else f"{100 * nodule.contribution:.0f} % of the case's score",
        "" if nodule.scored else "does not count in the case's score",
        "set by the user" if nodule.source == "user" else "",
    ]
    return ", ".join(part for part in parts if part)


def case_headline(result: CaseResult) -> str:
    """The case's score with its name: "0.71 - model score (simulated outcomes)"."""
    return f"{result.case.score:.2f} - {result.score_label}"


def case_summary(result: CaseResult) -> str:
    """The case as a person reads it, a few lines."""
    case = result.case
    lines = [
        f"Case score: {case_headline(result)}",
        *([result.overruling] if result.overruling else []),
        result.joining,
        *(
            f"{name}: {100 * share:.0f} % of the score"
            for name, share in (("Leak (the model's own, no finding)", case.leak_share), ("Blanks", case.blank_share))
            if share is not None
        ),
        "",
        *(
            f"Nodule {nodule_label(nodule)} - {nodule_description(nodule, result.nodule_score_name)}"
            for nodule in result.nodules
        ),
        "",
        *(f"Warning: {warning}" for warning in result.warnings),
        f"{result.model_description}. {OUTCOME_REMARKS[result.model['outcome']]}",
        RESEARCH_USE_ONLY,
    ]
    return "\n".join(lines) + "\n"


def add_case_text(scene: slicer.vtkMRMLScene, result: CaseResult, name: str) -> slicer.vtkMRMLTextNode:
    """Add the content of `case.json`."""
    node = scene.AddNewNodeByClass("vtkMRMLTextNode", name)
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
