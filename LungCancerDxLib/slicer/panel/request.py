"""A question about a CT in the scene, and the place of its answer there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import slicer
import slicer.util
import vtk

from ...case import CaseResult
from ...errors import LungCancerDxError
from ...io.image_file import write_volume
from ..scene import CaseNodes, case_result, cases_of, check_linear, ct_volume, remove, show_case, update
from .nodule_table import can_overrule, classified_beyond_model, ticked, users_points_lps_mm
from .parameters import Parameters

CT_EVENTS = (slicer.vtkMRMLTransformableNode.TransformModifiedEvent, slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent)
"""What changes whether a CT can be asked about."""

_MODEL = "LungCancerDx.ModelAsked"
_SAME_PLACE_MM = 1.0

Grid = tuple[tuple[int, ...], tuple[float, ...]]


@dataclass(frozen=True)
class ScoringRequest:
    """What is asked about a CT.

    Parameters
    ----------
    model
        Name or folder; empty for the default one.
    precision
        As on the command line.
    grid
        Of the CT, when the question was asked.
    case
        The case that a second question is about; None where the CT is looked at from the start.
    points_lps_mm
        Spots to classify, in the CT's own frame.
    classify
        Ranks of nodules to classify that need not count.
    count
        Ranks that shall count once they are classified, besides those that the user lets count by then.
    """

    ct_node: slicer.vtkMRMLScalarVolumeNode
    model: str
    precision: str
    grid: Grid | None
    case: CaseNodes | None = None
    points_lps_mm: tuple[tuple[float, float, float], ...] = ()
    classify: tuple[int, ...] = ()
    count: frozenset[int] = frozenset()
    has_new_point: bool = False


def why_unusable(ct_node: slicer.vtkMRMLScalarVolumeNode | None) -> str:
    """Why nothing can be asked about a CT; empty where it can."""
    if ct_node is None:
        return "Choose a CT first."
    if ct_node.GetImageData() is None:
        return f"'{ct_node.GetName()}' holds no image."
    try:
        check_linear(ct_node)
    except LungCancerDxError as error:
        return str(error)
    return ""


def first_request(ct_node: slicer.vtkMRMLScalarVolumeNode, parameters: Parameters) -> ScoringRequest:
    """Detect and score a CT."""
    return ScoringRequest(ct_node, parameters.model, parameters.precision, _grid(ct_node))


def second_request(
    nodes: CaseNodes,
    result: CaseResult,
    parameters: Parameters,
    *,
    point_lps_mm: tuple[float, float, float] | None = None,
    rank: int | None = None,
) -> ScoringRequest:
    """Classify a spot, or let a nodule count that has no malignancy yet.

    By the model of the case, and in float32 if it is in float32, whatever the parameters say now: its nodules might lie
    elsewhere otherwise. What is in half a precision may come from a machine that was quicker in it than this one.
    """
    asked = nodes.case.GetAttribute(_MODEL)
    return ScoringRequest(
        ct_node=nodes.ct,
        model=parameters.model if asked is None else asked,
        precision="fp32" if result.run["precision"] == "fp32" else parameters.precision,
        grid=_grid(nodes.ct),
        case=nodes,
        points_lps_mm=(*users_points_lps_mm(result), *([] if point_lps_mm is None else [point_lps_mm])),
        classify=tuple(sorted({*classified_beyond_model(result, nodes), *([] if rank is None else [rank])})),
        count=frozenset() if rank is None else frozenset({rank}),
        has_new_point=point_lps_mm is not None,
    )


def apply_result(question: ScoringRequest, result: CaseResult, replace_earlier: bool) -> CaseNodes:
    """Give a result its place in the scene; the case that is to be shown now.

    Raises
    ------
    LungCancerDxError
        Where the scene has changed so that the result has no place any more; it is left as it is.
    """
    ct_node = question.ct_node
    scene = ct_node.GetScene()
    if scene is None:
        raise LungCancerDxError("The CT was removed from the scene while it was looked at; the result was dropped.")
    if _grid(ct_node) != question.grid:
        raise LungCancerDxError("The CT was changed while it was looked at; the result was dropped. Run again.")
    if not _fits(ct_node, result):
        raise LungCancerDxError("The result does not lie on the grid of the CT; it was dropped. Run again.")
    check_linear(ct_node)
    if question.case is None:
        return _add(question, result, cases_of(ct_node) if replace_earlier else [])
    if question.case.case.GetScene() is None:
        raise LungCancerDxError("The case was removed from the scene while it was asked about; nothing was changed.")
    earlier = case_result(question.case.case)
    if not _same_case(earlier, result):
        raise LungCancerDxError(
            "The model does not find the nodules of this case in the same places again; nothing was changed. "
            "Detect and score anew with the model of your choice."
        )
    overruled = result.rescored(ticked(earlier) | question.count) if can_overrule(result) else result
    if len(result.nodules) == len(earlier.nodules):
        update(scene, question.case, overruled)
        return question.case
    nodes = _add(question, result, [question.case])
    update(scene, nodes, overruled)
    return nodes


def _add(question: ScoringRequest, result: CaseResult, earlier: Sequence[CaseNodes]) -> CaseNodes:
    """Add a result and remove earlier ones, the last of which leaves its names."""
    scene = question.ct_node.GetScene()
    nodes = show_case(scene, result, question.ct_node, result.lung_labels, result.nodule_labels)
    nodes.case.SetAttribute(_MODEL, question.model)
    for old in earlier:
        names = {part: node.GetName() for part, node in old.results()}
        remove(scene, old)
        for part, name in names.items():
            getattr(nodes, part).SetName(name)
    return nodes


def _grid(ct_node: slicer.vtkMRMLScalarVolumeNode) -> Grid | None:
    """Size and place of the voxels; None without any."""
    if ct_node.GetImageData() is None:
        return None
    matrix = vtk.vtkMatrix4x4()
    ct_node.GetIJKToRASMatrix(matrix)
    return ct_node.GetImageData().GetDimensions(), tuple(slicer.util.arrayFromVTKMatrix(matrix).ravel().tolist())


def _fits(ct_node: slicer.vtkMRMLScalarVolumeNode, result: CaseResult) -> bool:
    shape_kji = ct_node.GetImageData().GetDimensions()[::-1]
    labels = (result.lung_labels, result.nodule_labels)
    return all(each is not None and each.shape == shape_kji and each.dtype == np.uint8 for each in labels)


def _same_case(earlier: CaseResult, result: CaseResult) -> bool:
    """Whether the nodules of two results are the same, but for points that the user added since."""
    if earlier.model != result.model or len(earlier.nodules) > len(result.nodules):
        return False
    pairs = zip(earlier.nodules, result.nodules, strict=False)
    return all(np.allclose(a.center_lps_mm, b.center_lps_mm, rtol=0, atol=_SAME_PLACE_MM) for a, b in pairs)


_OURS = "LungCancerDx-"


@dataclass
class CTFiles:
    """The files of one CT in a folder of their own; `written` is the state of the node that `ct` was written from."""

    folder: Path
    written: int = 0

    @property
    def ct(self) -> Path:
        return self.folder / "ct.nrrd"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def result(self) -> Path:
        return self.folder / "result"

    @property
    def points(self) -> Path:
        return self.folder / "points.csv"


class Workspace:
    """Folders under the application's temporary folder; `clear` removes them."""

    def __init__(self, parent: str) -> None:
        self._parent = parent
        self._files: dict[str, CTFiles] = {}

    def files_of(self, ct_node: slicer.vtkMRMLScalarVolumeNode) -> CTFiles:
        """The files of a CT, the CT written where the node's voxels or place have changed since the last time.

        Raises
        ------
        CTReadError
            Where the node holds no image.
        OSError
            Where the disk is full or not to be written to.
        """
        image = ct_node.GetImageData()
        volume_state = max(ct_node.GetMTime(), image.GetMTime() if image is not None else 0)
        files = self._files.get(ct_node.GetID())
        if files is None or not files.folder.is_dir():
            files = self._files[ct_node.GetID()] = CTFiles(Path(tempfile.mkdtemp(prefix=_OURS, dir=self._parent)))
        if files.written != volume_state or not files.ct.is_file():
            files.written = 0
            write_volume(ct_volume(ct_node), files.ct, compressed=False)
            files.written = volume_state
        return files

    def clear(self) -> None:
        """Remove all files."""
        for files in self._files.values():
            shutil.rmtree(files.folder, ignore_errors=True)
        self._files.clear()


def write_points(points_lps_mm: Sequence[Sequence[float]], path: Path) -> None:
    """The spots to classify, as `--points` reads them."""
    rows = [",".join(f"{x:.4f}" for x in point) for point in points_lps_mm]
    path.write_text("\n".join(["x,y,z", *rows]) + "\n", encoding="utf-8")
