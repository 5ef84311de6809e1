"""Lungs and nodules as a segmentation, made in steps, so that a window stays alive over a scan of full size."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import slicer
import slicer.util
import vtk
from scipy import ndimage
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from ...case import CaseResult
from ...names import LEFT, RIGHT, UNKNOWN_SIDE
from ...preprocessing.lung_mask import bounding_box
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
_MADE_TAG = "LungCancerDx.Made"
_LUNG_OPACITY_3D = 0.18
_LUNG_SURFACE_MM, _NODULE_SURFACE_MM = 2.5, 0.5  # the voxels that surfaces are drawn from are not finer
_SMOOTHING_VOXELS = 0.8
_MOST_LAYERS = 16
_known_signatures: dict[int, dict[int, str]] = {}  # of layers by the time of their last change, which VTK gives once
_BINARY = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
_SURFACE = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()


@dataclass(frozen=True)
class _Segment:
    """A segment to be made; `label` is its value in the label map."""

    id: str
    name: str
    label: int
    colour: Colour
    terminology: str
    is_lung: bool


def add_segmentation(
    scene: slicer.vtkMRMLScene, ct_node: slicer.vtkMRMLScalarVolumeNode, name: str
) -> slicer.vtkMRMLSegmentationNode:
    """Add a segmentation on the grid of a CT, without segments yet."""
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetVisibility2DFill(False)  # an outline hides nothing of what it encloses
    node.GetDisplayNode().SetSliceIntersectionThickness(2)
    node.SetReferenceImageGeometryParameterFromVolumeNode(ct_node)
    return node


def fill_segmentation(
    node: slicer.vtkMRMLSegmentationNode,
    ct_node: slicer.vtkMRMLScalarVolumeNode,
    result: CaseResult,
    lungs: np.ndarray | None,
    nodule_labels: np.ndarray,
    ranks: Collection[int] | None = None,
) -> Iterator[None]:
    """Add each lung and each nodule that has voxels, with closed surfaces, in the CT's own frame; a segment a step.

    Ends early where the segmentation is removed from its scene between two steps.

    Parameters
    ----------
    lungs
        (K, J, I) uint8 on the CT's grid: 1 left lung, 2 right lung, 3 a lung of unknown side; None to leave them out.
    nodule_labels
        (K, J, I) uint8 on the CT's grid: the nodule's rank. A nodule may overlap a lung.
    ranks
        Of the nodules to add; by default all.
    """
    matrix = vtk.vtkMatrix4x4()
    ct_node.GetIJKToRASMatrix(matrix)
    for labels, planned in (
        (lungs, [_lung(segment_id) for segment_id in LUNG_SEGMENTS]),
        (nodule_labels, [each for each in _nodules(result) if ranks is None or each.label in ranks]),
    ):
        if labels is None or not labels.any():
            continue
        box = bounding_box(labels)
        crop = np.ascontiguousarray(labels[box])
        origin_ijk = [part.start for part in box][::-1]
        image = _oriented_image(crop, origin_ijk, matrix)
        made_at = image.GetMTime()  # later where somebody changes it between two steps
        yield
        found = dict(enumerate(ndimage.find_objects(crop), start=1))
        signatures: dict[int, str] = {}
        for segment in planned:
            if (where := found.get(segment.label)) is None:
                continue
            yield
            if node.GetScene() is None:
                return
            corner_ijk = [start + part.start for start, part in zip(origin_ijk, where[::-1], strict=True)]
            mask = crop[where] == segment.label
            _add_segment(node, segment, image, _surface(mask, corner_ijk, matrix, segment.is_lung))
            yield
            signatures[segment.label] = _signature(corner_ijk[::-1], mask)
            if (made := node.GetSegmentation().GetSegment(segment.id)) is not None:
                made.SetTag(_MADE_TAG, signatures[segment.label])
        _remember(made_at, signatures)


def update_segmentation(node: slicer.vtkMRMLSegmentationNode, result: CaseResult) -> None:
    """Bring the nodules' colours in line with a case; the voxels stay."""
    for planned in _nodules(result):
        segment = node.GetSegmentation().GetSegment(planned.id)
        if segment is not None:
            segment.SetColor(*planned.colour)


def remove_outlines(node: slicer.vtkMRMLSegmentationNode | None, ranks: Collection[int]) -> None:
    """Remove the segments of nodules that have no outline any more; one that the user edited stays."""
    for segment_id in {nodule_segment_id(rank) for rank in ranks} & set(segment_ids(node)):
        if node is not None and not was_edited(node, segment_id):
            node.GetSegmentation().RemoveSegment(segment_id)


def segment_ids(node: slicer.vtkMRMLSegmentationNode | None) -> tuple[str, ...]:
    """The segments of a segmentation, in their order."""
    return () if node is None else tuple(node.GetSegmentation().GetSegmentIDs())


def nodule_segment_id(rank: int) -> str:
    """The segment of the nodule of this rank."""
    return f"Nodule_{rank}"


def segment_label(segment_id: str) -> tuple[bool, int]:
    """Whether a segment is a lung, and its label in the label maps; 0 for a segment that somebody else made."""
    if segment_id in _LUNGS:
        return True, _LUNGS[segment_id][1]
    prefix, _, rank = segment_id.partition("_")
    return False, int(rank) if prefix == "Nodule" and rank.isdecimal() else 0


def segment_mask(node: slicer.vtkMRMLSegmentationNode, segment_id: str) -> tuple[tuple[slice, ...], np.ndarray]:
    """A segment on the grid of the CT that it was made on: the box of voxels (K, J, I), and the mask in it (bool)."""
    image = slicer.vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(segment_id, image)
    if image.IsEmpty() or image.GetPointData().GetScalars() is None:
        return (slice(0, 0),) * 3, np.zeros((0, 0, 0), dtype=bool)
    i_low, i_high, j_low, j_high, k_low, k_high = image.GetExtent()
    box = slice(k_low, k_high + 1), slice(j_low, j_high + 1), slice(i_low, i_high + 1)
    voxels = vtk_to_numpy(image.GetPointData().GetScalars())
    return box, voxels.reshape([part.stop - part.start for part in box]) > 0


def was_edited(node: slicer.vtkMRMLSegmentationNode, segment_id: str) -> bool:
    """Whether an outline is another than the one that was measured; False where that is not known."""
    if (made := _made(node, segment_id)) is None:
        return False
    box, mask = segment_mask(node, segment_id)
    return _signature([part.start for part in box], mask) != made


def edited_segments(node: slicer.vtkMRMLSegmentationNode | None) -> list[str]:
    """The segments of which `was_edited` holds, by what was found before where a layer has not been changed since."""
    edited: list[str] = []
    if node is None:
        return edited
    for segment_id in segment_ids(node):
        segment, made = node.GetSegmentation().GetSegment(segment_id), _made(node, segment_id)
        layer = segment.GetRepresentation(_BINARY)
        if made is not None and layer is not None and _signatures(layer).get(segment.GetLabelValue()) != made:
            edited.append(segment_id)
    return edited


def _made(node: slicer.vtkMRMLSegmentationNode, segment_id: str) -> str | None:
    """The signature with which a segment was made; None where none is known."""
    made = vtk.reference("")
    return str(made) if node.GetSegmentation().GetSegment(segment_id).GetTag(_MADE_TAG, made) else None


def _signatures(layer: slicer.vtkOrientedImageData) -> dict[int, str]:
    """Of all segments of a layer by their label, taken anew where it was changed since."""
    if layer.GetMTime() not in _known_signatures:
        found: dict[int, str] = {}
        if (scalars := layer.GetPointData().GetScalars()) is not None and not layer.IsEmpty():
            i_low, i_high, j_low, j_high, k_low, k_high = layer.GetExtent()
            shape = k_high - k_low + 1, j_high - j_low + 1, i_high - i_low + 1
            labels = vtk_to_numpy(scalars).reshape(shape)
            for label, box in enumerate(ndimage.find_objects(labels), start=1):
                if box is not None:
                    corner = [part.start + low for part, low in zip(box, (k_low, j_low, i_low), strict=True)]
                    found[label] = _signature(corner, labels[box] == label)
        _remember(layer.GetMTime(), found)
    return _known_signatures[layer.GetMTime()]


def _remember(changed_at: int, signatures: dict[int, str]) -> None:
    """Keep the signatures of a layer's segments as it was at a time of VTK."""
    while len(_known_signatures) >= _MOST_LAYERS:
        del _known_signatures[next(iter(_known_signatures))]
    _known_signatures[changed_at] = signatures


def _signature(corner_kji: Sequence[int], mask: np.ndarray) -> str:
    """How many voxels a mask has, and the sums of their indices on the CT's grid."""
    counts = [np.count_nonzero(mask, axis=others) for others in ((1, 2), (0, 2), (0, 1))]
    sums = [int(count @ np.arange(low, low + len(count))) for count, low in zip(counts, corner_kji, strict=True)]
    return " ".join(map(str, [int(counts[0].sum()), *sums]))


def _lung(segment_id: str) -> _Segment:
    name, label, colour, side = _LUNGS[segment_id]
    terminology = _TERMINOLOGY.format(
        category="SCT^123037004^Anatomical Structure", type=_LUNG, modifier=side, region="^^"
    )
    return _Segment(segment_id, name, label, colour, terminology, is_lung=True)


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
            is_lung=False,
        )
        for nodule in result.nodules
    ]


def _oriented_image(
    labels: np.ndarray, corner_ijk: list[int], ijk_to_ras: vtk.vtkMatrix4x4
) -> slicer.vtkOrientedImageData:
    """Labels (K, J, I) that begin at a voxel of the CT's grid."""
    image = slicer.vtkOrientedImageData()
    ends = [start + size - 1 for start, size in zip(corner_ijk, labels.shape[::-1], strict=True)]
    image.SetExtent(*[end for pair in zip(corner_ijk, ends, strict=True) for end in pair])
    image.SetGeometryFromImageToWorldMatrix(ijk_to_ras)
    image.GetPointData().SetScalars(numpy_to_vtk(labels.ravel(), deep=True, array_type=vtk.VTK_UNSIGNED_CHAR))
    return image


def _surface(mask: np.ndarray, corner_ijk: list[int], ijk_to_ras: vtk.vtkMatrix4x4, is_lung: bool) -> vtk.vtkPolyData:
    """The closed surface (RAS mm) of a mask (K, J, I) that begins at a voxel of the CT's grid.

    From means over blocks of voxels, smoothed: Slicer's own conversion takes seconds for a lung.
    """
    spacing_mm = np.linalg.norm(slicer.util.arrayFromVTKMatrix(ijk_to_ras)[:3, :3], axis=0)[::-1]
    finest_mm = _LUNG_SURFACE_MM if is_lung else _NODULE_SURFACE_MM
    block_kji = np.maximum(np.round(finest_mm / spacing_mm), 1).astype(int)
    # A layer of air all round, and up to whole blocks.
    after = (-np.array(mask.shape)) % block_kji + block_kji
    share = np.pad(mask, np.stack([block_kji, after], axis=1))
    for axis, block in enumerate(block_kji):
        shape = share.shape
        share = share.reshape(*shape[:axis], -1, block, *shape[axis + 1 :]).mean(axis=axis + 1, dtype=np.float32)
    smooth = ndimage.gaussian_filter(share, _SMOOTHING_VOXELS)
    image = vtk.vtkImageData()
    image.SetDimensions(*smooth.shape[::-1])
    image.SetSpacing(*map(float, block_kji[::-1]))
    image.SetOrigin(*(corner - block / 2 - 0.5 for corner, block in zip(corner_ijk, block_kji[::-1], strict=True)))
    image.GetPointData().SetScalars(numpy_to_vtk(smooth.ravel(), deep=True))
    contour, to_ras, moved = vtk.vtkFlyingEdges3D(), vtk.vtkTransform(), vtk.vtkTransformPolyDataFilter()
    contour.SetInputData(image)
    contour.SetValue(0, float(smooth.max()) / 2)  # which is less than 1 where the mask is only a few voxels
    to_ras.SetMatrix(ijk_to_ras)
    moved.SetTransform(to_ras)
    moved.SetInputConnection(contour.GetOutputPort())
    moved.Update()
    return moved.GetOutput()


def _add_segment(
    node: slicer.vtkMRMLSegmentationNode,
    planned: _Segment,
    image: slicer.vtkOrientedImageData,
    surface: vtk.vtkPolyData,
) -> None:
    """One segment, which shares the image with the others of its label map."""
    segment = slicer.vtkSegment()
    segment.SetName(planned.name)
    segment.SetColor(*planned.colour)
    segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), planned.terminology)
    segment.SetLabelValue(planned.label)
    segment.AddRepresentation(_BINARY, image)
    segment.AddRepresentation(_SURFACE, surface)
    node.GetSegmentation().AddSegment(segment, planned.id)
    if planned.is_lung:
        display = node.GetDisplayNode()
        display.SetSegmentOpacity3D(planned.id, _LUNG_OPACITY_3D)
        display.SetSegmentVisibility2DOutline(planned.id, False)  # it would cross vessels and nodules
