"""Lungs and nodules as a segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import slicer
import slicer.util
import vtk

from ...case import CaseResult
from ...names import LEFT, RIGHT, UNKNOWN_SIDE
from .nodules import Colour, malignancy_colour

_LUNGS: dict[str, tuple[str, int, Colour, str]] = {
    "LeftLung": ("Left lung", LEFT, (0.77, 0.65, 0.57), "SCT^7771000^Left"),
    "RightLung": ("Right lung", RIGHT, (0.57, 0.69, 0.77), "SCT^24028007^Right"),
    "Lung": ("Lung, side unknown", UNKNOWN_SIDE, (0.67, 0.67, 0.67), "^^"),
}
"""Segments of lungs by their id: name, label, colour and the modifier of their terminology."""

LUNG_SEGMENTS = tuple(_LUNGS)
_TERMINOLOGY = (
    "Segmentation category and type - DICOM master list~{category}~{type}~{modifier}"
    "~Anatomic codes - DICOM master list~{region}~^^"
)
_LUNG = "SCT^39607008^Lung"
_LUNG_OPACITY_3D = 0.18


@dataclass(frozen=True)
class _Segment:
    """A segment to be made; `label` is its value in the label map."""

    id: str
    name: str
    label: int
    colour: Colour
    terminology: str
    opacity_3d: float


def add_segmentation(
    scene: slicer.vtkMRMLScene,
    result: CaseResult,
    ct_node: slicer.vtkMRMLScalarVolumeNode,
    lungs: np.ndarray,
    nodule_labels: np.ndarray,
    name: str,
) -> slicer.vtkMRMLSegmentationNode:
    """Add each lung and each nodule that has voxels, with closed surfaces, in the CT's own frame.

    Parameters
    ----------
    lungs
        (K, J, I) uint8 on the CT's grid: 1 left lung, 2 right lung, 3 a lung of unknown side.
    nodule_labels
        (K, J, I) uint8 on the CT's grid: the nodule's rank. A nodule may overlap a lung.
    """
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetVisibility2DFill(False)  # an outline hides nothing of what it encloses
    node.GetDisplayNode().SetSliceIntersectionThickness(2)
    node.SetReferenceImageGeometryParameterFromVolumeNode(ct_node)
    _add_segments(node, ct_node, lungs, [_lung(segment_id) for segment_id in LUNG_SEGMENTS])
    _add_segments(node, ct_node, nodule_labels, _nodules(result))
    if node.GetSegmentation().GetNumberOfSegments():
        node.CreateClosedSurfaceRepresentation()
    return node


def update_segmentation(node: slicer.vtkMRMLSegmentationNode, result: CaseResult) -> None:
    """Bring the nodules' colours in line with a case; the voxels stay."""
    for planned in _nodules(result):
        segment = node.GetSegmentation().GetSegment(planned.id)
        if segment is not None:
            segment.SetColor(*planned.colour)


def nodule_segment_id(rank: int) -> str:
    """The segment of the nodule of this rank."""
    return f"Nodule_{rank}"


def _lung(segment_id: str) -> _Segment:
    name, label, colour, side = _LUNGS[segment_id]
    terminology = _TERMINOLOGY.format(
        category="SCT^123037004^Anatomical Structure", type=_LUNG, modifier=side, region="^^"
    )
    return _Segment(segment_id, name, label, colour, terminology, _LUNG_OPACITY_3D)


def _nodules(result: CaseResult) -> list[_Segment]:
    terminology = _TERMINOLOGY.format(
        category="SCT^49755003^Morphologically Altered Structure",
        type="SCT^27925004^Nodule",
        modifier="^^",
        region=_LUNG,
    )
    return [
        _Segment(
            nodule_segment_id(nodule.rank),
            f"Nodule {nodule.rank}",
            nodule.rank,
            malignancy_colour(nodule.malignancy),
            terminology,
            1.0,
        )
        for nodule in result.nodules
    ]


def _add_segments(
    node: slicer.vtkMRMLSegmentationNode,
    ct_node: slicer.vtkMRMLScalarVolumeNode,
    labels: np.ndarray,
    planned: Sequence[_Segment],
) -> None:
    """The segments that have voxels, as one shared layer of the segmentation."""
    present = set(np.flatnonzero(np.bincount(labels.ravel(), minlength=1)))
    segments = [segment for segment in planned if segment.label in present]
    if not segments:
        return
    renumbered = np.zeros(256, np.uint8)
    renumbered[[segment.label for segment in segments]] = np.arange(1, len(segments) + 1)
    segmentation, ids = node.GetSegmentation(), vtk.vtkStringArray()
    for segment in segments:
        segmentation.AddEmptySegment(segment.id, segment.name, segment.colour)
        segmentation.GetSegment(segment.id).SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), segment.terminology)
        ids.InsertNextValue(segment.id)
    _import_label_map(node, ct_node, renumbered[labels], ids)
    for segment in segments:
        node.GetDisplayNode().SetSegmentOpacity3D(segment.id, segment.opacity_3d)
        if segment.id in LUNG_SEGMENTS:  # their outlines would cross vessels and nodules in the slice views
            node.GetDisplayNode().SetSegmentVisibility2DOutline(segment.id, False)


def _import_label_map(
    node: slicer.vtkMRMLSegmentationNode,
    ct_node: slicer.vtkMRMLScalarVolumeNode,
    labels: np.ndarray,
    ids: vtk.vtkStringArray,
) -> None:
    """Value n of the labels becomes the n-th of the segments, through a label map node that lives only meanwhile."""
    scene, matrix = node.GetScene(), vtk.vtkMatrix4x4()
    ct_node.GetIJKToRASMatrix(matrix)
    label_map = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    try:
        label_map.SetIJKToRASMatrix(matrix)
        slicer.util.updateVolumeFromArray(label_map, labels)
        slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(label_map, node, ids)
    finally:
        scene.RemoveNode(label_map)
