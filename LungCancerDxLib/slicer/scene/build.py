"""A case into a scene, its changes, and out again."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields

import numpy as np
import slicer

from ...case import CaseResult
from ...errors import LungCancerDxError
from .ct import check_rigid, follow, grid_of, nodes_of_class, voxels_checksum
from .nodules import add_markups, add_table, update_markups, update_table
from .segmentation import add_segmentation, fill_segmentation, update_segmentation
from .text import add_case_text, add_summary, case_headline, update_case_text, update_summary

_FOLDER = "LungCancerDx.Folder"
GRID, VOXELS = "LungCancerDx.Grid", "LungCancerDx.Voxels"
"""Attributes of a case that tell of which CT it is: its grid, and a checksum of its voxels."""

_UPDATES = {
    "case": update_case_text,
    "markups": update_markups,
    "segmentation": update_segmentation,
    "table": update_table,
    "summary": update_summary,
}


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
        for part in _UPDATES:
            node = getattr(self, part)
            if node is not None and node.GetScene() is not None:
                yield part, node


# The case's text node refers to the others, so that they are found again in an opened scene.
_ROLES = {part.name: f"LungCancerDx.{part.name}" for part in fields(CaseNodes) if part.name != "case"}


def find_cases(scene: slicer.vtkMRMLScene) -> list[CaseNodes]:
    """The cases of a scene, in the order in which they came."""
    return [
        CaseNodes(case=text, **{part: text.GetNodeReference(role) for part, role in _ROLES.items()})
        for text in nodes_of_class(scene, "vtkMRMLTextNode")
        if text.GetNodeReferenceID(_ROLES["ct"])
    ]


def cases_of(ct_node: slicer.vtkMRMLScalarVolumeNode) -> list[CaseNodes]:
    """The cases that were computed from a CT, in the order in which they came."""
    return [nodes for nodes in find_cases(ct_node.GetScene()) if nodes.ct is ct_node]


def show_case(scene: slicer.vtkMRMLScene, result: CaseResult, ct_node: slicer.vtkMRMLScalarVolumeNode) -> CaseNodes:
    """Add the results of a case to a scene, see `add_case`; all at once."""
    nodes, filling = add_case(scene, result, ct_node)
    for _ in filling:
        pass
    return nodes


def add_case(
    scene: slicer.vtkMRMLScene, result: CaseResult, ct_node: slicer.vtkMRMLScalarVolumeNode
) -> tuple[CaseNodes, Iterator[None]]:
    """Add the results of a case to a scene, beside the CT and under the same transform.

    Parameters
    ----------
    result
        With its label maps on the CT's own grid.
    ct_node
        The CT that the case was computed from; only its geometry is read.

    Returns
    -------
    The nodes, and the steps that fill the segmentation.

    Raises
    ------
    LungCancerDxError
        Where the CT is under a transform that is not rigid, or the labels are not on its grid; the scene is as it was.
    """
    check_rigid(ct_node)
    lungs, nodule_labels = (_on_grid(labels, ct_node) for labels in (result.lung_labels, result.nodule_labels))

    def name(part: str) -> str:
        return str(scene.GenerateUniqueName(f"{ct_node.GetName()} {part}"))

    nodes = CaseNodes(
        case=add_case_text(scene, result, name("case")),
        ct=ct_node,
        markups=add_markups(scene, result, name("nodules")),
        segmentation=add_segmentation(scene, ct_node, name("segmentation")),
        table=add_table(scene, result, name("nodule table")),
        summary=add_summary(scene, result, name("summary")),
    )
    follow(nodes.markups, ct_node)
    follow(nodes.segmentation, ct_node)
    nodes.case.SetAttribute(GRID, json.dumps(grid_of(ct_node)))
    nodes.case.SetAttribute(VOXELS, str(voxels_checksum(ct_node)))
    for part, role in _ROLES.items():
        nodes.case.SetNodeReferenceID(role, getattr(nodes, part).GetID())
    _file_in_folder(nodes, _folder_name(result))
    return nodes, fill_segmentation(nodes.segmentation, ct_node, result, lungs, nodule_labels)


def add_outlines(nodes: CaseNodes, result: CaseResult, ranks: Collection[int]) -> Iterator[None]:
    """Outlines of some nodules into a case that is shown, in steps; what else is in its segmentation stays as it is.

    Raises
    ------
    LungCancerDxError
        Where the labels are not on the CT's grid.
    """
    labels = _on_grid(result.nodule_labels, nodes.ct)
    there = nodes.segmentation is not None and nodes.segmentation.GetScene() is not None
    return fill_segmentation(nodes.segmentation, nodes.ct, result, None, labels, ranks) if there else iter(())


def update(scene: slicer.vtkMRMLScene, nodes: CaseNodes, result: CaseResult) -> None:
    """Bring a shown case in line with a new result of the same CT, as after a user's overrule.

    Labels, selection, figures, table, texts and colours change; masks stay. Results that the user deleted stay away.
    """
    for part, node in nodes.results():
        _UPDATES[part](node, result)
    for folder in _folders(scene, nodes):
        _hierarchy(scene).SetItemName(folder, _folder_name(result))


def remove(scene: slicer.vtkMRMLScene, nodes: CaseNodes) -> None:
    """Take a case out of the scene: its results with all that belongs to them, not the CT."""
    hierarchy, folders = _hierarchy(scene), _folders(scene, nodes)
    for _, node in nodes.results():
        if item := hierarchy.GetItemByDataNode(node):
            hierarchy.RemoveItem(item, False, True)
        for owned in [*_owned(node), node]:
            scene.RemoveNode(owned)
    for folder in folders:
        if not hierarchy.GetNumberOfItemChildren(folder):  # else somebody keeps other things in it
            hierarchy.RemoveItem(folder, True, False)


def _owned(node: slicer.vtkMRMLNode) -> list[slicer.vtkMRMLNode]:
    """Display and storage nodes of a node."""
    owned = []
    if node.IsA("vtkMRMLDisplayableNode"):
        owned += [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]
    if node.IsA("vtkMRMLStorableNode"):
        owned += [node.GetNthStorageNode(n) for n in range(node.GetNumberOfStorageNodes())]
    return [other for other in owned if other is not None]


def _on_grid(labels: np.ndarray | None, ct_node: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray:
    shape_kji = ct_node.GetImageData().GetDimensions()[::-1]
    if labels is None or labels.shape != shape_kji or labels.dtype != np.uint8:
        found = "none" if labels is None else f"{labels.dtype} {labels.shape}"
        raise LungCancerDxError(f"The result's labels are not on the grid of the CT (uint8 {shape_kji}): {found}.")
    return labels


def _folder_name(result: CaseResult) -> str:
    return f"LungCancerDx: {case_headline(result)}"


def _file_in_folder(nodes: CaseNodes, name: str) -> None:
    """Put the results in a new folder beside the CT, under the CT's parent item."""
    hierarchy = _hierarchy(nodes.ct.GetScene())
    parent = hierarchy.GetItemParent(_item(hierarchy, nodes.ct, hierarchy.GetSceneItemID()))
    folder = hierarchy.CreateFolderItem(parent, name)
    hierarchy.SetItemAttribute(folder, _FOLDER, "1")
    for _, node in nodes.results():
        hierarchy.SetItemParent(_item(hierarchy, node, folder), folder)


def _folders(scene: slicer.vtkMRMLScene, nodes: CaseNodes) -> set[int]:
    """Our own folders that the results are in; the user may have put them elsewhere."""
    hierarchy = _hierarchy(scene)
    items = [hierarchy.GetItemByDataNode(node) for _, node in nodes.results()]
    folders = {hierarchy.GetItemParent(item) for item in items if item} - {hierarchy.GetSceneItemID(), 0}
    return {folder for folder in folders if hierarchy.HasItemAttribute(folder, _FOLDER)}


def _hierarchy(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLSubjectHierarchyNode:
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)


def _item(hierarchy: slicer.vtkMRMLSubjectHierarchyNode, node: slicer.vtkMRMLNode, parent: int) -> int:
    return int(hierarchy.GetItemByDataNode(node) or hierarchy.CreateItem(parent, node))
