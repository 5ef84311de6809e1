"""The nodules as a table of text, as a person reads it; the exact figures are in the case's JSON."""

from __future__ import annotations

from collections.abc import Callable

import slicer
import vtk

from ..case import CaseResult, Nodule

_COLUMNS: dict[str, Callable[[Nodule], str]] = {
    "Rank": lambda n: str(n.rank),
    "Counts": lambda n: "yes" if n.scored else "no",
    "{score_name}": lambda n: _figure(n.malignancy, 3),
    "Share of evidence": lambda n: _figure(n.contribution, 3),
    "Confidence of detection": lambda n: _figure(n.confidence, 3),
    "Diameter (mm)": lambda n: _figure(n.diameter_mm, 1),
    "Longest axial diameter (mm)": lambda n: _figure(n.longest_axial_diameter_mm, 1),
    "Volume (mm3)": lambda n: _figure(n.volume_mm3, 0),
    "Mean HU": lambda n: _figure(n.mean_hu, 0),
    "Type": lambda n: n.type or "",
    "Side": lambda n: n.side or "",
    "Third": lambda n: n.third or "",
    "Distance to pleura (mm)": lambda n: _figure(n.distance_to_pleura_mm, 1),
    "Source": lambda n: n.source,
    "L (mm)": lambda n: _figure(n.center_lps_mm[0], 1),
    "P (mm)": lambda n: _figure(n.center_lps_mm[1], 1),
    "S (mm)": lambda n: _figure(n.center_lps_mm[2], 1),
}


def add_table(scene: slicer.vtkMRMLScene, result: CaseResult, name: str) -> slicer.vtkMRMLTableNode:
    """Add the table of a case: a row a nodule, empty where a figure is not known."""
    node = scene.AddNewNodeByClass("vtkMRMLTableNode", name)
    node.SetUseColumnTitleAsColumnHeader(True)
    update_table(node, result)
    return node


def update_table(node: slicer.vtkMRMLTableNode, result: CaseResult) -> None:
    """Bring a table in line with a case."""
    modifying = node.StartModify()
    node.RemoveAllColumns()
    for title, text_of in _COLUMNS.items():
        column = vtk.vtkStringArray()
        column.SetName(title.format(score_name=_capitalised(result.case.score_name)))
        for nodule in result.nodules:
            column.InsertNextValue(text_of(nodule))
        node.AddColumn(column)
    node.SetLocked(True)
    node.EndModify(modifying)


def _figure(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:.{decimals}f}"


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
