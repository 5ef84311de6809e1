"""What of a case is shown in the views."""

from __future__ import annotations

import slicer

from ..scene import CaseNodes, set_lung_window
from .parameters import Parameters

_LUNG_SEGMENTS = ("LeftLung", "RightLung")


class Display:
    """Brings the views in line with the user's choice where that, or the case, has changed, and otherwise leaves alone
    what the user has hidden or shown elsewhere in the application.
    """

    def __init__(self) -> None:
        self._applied: tuple | None = None

    def follow(self, nodes: CaseNodes, parameters: Parameters) -> None:
        """Apply the choice unless that has been done."""
        wanted = (nodes.case, parameters.showLungs, parameters.showNodules, parameters.showLabels)
        if wanted != self._applied:
            self._applied = wanted
            apply_display(nodes, parameters)


def apply_display(nodes: CaseNodes, parameters: Parameters) -> None:
    """Show or hide lungs, nodules and labels, as the user chose."""
    segmentation, markups = nodes.segmentation, nodes.markups
    if segmentation is not None and segmentation.GetDisplayNode() is not None:
        display, segments = segmentation.GetDisplayNode(), segmentation.GetSegmentation()
        for n in range(segments.GetNumberOfSegments()):
            segment_id = segments.GetNthSegmentID(n)
            is_lung = segment_id in _LUNG_SEGMENTS
            display.SetSegmentVisibility(segment_id, parameters.showLungs if is_lung else parameters.showNodules)
    if markups is not None and markups.GetDisplayNode() is not None:
        markups.GetDisplayNode().SetVisibility(parameters.showNodules)
        markups.GetDisplayNode().SetPointLabelsVisibility(parameters.showLabels)


def show_lung_window(ct_node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Show a CT as lung is read; one that scripts made may have had no display."""
    ct_node.CreateDefaultDisplayNodes()
    set_lung_window(ct_node)
