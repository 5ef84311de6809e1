"""The nodules as fiducial markups, a point a nodule with its figures, and as a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import slicer
import vtk

from ...case import CaseResult, Nodule
from ...names import capitalised, figure_text
from .ct import ras_mm
from .text import nodule_description, nodule_label

Colour = tuple[float, float, float]

UNCLASSIFIED: Colour = (0.65, 0.65, 0.65)
_MALIGNANCY_STOPS = (0.0, 0.5, 1.0)
_MALIGNANCY_COLOURS: tuple[Colour, ...] = ((0.17, 0.48, 0.71), (1.0, 0.85, 0.18), (0.84, 0.10, 0.11))
_SCORED_POINT: Colour = (1.0, 0.62, 0.10)
_UNSCORED_POINT: Colour = (0.62, 0.62, 0.62)
_GLYPH_MM = 4.0
_POINTS = "LungCancerDx.Points"

_MEASUREMENTS: dict[str, Callable[[Nodule], float | None]] = {
    "confidence": lambda nodule: nodule.confidence,
    "malignancy": lambda nodule: nodule.malignancy,
    "contribution": lambda nodule: nodule.contribution,
    "diameter": lambda nodule: None if nodule.is_box else nodule.diameter_mm,
}
_COLUMNS: dict[str, Callable[[Nodule], str]] = {
    "Rank": lambda n: str(n.rank),
    "Counts": lambda n: "yes" if n.scored else "no",
    "{score_name}": lambda n: figure_text(n.malignancy, ".3f"),
    "Share of evidence": lambda n: figure_text(n.contribution, ".3f"),
    "Confidence of detection": lambda n: figure_text(n.confidence, ".3f"),
    "Diameter (mm)": lambda n: figure_text(None if n.is_box else n.diameter_mm, ".1f"),
    "Detector's box (mm)": lambda n: figure_text(n.box_diameter_mm, ".1f"),
    "Longest axial diameter (mm)": lambda n: figure_text(n.longest_axial_diameter_mm, ".1f"),
    "Solid part (mm)": lambda n: figure_text(n.solid_component_mm, ".1f"),
    "Volume (mm3)": lambda n: figure_text(n.volume_mm3, ".0f"),
    "Mean HU": lambda n: figure_text(n.mean_hu, ".0f"),
    "Type": lambda n: n.type or "",
    "Side": lambda n: n.side or "",
    "Third": lambda n: n.third or "",
    "Distance to pleura (mm)": lambda n: figure_text(n.distance_to_pleura_mm, ".1f"),
    "Source": lambda n: n.source,
    "L (mm)": lambda n: figure_text(n.center_lps_mm[0], ".1f"),
    "P (mm)": lambda n: figure_text(n.center_lps_mm[1], ".1f"),
    "S (mm)": lambda n: figure_text(n.center_lps_mm[2], ".1f"),
}


def malignancy_colour(malignancy: float | None) -> Colour:
    """RGB in 0..1 of a malignancy in 0..1, or of none."""
    if malignancy is None:
        return UNCLASSIFIED
    r, g, b = (float(np.interp(malignancy, _MALIGNANCY_STOPS, c)) for c in zip(*_MALIGNANCY_COLOURS, strict=True))
    return r, g, b


def add_markups(scene: slicer.vtkMRMLScene, result: CaseResult, name: str) -> slicer.vtkMRMLMarkupsFiducialNode:
    """Add the nodules of a case as points, in the CT's own frame (parent transforms are the caller's).

    Each point is locked in its place; the node is not, so that a click on a point still jumps to it.
    """
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetUseGlyphScale(False)
    display.SetGlyphSize(_GLYPH_MM)
    display.SetGlyphTypeFromString("CrossDot2D")
    display.SetTextScale(3.5)
    display.SetSelectedColor(*_SCORED_POINT)
    display.SetColor(*_UNSCORED_POINT)
    display.SetPropertiesLabelVisibility(False)
    display.SetOccludedVisibility(True)
    node.SetControlPointLabelFormat("%d")
    update_markups(node, result)
    return node


def update_markups(node: slicer.vtkMRMLMarkupsFiducialNode, result: CaseResult) -> None:
    """Bring points, labels, selection and measurements in line with a case.

    A point is selected where its nodule counts in the case's score. Measurements are per point, NaN where a figure is
    not known; one that no nodule has is left out. Points that the user added stay.
    """
    modifying = node.StartModify()
    ours = _own_points(node)
    for index in sorted(ours[len(result.nodules) :], reverse=True):
        node.RemoveNthControlPoint(index)
    ours = _own_points(node)
    for number, nodule in enumerate(result.nodules):
        position = ras_mm(nodule.center_lps_mm)
        if number == len(ours):
            ours.append(node.AddControlPoint(vtk.vtkVector3d(*position)))
        index = ours[number]
        node.SetNthControlPointPosition(index, *position)
        node.SetNthControlPointLabel(index, nodule_label(nodule))
        node.SetNthControlPointDescription(index, nodule_description(nodule, result.nodule_score_name))
        node.SetNthControlPointSelected(index, nodule.scored)
        node.SetNthControlPointLocked(index, True)
    node.SetAttribute(_POINTS, " ".join(node.GetNthControlPointID(index) for index in ours))
    node.RemoveAllMeasurements()
    for name, figure_of in _MEASUREMENTS.items():
        figures: list[float | None] = [None] * node.GetNumberOfControlPoints()
        for index, nodule in zip(ours, result.nodules, strict=True):
            figures[index] = figure_of(nodule)
        _add_measurement(node, name, figures)
    node.EndModify(modifying)


def has_points_of_the_user(node: slicer.vtkMRMLMarkupsFiducialNode) -> bool:
    """Whether there are points that the user added to those of the nodules."""
    return bool(len(_own_points(node)) < node.GetNumberOfControlPoints())


def _own_points(node: slicer.vtkMRMLMarkupsFiducialNode) -> list[int]:
    """The indices of the points that nodules have, in their order; those that the user added are none."""
    indices = range(node.GetNumberOfControlPoints())
    known = node.GetAttribute(_POINTS)
    if known is None:  # of a version before: nodules' points are locked
        return [index for index in indices if node.GetNthControlPointLocked(index)]
    index_of = {node.GetNthControlPointID(index): index for index in indices}
    return [index_of[each] for each in known.split() if each in index_of]


def _add_measurement(node: slicer.vtkMRMLMarkupsFiducialNode, name: str, figures: Sequence[float | None]) -> None:
    if all(figure is None for figure in figures):
        return
    values = vtk.vtkDoubleArray()
    values.SetName(name)
    for figure in figures:
        values.InsertNextValue(math.nan if figure is None else figure)
    measurement = slicer.vtkMRMLStaticMeasurement()
    measurement.SetName(name)
    measurement.SetUnits("mm" if name == "diameter" else "")
    measurement.SetControlPointValues(values)
    node.AddMeasurement(measurement)


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
        column.SetName(title.format(score_name=capitalised(result.nodule_score_name)))
        for nodule in result.nodules:
            column.InsertNextValue(text_of(nodule))
        node.AddColumn(column)
    node.SetLocked(True)
    node.EndModify(modifying)
