"""The nodes of a case in a scene, and how they are found again in a scene that was saved and opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import slicer


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
