"""The nodules as fiducial markups: a point a nodule, with its figures."""

from __future__ import annotations

import math

import slicer
import vtk

from ..case import CaseResult
from .colours import SCORED_POINT, UNSCORED_POINT
from .geometry import ras_mm
from .wording import nodule_description, nodule_label

GLYPH_MM = 4.0
_MEASUREMENTS = {
    "confidence": lambda nodule: nodule.confidence,
    "malignancy": lambda nodule: nodule.malignancy,
    "contribution": lambda nodule: nodule.contribution,
    "diameter": lambda nodule: nodule.diameter_mm,
}


def add_markups(scene: slicer.vtkMRMLScene, result: CaseResult, name: str) -> slicer.vtkMRMLMarkupsFiducialNode:
    """Add the nodules of a case as points, in the CT's own frame (parent transforms are the caller's).

    Each point is locked in its place; the node is not, so that a click on a point still jumps to it.
    """
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetUseGlyphScale(False)
    display.SetGlyphSize(GLYPH_MM)
    display.SetGlyphTypeFromString("CrossDot2D")
    display.SetTextScale(3.5)
    display.SetSelectedColor(*SCORED_POINT)
    display.SetColor(*UNSCORED_POINT)
    display.SetPropertiesLabelVisibility(False)
    display.SetOccludedVisibility(True)
    node.SetControlPointLabelFormat("%d")
    update_markups(node, result)
    return node


def update_markups(node: slicer.vtkMRMLMarkupsFiducialNode, result: CaseResult) -> None:
    """Bring points, labels, selection and measurements in line with a case.

    A point is selected where its nodule counts in the case's score. Measurements are per point, NaN where a figure is
    not known; one that no nodule has is left out.
    """
    modifying = node.StartModify()
    for index, nodule in enumerate(result.nodules):
        position = ras_mm(nodule.center_lps_mm)
        if index == node.GetNumberOfControlPoints():
            node.AddControlPoint(vtk.vtkVector3d(*position))
        else:
            node.SetNthControlPointPosition(index, *position)
        node.SetNthControlPointLabel(index, nodule_label(nodule))
        node.SetNthControlPointDescription(index, nodule_description(nodule, result.case.score_name))
        node.SetNthControlPointSelected(index, nodule.scored)
        node.SetNthControlPointLocked(index, True)
    while node.GetNumberOfControlPoints() > len(result.nodules):
        node.RemoveNthControlPoint(node.GetNumberOfControlPoints() - 1)
    node.RemoveAllMeasurements()
    for name, figure in _MEASUREMENTS.items():
        _add_measurement(node, name, [figure(nodule) for nodule in result.nodules])
    node.EndModify(modifying)


def _add_measurement(node: slicer.vtkMRMLMarkupsFiducialNode, name: str, figures: list[float | None]) -> None:
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
