"""A made case in a scene, and what a scene holds, read back as plain values."""

from __future__ import annotations

import numpy as np
import slicer
import slicer.util
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from LungCancerDxLib.slicer.scene.build import show_case
from LungCancerDxLib.slicer.scene.ct import volume_node
from LungCancerDxLib.volume import CTVolume


def shown(scene, made, name="CT"):
    """A made case in a scene."""
    return show_case(scene, made.result, volume_node(scene, made.volume, name))


def node_ids(scene) -> set[str]:
    return {scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())}


def world_points_ras_mm(markups) -> np.ndarray:
    points = np.zeros((markups.GetNumberOfControlPoints(), 3))
    for index, point in enumerate(points):
        markups.GetNthControlPointPositionWorld(index, point)
    return points


def labels(markups) -> list[str]:
    return [markups.GetNthControlPointLabel(n) for n in range(markups.GetNumberOfControlPoints())]


def descriptions(markups) -> list[str]:
    return [markups.GetNthControlPointDescription(n) for n in range(markups.GetNumberOfControlPoints())]


def selected(markups) -> list[bool]:
    return [bool(markups.GetNthControlPointSelected(n)) for n in range(markups.GetNumberOfControlPoints())]


def measurements(markups) -> dict[str, list[float]]:
    found = [markups.GetNthMeasurement(n) for n in range(markups.GetNumberOfMeasurements())]
    return {m.GetName(): vtk_to_numpy(m.GetControlPointValues()).tolist() for m in found}


def segments(segmentation) -> dict[str, str]:
    """Names by id, in order."""
    inner = segmentation.GetSegmentation()
    return {inner.GetNthSegmentID(n): inner.GetNthSegment(n).GetName() for n in range(inner.GetNumberOfSegments())}


def grid_kji_to_lps(ct_node) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    ct_node.GetIJKToRASMatrix(matrix)
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ slicer.util.arrayFromVTKMatrix(matrix) @ np.eye(4)[[2, 1, 0, 3]]


def volume(ct_node) -> CTVolume:
    return CTVolume(slicer.util.arrayFromVolume(ct_node).copy(), grid_kji_to_lps(ct_node))


def segment_voxels(segmentation, segment_id: str, ct_node) -> np.ndarray:
    """Mask (K, J, I) of a segment on the grid of its CT."""
    image = slicer.vtkOrientedImageData()
    segmentation.GetBinaryLabelmapRepresentation(segment_id, image)
    reference, on_grid, matrix = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData(), vtk.vtkMatrix4x4()
    ct_node.GetIJKToRASMatrix(matrix)
    reference.SetExtent(ct_node.GetImageData().GetExtent())
    reference.SetGeometryFromImageToWorldMatrix(matrix)
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(image, reference, on_grid)
    shape_kji = on_grid.GetDimensions()[::-1]
    return vtk_to_numpy(on_grid.GetPointData().GetScalars()).reshape(shape_kji) > 0


def table_rows(node) -> list[list[str]]:
    """The header and the rows."""
    table = node.GetTable()
    columns = range(table.GetNumberOfColumns())
    rows = [[table.GetColumn(c).GetValue(r) for c in columns] for r in range(table.GetNumberOfRows())]
    return [[table.GetColumnName(c) for c in columns], *rows]


def hierarchy(scene) -> dict[str, str]:
    """Name of the parent by name of the item."""
    node = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    items = vtk.vtkIdList()
    node.GetItemChildren(node.GetSceneItemID(), items, True)
    ids = [items.GetId(n) for n in range(items.GetNumberOfIds())]
    return {node.GetItemName(item): node.GetItemName(node.GetItemParent(item)) for item in ids}


def centres_ras_mm(result) -> np.ndarray:
    return np.array([nodule.center_lps_mm for nodule in result.nodules]) * (-1, -1, 1)
