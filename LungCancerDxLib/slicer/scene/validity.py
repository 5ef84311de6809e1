"""Whether what is shown of a case still holds: its CT may be moved or changed, and outlines drawn otherwise."""

from __future__ import annotations

import json

import numpy as np

from ...names import capitalised
from .build import GRID, VOXELS, CaseNodes
from .ct import grid_of, voxels_checksum
from .nodules import has_points_of_the_user
from .segmentation import edited_segments, segment_ids, segment_label

_MOVED_MM = 1e-3
_MOVED = (
    "the CT or its results were moved since the case was computed, so that its positions do not hold. Detect and score "
    "the CT where it is now."
)
_CHANGED = (
    "the CT's voxels were changed since the case was computed, which is therefore of another image. Detect and score "
    "the CT as it is now."
)


def why_outdated(nodes: CaseNodes) -> str:
    """Why a case is not that of its CT as it is now; empty where it is, or where that is not known."""
    if _was_moved(nodes):
        return _MOVED
    made, now = nodes.case.GetAttribute(VOXELS), voxels_checksum(nodes.ct)
    return _CHANGED if made and now is not None and made != str(now) else ""


def caveats(nodes: CaseNodes) -> tuple[str, ...]:
    """What is to be said before everything else of a case."""
    outdated, ids = why_outdated(nodes), edited_segments(dict(nodes.results()).get("segmentation"))
    edited = [nodes.segmentation.GetSegmentation().GetSegment(segment_id).GetName() for segment_id in ids]
    return (
        *([capitalised(outdated)] if outdated else []),
        *([f"Changed outlines: {', '.join(edited)}; all figures are those of the outlines before."] if edited else []),
    )


def has_work_of_the_user(nodes: CaseNodes) -> bool:
    """Whether the user drew outlines, segments or points among those of a case."""
    parts = dict(nodes.results())
    segmentation = parts.get("segmentation")
    own = [name for name in segment_ids(segmentation) if segment_label(name) == (False, 0)]
    has_points = "markups" in parts and has_points_of_the_user(nodes.markups)
    return bool(own or has_points or edited_segments(segmentation))


def _was_moved(nodes: CaseNodes) -> bool:
    """Whether the CT lies otherwise than when the case was made of it, in its own frame or beside its results."""
    made, now = json.loads(nodes.case.GetAttribute(GRID) or "null"), grid_of(nodes.ct)
    if made is not None and now is not None:
        (size, matrix), (size_now, matrix_now) = made, now
        if size != list(size_now) or not np.allclose(matrix, matrix_now, rtol=0, atol=_MOVED_MM):
            return True
    parent = nodes.ct.GetTransformNodeID()
    placed = [node for _, node in nodes.results() if node.IsA("vtkMRMLTransformableNode")]
    return any(node.GetTransformNodeID() != parent for node in placed)
