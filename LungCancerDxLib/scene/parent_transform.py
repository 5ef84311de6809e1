"""Results follow their CT under its parent transform, as long as that is linear."""

from __future__ import annotations

import slicer

from ..errors import LungCancerDxError


def check_linear(ct_node: slicer.vtkMRMLVolumeNode) -> None:
    """Refuse a CT whose way to the world is not linear: distances and diameters in mm would not hold there.

    Raises
    ------
    LungCancerDxError
        Naming the transform and what to do about it.
    """
    parent = ct_node.GetParentTransformNode()
    if parent is not None and not parent.IsTransformToWorldLinear():
        raise LungCancerDxError(
            f"The CT {ct_node.GetName()} is under the non-linear transform {parent.GetName()}; results can be shown "
            "under linear transforms only. Take the CT out of the transform, or harden the transform on a copy of the "
            "CT and run on that."
        )


def follow(node: slicer.vtkMRMLTransformableNode, ct_node: slicer.vtkMRMLVolumeNode) -> None:
    """Put a result under the parent transform of its CT."""
    node.SetAndObserveTransformNodeID(ct_node.GetTransformNodeID())
