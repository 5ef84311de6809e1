"""A case into a scene, its changes, and out again."""

from __future__ import annotations

import numpy as np
import slicer

from ..case import CaseResult
from .case_nodes import CaseNodes, remember
from .case_text import add_case_text, add_summary, update_case_text, update_summary
from .hierarchy import file_in_folder, folder_of, forget, remove_folder_if_empty, rename_folder
from .markups import add_markups, update_markups
from .nodule_table import add_table, update_table
from .parent_transform import check_linear, follow
from .segmentation import add_segmentation, update_segmentation
from .wording import case_headline

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
