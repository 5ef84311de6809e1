"""The results' place in the subject hierarchy: a folder beside the CT.

Inside the application every node gets an item by itself; in a plain scene it does not, and is given one here.
"""

from __future__ import annotations

from collections.abc import Iterable

import slicer


def file_in_folder(
    scene: slicer.vtkMRMLScene, ct_node: slicer.vtkMRMLVolumeNode, nodes: Iterable[slicer.vtkMRMLNode], name: str
) -> int:
    """Put nodes in a new folder beside the CT (under the CT's parent item); returns the folder's item."""
    hierarchy = _hierarchy(scene)
    parent = hierarchy.GetItemParent(_item(hierarchy, ct_node, hierarchy.GetSceneItemID()))
    folder = hierarchy.CreateFolderItem(parent, name)
    hierarchy.SetItemAttribute(folder, _MARK, "1")
    for node in nodes:
        hierarchy.SetItemParent(_item(hierarchy, node, folder), folder)
    return folder


def folder_of(node: slicer.vtkMRMLNode) -> int:
    """The item above a node's own; 0 where it has none."""
    hierarchy = _hierarchy(node.GetScene())
    item = hierarchy.GetItemByDataNode(node)
    return hierarchy.GetItemParent(item) if item else 0


def rename_folder(scene: slicer.vtkMRMLScene, folder: int, name: str) -> None:
    """Give a folder of ours another name; items that are none are left alone."""
    if _is_ours(_hierarchy(scene), folder):
        _hierarchy(scene).SetItemName(folder, name)


def forget(node: slicer.vtkMRMLNode) -> None:
    """Remove a node's item, not the node."""
    hierarchy = _hierarchy(node.GetScene())
    item = hierarchy.GetItemByDataNode(node)
    if item:
        hierarchy.RemoveItem(item, False, True)


def remove_folder_if_empty(scene: slicer.vtkMRMLScene, folder: int) -> None:
    """Remove a folder of ours, unless somebody keeps other things in it."""
    hierarchy = _hierarchy(scene)
    if _is_ours(hierarchy, folder) and not hierarchy.GetNumberOfItemChildren(folder):
        hierarchy.RemoveItem(folder, True, False)


_MARK = "LungCancerDx.Folder"


def _is_ours(hierarchy: slicer.vtkMRMLSubjectHierarchyNode, item: int) -> bool:
    return bool(item) and item != hierarchy.GetSceneItemID() and hierarchy.HasItemAttribute(item, _MARK)


def _hierarchy(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLSubjectHierarchyNode:
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)


def _item(hierarchy: slicer.vtkMRMLSubjectHierarchyNode, node: slicer.vtkMRMLNode, parent: int) -> int:
    return hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(parent, node)
