"""A case into a scene, its changes, and out again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields

import numpy as np
import slicer

from ...case import CaseResult
from .ct import check_linear, follow
from .nodules import add_markups, add_table, update_markups, update_table
from .segmentation import add_segmentation, update_segmentation
from .text import add_case_text, add_summary, case_headline, update_case_text, update_summary


@dataclass(frozen=True)
class CaseNodes:
    """The nodes of one case; all but `ct` are results. One that the user deleted is None or out of its scene."""

    case: slicer.vtkMRMLTextNode
    ct: slicer.vtkMRMLScalarVolumeNode
    markups: slicer.vtkMRMLMarkupsFiducialNode
    segmentation: slicer.vtkMRMLSegmentationNode
    table: slicer.vtkMRMLTableNode
    summary: slicer.vtkMRMLTextNode

    def results(self) -> Iterator[tuple[str, slicer.vtkMRMLNode]]:
        """Name of the part and node of each result that is still in a scene."""
        for part in fields(self):
            node = getattr(self, part.name)
            if part.name != "ct" and node is not None and node.GetScene() is not None:
                yield part.name, node


def remember(nodes: CaseNodes) -> None:
    """Have the case's node refer to the others, so that they are found again in an opened scene."""
    for part in fields(CaseNodes):
        if part.name != "case":
            nodes.case.SetNodeReferenceID(_role(part.name), getattr(nodes, part.name).GetID())


def find_cases(scene: slicer.vtkMRMLScene) -> list[CaseNodes]:
    """The cases of a scene, in the order in which they came."""
    texts = [
        scene.GetNthNodeByClass(n, "vtkMRMLTextNode") for n in range(scene.GetNumberOfNodesByClass("vtkMRMLTextNode"))
    ]
    return [
        CaseNodes(case=text, **{name: text.GetNodeReference(_role(name)) for name in _OTHERS})
        for text in texts
        if text.GetNodeReferenceID(_role("ct"))
    ]


def cases_of(ct_node: slicer.vtkMRMLScalarVolumeNode) -> list[CaseNodes]:
    """The cases that were computed from a CT, in the order in which they came."""
    return [nodes for nodes in find_cases(ct_node.GetScene()) if nodes.ct is ct_node]


_OTHERS = tuple(part.name for part in fields(CaseNodes) if part.name != "case")


def _role(part: str) -> str:
    return f"LungCancerDx.{part}"


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


_UPDATES = {
    "case": update_case_text,
    "markups": update_markups,
    "segmentation": update_segmentation,
    "table": update_table,
    "summary": update_summary,
}


def show_case(
    scene: slicer.vtkMRMLScene,
    result: CaseResult,
    ct_node: slicer.vtkMRMLScalarVolumeNode,
    lungs: np.ndarray,
    nodule_labels: np.ndarray,
) -> CaseNodes:
    """Add the results of a case to a scene, beside the CT and under the same linear transform.

    Parameters
    ----------
    ct_node
        The CT that the case was computed from; only its place is read.
    lungs
        (K, J, I) uint8 on the CT's own grid: 1 left lung, 2 right lung.
    nodule_labels
        (K, J, I) uint8 on the CT's own grid: the nodule's rank.

    Raises
    ------
    LungCancerDxError
        Where the CT is under a non-linear transform; the scene is as it was.
    ValueError
        Where the label maps are not on the CT's grid.
    """
    check_linear(ct_node)
    _check_grid(ct_node, lungs, nodule_labels)
    name = ct_node.GetName()
    nodes = CaseNodes(
        case=add_case_text(scene, result, scene.GenerateUniqueName(f"{name} case")),
        ct=ct_node,
        markups=add_markups(scene, result, scene.GenerateUniqueName(f"{name} nodules")),
        segmentation=add_segmentation(
            scene, result, ct_node, lungs, nodule_labels, scene.GenerateUniqueName(f"{name} segmentation")
        ),
        table=add_table(scene, result, scene.GenerateUniqueName(f"{name} nodule table")),
        summary=add_summary(scene, result, scene.GenerateUniqueName(f"{name} summary")),
    )
    follow(nodes.markups, ct_node)
    follow(nodes.segmentation, ct_node)
    remember(nodes)
    file_in_folder(scene, ct_node, [node for _, node in nodes.results()], _folder_name(result))
    return nodes


def update(scene: slicer.vtkMRMLScene, nodes: CaseNodes, result: CaseResult) -> None:
    """Bring a shown case in line with a new result of the same CT, as after a user's overrule.

    Labels, selection, figures, table, texts and colours change; masks stay. Results that the user deleted stay away.
    """
    for part, node in nodes.results():
        _UPDATES[part](node, result)
    for folder in {folder_of(node) for _, node in nodes.results()}:
        rename_folder(scene, folder, _folder_name(result))


def remove(scene: slicer.vtkMRMLScene, nodes: CaseNodes) -> None:
    """Take a case out of the scene: its results with all that belongs to them, not the CT."""
    results = [node for _, node in nodes.results()]
    folders = {folder_of(node) for node in results}
    for node in results:
        forget(node)
        for owned in [*_owned(node), node]:
            scene.RemoveNode(owned)
    for folder in folders:
        remove_folder_if_empty(scene, folder)


def _owned(node: slicer.vtkMRMLNode) -> list[slicer.vtkMRMLNode]:
    """Display and storage nodes of a node."""
    owned = []
    if node.IsA("vtkMRMLDisplayableNode"):
        owned += [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]
    if node.IsA("vtkMRMLStorableNode"):
        owned += [node.GetNthStorageNode(n) for n in range(node.GetNumberOfStorageNodes())]
    return [other for other in owned if other is not None]


def _check_grid(ct_node: slicer.vtkMRMLScalarVolumeNode, *label_maps: np.ndarray) -> None:
    shape_kji = ct_node.GetImageData().GetDimensions()[::-1]
    for labels in label_maps:
        if labels.shape != shape_kji or labels.dtype != np.uint8:
            raise ValueError(f"expected uint8 labels on the CT's grid {shape_kji}, got {labels.dtype} {labels.shape}")


def _folder_name(result: CaseResult) -> str:
    return f"Lung cancer: {case_headline(result)}"
