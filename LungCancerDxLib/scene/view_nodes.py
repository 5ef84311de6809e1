"""How a saved scene looks when it is opened: the CT in three planes through the first nodule, and 3D."""

from __future__ import annotations

import slicer

from .case_nodes import CaseNodes

SLICE_VIEWS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}
"""Slicer's own slice views and their orientation."""


def show_in_views(scene: slicer.vtkMRMLScene, nodes: CaseNodes) -> None:
    """Add the nodes of the views to a scene of our own, showing a case. Inside the application its views are there."""
    for name, orientation in SLICE_VIEWS.items():
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLScene(scene)
        slice_node = logic.AddSliceNode(name)
        slice_node.SetOrientation(orientation)
        logic.GetSliceCompositeNode().SetBackgroundVolumeID(nodes.ct.GetID())
        logic.FitSliceToBackground()
        jump_to_first_nodule(slice_node, nodes)
        logic.SetMRMLScene(None)
    layout = slicer.vtkMRMLLayoutLogic()
    layout.SetMRMLScene(scene)
    layout.GetLayoutNode().SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    layout.SetMRMLScene(None)
    scene.GetFirstNodeByClass("vtkMRMLSelectionNode").SetActiveVolumeID(nodes.ct.GetID())


def jump_to_first_nodule(slice_node: slicer.vtkMRMLSliceNode, nodes: CaseNodes) -> None:
    """Move a slice view to the plane of the first nodule, where there is one."""
    if nodes.markups.GetNumberOfControlPoints():
        world = [0.0, 0.0, 0.0]
        nodes.markups.GetNthControlPointPositionWorld(0, world)
        slice_node.JumpSliceByOffsetting(*world)
