"""Items of the subject hierarchy come and go with the nodes, as they do in the application and not in a plain scene.

Simpler than Slicer: every node of a class that has a place in the Data module gets an item under the scene; Slicer
asks a plugin for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import slicer
import vtk

_CLASSES = (
    "vtkMRMLDisplayableNode",
    "vtkMRMLTransformNode",
    "vtkMRMLTableNode",
    "vtkMRMLTextNode",
    "vtkMRMLSequenceNode",
)


@contextmanager
def automatic_items(scene: slicer.vtkMRMLScene) -> Iterator[None]:
    """While the block runs, nodes have items by themselves; during closing and opening of a scene, at its end."""
    tags = [
        scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, lambda _scene, _event: _add_missing(scene)),
        scene.AddObserver(slicer.vtkMRMLScene.EndBatchProcessEvent, lambda _scene, _event: _add_missing(scene)),
        scene.AddObserver(slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, _remover(scene)),
    ]
    try:
        yield
    finally:
        for tag in tags:
            scene.RemoveObserver(tag)


def _add_missing(scene: slicer.vtkMRMLScene) -> None:
    if scene.IsBatchProcessing():
        return
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    if hierarchy is None:
        return
    for n in range(scene.GetNumberOfNodes()):
        node = scene.GetNthNode(n)
        listed = not node.GetHideFromEditors() and any(node.IsA(name) for name in _CLASSES)
        if listed and not hierarchy.GetItemByDataNode(node):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)


def _remover(scene: slicer.vtkMRMLScene):
    @vtk.calldata_type(vtk.VTK_OBJECT)
    def remove(_scene: slicer.vtkMRMLScene, _event: str, node: slicer.vtkMRMLNode) -> None:
        if scene.IsBatchProcessing():
            return
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        item = hierarchy.GetItemByDataNode(node) if hierarchy is not None and node is not hierarchy else 0
        if item:
            hierarchy.RemoveItem(item, False, False)

    return remove
