"""Moving the views to a nodule and back to the whole."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from ..case import CaseResult, Nodule
from ..scene import CaseNodes, nodule_segment_id, ras_mm

_PALE = 0.35
_SAME_PLACE_MM = 0.01


def likely_ct(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLScalarVolumeNode | None:
    """The scalar volume that the views show, or else the first one; label maps and colour volumes are none."""
    nodes = [
        scene.GetNthNodeByClass(n, "vtkMRMLScalarVolumeNode")
        for n in range(scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode"))
    ]
    volumes = [node for node in nodes if node.GetClassName() == "vtkMRMLScalarVolumeNode"]
    shown = slicer.app.applicationLogic().GetSelectionNode().GetActiveVolumeID()
    return next((node for node in volumes if node.GetID() == shown), volumes[0] if volumes else None)


def world_ras_mm(nodes: CaseNodes, nodule: Nodule) -> np.ndarray:
    """Where a nodule is in the scene: its centre under the CT's parent transform."""
    to_world = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(nodes.ct.GetParentTransformNode(), None, to_world)
    return np.array(to_world.TransformPoint(ras_mm(nodule.center_lps_mm)))


def jump_to(nodes: CaseNodes, nodule: Nodule) -> None:
    """Centre all slice views and the 3D cameras on a nodule."""
    scene, place = nodes.ct.GetScene(), world_ras_mm(nodes, nodule)
    slicer.vtkMRMLSliceNode.JumpAllSlices(scene, *place, slicer.vtkMRMLSliceNode.CenteredJumpSlice)
    for n in range(scene.GetNumberOfNodesByClass("vtkMRMLCameraNode")):
        camera = scene.GetNthNodeByClass(n, "vtkMRMLCameraNode")
        way = place - np.array(camera.GetFocalPoint())
        camera.SetPosition(*(np.array(camera.GetPosition()) + way))
        camera.SetFocalPoint(*place)
        camera.ResetClippingRange()


def show_ct(ct_node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Show a CT in all slice views, fitted."""
    selection = slicer.app.applicationLogic().GetSelectionNode()
    selection.SetActiveVolumeID(ct_node.GetID())
    slicer.app.applicationLogic().PropagateVolumeSelection(True)


def fit_views() -> None:
    """Show the whole CT in the slice views, and all there is in 3D; nothing where there are no views."""
    layout = slicer.app.layoutManager()
    if layout is None:
        return
    layout.resetSliceViews()
    for n in range(layout.threeDViewCount):
        layout.threeDWidget(n).threeDView().resetFocalPoint()


def highlight(nodes: CaseNodes, result: CaseResult, nodule: Nodule) -> None:
    """Have one nodule stand out: its point active, the outlines of the others paler."""
    point = _point_of(nodes, nodule)
    if point is not None and nodes.markups.GetDisplayNode() is not None:
        nodes.markups.GetDisplayNode().SetActiveControlPoint(point)
    if nodes.segmentation is not None and nodes.segmentation.GetDisplayNode() is not None:
        display = nodes.segmentation.GetDisplayNode()
        modifying = display.StartModify()
        for each in result.nodules:
            if nodes.segmentation.GetSegmentation().GetSegment(nodule_segment_id(each.rank)) is not None:
                opacity = 1.0 if each.rank == nodule.rank else _PALE
                display.SetSegmentOpacity2DOutline(nodule_segment_id(each.rank), opacity)
        display.EndModify(modifying)


def nodule_of_point(nodes: CaseNodes, result: CaseResult, index: int) -> Nodule | None:
    """The nodule of a control point, by its place: the user may have deleted others."""
    return next((nodule for nodule in result.nodules if index in _points_at(nodes, nodule)), None)


def _point_of(nodes: CaseNodes, nodule: Nodule) -> int | None:
    return next(iter(_points_at(nodes, nodule)), None)


def _points_at(nodes: CaseNodes, nodule: Nodule) -> list[int]:
    """Control points that lie where a nodule does."""
    if nodes.markups is None:
        return []
    points = [nodes.markups.GetNthControlPointPosition(n) for n in range(nodes.markups.GetNumberOfControlPoints())]
    distance_mm = [np.linalg.norm(np.array(point) - ras_mm(nodule.center_lps_mm)) for point in points]
    return [n for n, distance in enumerate(distance_mm) if distance < _SAME_PLACE_MM]
