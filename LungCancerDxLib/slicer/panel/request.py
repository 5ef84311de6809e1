"""A request about a CT in the scene: made, answered by a background run, and its result put into the scene."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import slicer
import slicer.util
import vtk

from ...assessment.assess import assessed
from ...case import CaseResult
from ...errors import LungCancerDxError
from ...io.result_folder import read_result_in_steps
from ...names import capitalised
from ...options import ScoreOptions
from ..scene.build import CaseNodes, add_case, add_outlines, cases_of, remove, update
from ..scene.ct import Grid, check_rigid, grid_of, header_patient, voxels_checksum, world_lps
from ..scene.segmentation import remove_outlines
from ..scene.text import case_result
from ..scene.validity import has_work_of_the_user, why_outdated
from .background import Outcome, Work
from .command import dicom_arguments, report_arguments, score_arguments
from .dependencies import dicom_packages
from .export import add_masks
from .navigation import point_of
from .patient import patient_of
from .state import Parameters, ShownCase, can_overrule, latest_case, score_options
from .workspace import Point, Workspace, trim_cache, usable_cache, write_points

CT_EVENTS = (
    slicer.vtkMRMLTransformableNode.TransformModifiedEvent,
    slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent,
    vtk.vtkCommand.ModifiedEvent,
)
"""What changes whether a CT can be scored, and where it lies."""

_MODEL = "LungCancerDx.ModelAsked"
_SAME_POSITION_MM = 1.0


@dataclass(frozen=True)
class ScoringRequest:
    """What is asked about a CT.

    Parameters
    ----------
    options
        How it is scored, ranks to classify included; points and cache are filled in with the files of the run.
    grid, checksum
        Of the CT and its voxels, when the request was made.
    case
        The case that a second request is about; None where the CT is scored from the start.
    points_lps_mm
        Spots to classify, in the CT's own frame.
    count
        Ranks that shall count once they are classified, besides those that the user lets count by then.
    """

    ct_node: slicer.vtkMRMLScalarVolumeNode
    options: ScoreOptions
    grid: Grid | None
    checksum: int | None
    case: CaseNodes | None = None
    points_lps_mm: tuple[Point, ...] = ()
    count: frozenset[int] = frozenset()
    has_new_point: bool = False


def why_unusable(ct_node: slicer.vtkMRMLScalarVolumeNode | None) -> str:
    """Why a CT cannot be scored; empty where it can."""
    if ct_node is None:
        return "Choose a CT first."
    if ct_node.GetImageData() is None:
        return f"'{ct_node.GetName()}' holds no image."
    try:
        check_rigid(ct_node)
    except LungCancerDxError as error:
        return str(error)
    return ""


def first_request(ct_node: slicer.vtkMRMLScalarVolumeNode, parameters: Parameters) -> ScoringRequest:
    """Detect and score a CT; points that the user had classified in it, and did not delete, are classified again."""
    before = _case_before(ct_node) if parameters.replaceEarlier else None
    nodules = before.result.nodules if before is not None and not why_outdated(before.nodes) else ()
    users = [nodule for nodule in nodules if nodule.source == "user"]
    points = [n.center_lps_mm for n in users if before is not None and point_of(before.nodes, n) is not None]
    options, state = score_options(parameters), (grid_of(ct_node), voxels_checksum(ct_node))
    return ScoringRequest(ct_node, options, *state, points_lps_mm=tuple(points))


def _case_before(ct_node: slicer.vtkMRMLScalarVolumeNode) -> ShownCase | None:
    with suppress(LungCancerDxError):  # a damaged one
        return latest_case(ct_node)
    return None


def second_request(
    case: ShownCase, parameters: Parameters, *, point_lps_mm: Point | None = None, rank: int | None = None
) -> ScoringRequest:
    """Classify a spot, or let a nodule count that has no malignancy yet.

    By the model of the case, and in float32 if it is in float32, whatever the parameters say now: its nodules might lie
    elsewhere otherwise. What is in half a precision may come from a machine that was quicker in it than this one.
    """
    options, nodes = score_options(parameters), case.nodes
    model = nodes.case.GetAttribute(_MODEL)
    options = replace(
        options,
        model=options.model if model is None else model or None,
        precision="fp32" if case.result.run["precision"] == "fp32" else options.precision,
        classify=tuple(sorted({*case.classified_beyond_model, *([] if rank is None else [rank])})),
    )
    return ScoringRequest(
        nodes.ct,
        options,
        grid_of(nodes.ct),
        voxels_checksum(nodes.ct),
        case=nodes,
        points_lps_mm=(*case.users_points_lps_mm, *([] if point_lps_mm is None else [point_lps_mm])),
        count=frozenset() if rank is None else frozenset({rank}),
        has_new_point=point_lps_mm is not None,
    )


class Scoring:
    """Has requests answered by background runs.

    Parameters
    ----------
    on_result
        Called with the request and its case, label maps included; puts it into the scene and gives the steps that are
        left to do there.
    """

    def __init__(self, on_result: Callable[[ScoringRequest, CaseResult], Iterator[None]]) -> None:
        self._on_result = on_result
        self._workspace = Workspace(Path(slicer.app.temporaryPath))

    def work(self, request: ScoringRequest) -> Work:
        """The run of a request, from the CT's voxels to the nodes of its case.

        Raises
        ------
        LungCancerDxError
            Where the CT cannot be handed over, the run fails, or its result has no place in the scene any more.
        """
        check_rigid(request.ct_node)
        if request.case is not None and (outdated := why_outdated(request.case)):
            raise LungCancerDxError(capitalised(outdated))
        to_world = world_lps(request.ct_node)
        try:
            files = yield from self._workspace.files_of(request.ct_node)
            if request.points_lps_mm:
                write_points([_moved(to_world, point) for point in request.points_lps_mm], files.points)
        except OSError as error:
            raise LungCancerDxError(f"The CT could not be written for the background run: {error}") from error
        options = replace(request.options, cache=usable_cache(), points=files.points if request.points_lps_mm else None)
        outcome = yield score_arguments(files.ct, files.result, options)
        trim_cache()
        if check_outcome(outcome):
            result = yield from read_result_in_steps(files.result)
            from_world = np.linalg.inv(to_world)
            nodules = tuple(replace(n, center_lps_mm=_moved(from_world, n.center_lps_mm)) for n in result.nodules)
            origin = {**result.input, "path": _origin(request.ct_node)}
            yield from self._on_result(request, replace(result, nodules=nodules, input=origin))

    def report(
        self, nodes: CaseNodes, folder: Path, dicom: bool = False
    ) -> Generator[Sequence[str] | None, Outcome, bool]:
        """The run that writes the report of a case, and DICOM objects, into the folder to which it was exported; False
        where the user cancelled it.

        Raises
        ------
        LungCancerDxError
            Where the CT or the masks cannot be handed over, or the run fails.
        """
        if outdated := why_outdated(nodes):
            raise LungCancerDxError(f"The report was left out: {outdated}")
        if not np.allclose(world_lps(nodes.ct), np.eye(4)):
            raise LungCancerDxError(
                "The report was left out: the CT is under a transform. Harden it on a copy of the CT and run on that."
            )
        try:
            if dicom:
                series = yield from self._workspace.series_of(nodes.ct)
                arguments = dicom_arguments(folder, series, dicom_packages())
            else:
                files = yield from self._workspace.files_of(nodes.ct)
                arguments = report_arguments(folder, files.ct)
        except OSError as error:
            raise LungCancerDxError(f"The CT could not be written for the report: {error}") from error
        yield from add_masks(nodes, folder)
        return check_outcome((yield arguments))

    def close(self) -> None:
        """Remove all files of earlier runs."""
        self._workspace.clear()


def check_outcome(outcome: Outcome) -> bool:
    """Whether a run was done; False where the user cancelled it.

    Raises
    ------
    LungCancerDxError
        Where it failed; the details are logged.
    """
    if outcome.kind == "failed":
        logging.error("%s\n%s", outcome.message, outcome.details)
        raise LungCancerDxError(outcome.message)
    return outcome.kind == "done"


def _moved(affine: np.ndarray, point_mm: Point) -> Point:
    x, y, z = (affine @ [*point_mm, 1.0])[:3]
    return float(x), float(y), float(z)


def _origin(ct_node: slicer.vtkMRMLScalarVolumeNode) -> str:
    """Where a CT came from: its file, or its name in the scene."""
    storage = ct_node.GetStorageNode()
    return str((storage.GetFileName() if storage is not None else None) or ct_node.GetName())


def apply_result(
    request: ScoringRequest, result: CaseResult, replace_earlier: bool
) -> tuple[CaseNodes, Iterator[None]]:
    """Put a result into the scene; returns the case that is to be shown now, and the steps that are left to do.

    Raises
    ------
    LungCancerDxError
        Where the scene has changed so that the result has no place any more; it is left as it is.
    """
    ct_node = request.ct_node
    scene = ct_node.GetScene()
    if scene is None:
        raise LungCancerDxError("The CT was removed from the scene during the run; the result was dropped.")
    if (grid_of(ct_node), voxels_checksum(ct_node)) != (request.grid, request.checksum):
        raise LungCancerDxError("The CT was changed during the run; the result was dropped. Run again.")
    check_rigid(ct_node)
    if request.case is None:
        before = _case_before(ct_node)
        known = patient_of(result)
        if before is not None:
            known = replace(patient_of(before.result), nodules={})  # whose ranks may be those of others now
            result = _with_points_counting(result, before.result)
        replaced = [nodes for nodes in cases_of(ct_node) if replace_earlier and not has_work_of_the_user(nodes)]
        return _add(request, assessed(result, known.completed(*header_patient(ct_node))), replaced)
    if request.case.case.GetScene() is None:
        raise LungCancerDxError("The case was removed from the scene during the run; nothing was changed.")
    earlier = case_result(request.case.case)
    if not _same_case(earlier, result):
        raise LungCancerDxError(
            "The model does not find the nodules of this case in the same positions again; nothing was changed. "
            "Detect and score anew with the model of your choice."
        )
    result = replace(result, case=replace(result.case, weighted_by_confidence=earlier.case.weighted_by_confidence))
    overruled = result.rescored(earlier.scored_ranks | request.count) if can_overrule(result) else result
    overruled = assessed(overruled, patient_of(earlier))
    new, lost = _outlined(result) - _outlined(earlier), _outlined(earlier) - _outlined(result)
    remove_outlines(request.case.segmentation, lost)
    filling = add_outlines(request.case, result, new) if new else iter(())
    update(scene, request.case, overruled)
    return request.case, filling


def _with_points_counting(result: CaseResult, before: CaseResult) -> CaseResult:
    """The user's points count in a new result where they did in the one before."""
    counted = [nodule.center_lps_mm for nodule in before.nodules if nodule.source == "user" and nodule.scored]
    ranks = {
        n.rank for n in result.nodules if n.source == "user" and any(_is_same(n.center_lps_mm, c) for c in counted)
    }
    return result.rescored(result.scored_ranks | ranks) if ranks and can_overrule(result) else result


def _is_same(one: Point, other: Point) -> bool:
    return np.allclose(one, other, rtol=0, atol=_SAME_POSITION_MM)


def _add(request: ScoringRequest, result: CaseResult, earlier: Sequence[CaseNodes]) -> tuple[CaseNodes, Iterator[None]]:
    """Add a result and remove earlier ones, the last of which leaves its names."""
    scene = request.ct_node.GetScene()
    nodes, filling = add_case(scene, result, request.ct_node)
    nodes.case.SetAttribute(_MODEL, request.options.model or "")
    for old in earlier:
        names = {part: node.GetName() for part, node in old.results()}
        remove(scene, old)
        for part, name in names.items():
            getattr(nodes, part).SetName(name)
    return nodes, filling


def _outlined(result: CaseResult) -> set[int]:
    """The ranks of the nodules that have a mask."""
    return {nodule.rank for nodule in result.nodules if nodule.volume_mm3 is not None}


def _same_case(earlier: CaseResult, result: CaseResult) -> bool:
    """Whether the nodules of two results are the same, but for points that the user added since."""
    if earlier.model != result.model or len(earlier.nodules) > len(result.nodules):
        return False
    pairs = zip(earlier.nodules, result.nodules, strict=False)
    return all(_is_same(a.center_lps_mm, b.center_lps_mm) for a, b in pairs)
