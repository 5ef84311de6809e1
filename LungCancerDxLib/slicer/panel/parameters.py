"""What the user chooses in the panel, kept in the scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import slicer
from slicer import vtkMRMLScalarVolumeNode
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper

from ...case import CaseResult
from ...errors import LungCancerDxError
from ..scene import CaseNodes, case_result, cases_of, set_lung_window
from .nodule_table import by_model

# No postponed annotations here: Slicer's wrapper reads the types themselves.


DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")


@parameterNodeWrapper
class Parameters:
    """The panel's parameters.

    Parameters
    ----------
    model
        Name or folder of a model; empty for the default one.
    maxMemoryGb
        For the detector's largest maps; 0 leaves it to the library.
    replaceEarlier
        Whether a new run takes the place of earlier results of the same CT.
    confidence
        Runners-up of at least this confidence of detection are listed.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    model: str = ""
    device: Annotated[str, Choice(list(DEVICES))] = "auto"
    precision: Annotated[str, Choice(list(PRECISIONS))] = "auto"
    maxMemoryGb: Annotated[float, WithinRange(0.0, 1024.0)] = 0.0
    replaceEarlier: bool = True
    confidence: Annotated[float, WithinRange(0.0, 1.0)] = 0.5
    showLungs: bool = True
    showNodules: bool = True
    showLabels: bool = True


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


@dataclass(frozen=True)
class ShownCase:
    """A case with its nodes; `by_model` is the case as the model itself counted, where the user has overruled it."""

    nodes: CaseNodes
    result: CaseResult
    by_model: CaseResult | None


def latest_case(ct_node: slicer.vtkMRMLScalarVolumeNode | None) -> ShownCase | None:
    """The last case of a CT in the scene, where there is one.

    Raises
    ------
    LungCancerDxError
        Where its text is damaged.
    """
    cases = cases_of(ct_node) if ct_node is not None and ct_node.GetScene() is not None else []
    if not cases:
        return None
    try:
        result = case_result(cases[-1].case)
        return ShownCase(cases[-1], result, by_model(result, cases[-1]))
    except (LungCancerDxError, ValueError) as error:
        raise LungCancerDxError("The case of this CT in the scene is damaged; run again.") from error
