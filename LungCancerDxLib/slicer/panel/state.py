"""What the panel keeps in the scene: the user's choices, and the case that is shown."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Annotated

import slicer
from slicer import vtkMRMLScalarVolumeNode
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper

from ...case import CaseResult
from ...errors import LungCancerDxError
from ...names import DEVICES, FEATURE_COMBINING, PRECISIONS
from ...options import ScoreOptions
from ..scene.build import CaseNodes, cases_of
from ..scene.segmentation import LUNG_SEGMENTS, segment_ids
from ..scene.text import case_result
from ..scene.validity import caveats

# No postponed annotations here: Slicer's wrapper reads the types themselves.


@parameterNodeWrapper
class Parameters:
    """The panel's parameters.

    Parameters
    ----------
    model
        Name or folder of a model; empty for the default one.
    maxMemoryGb
        What a run may take in all, see `ScoreOptions`; 0 leaves it to the library.
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


def score_options(parameters: Parameters) -> ScoreOptions:
    """How the user wants CTs to be scored."""
    return ScoreOptions(
        model=parameters.model or None,
        device=parameters.device,
        precision=parameters.precision,
        max_memory_gb=parameters.maxMemoryGb or None,
    )


@dataclass(frozen=True)
class ShownCase:
    """A case of the scene with its nodes."""

    nodes: CaseNodes
    result: CaseResult

    @property
    def with_caveats(self) -> CaseResult:
        """The result with what the scene tells against it as its first warnings."""
        return replace(self.result, warnings=(*caveats(self.nodes), *self.result.warnings))

    @property
    def classified_beyond_model(self) -> tuple[int, ...]:
        """The detected nodules that the model did not count and that have a malignancy all the same."""
        return tuple(
            nodule.rank
            for nodule in self.result.nodules
            if nodule.source == "detected" and nodule.malignancy is not None and not nodule.counted_by_model
        )

    @property
    def users_points_lps_mm(self) -> list[tuple[float, float, float]]:
        """The points that the user had classified, in their order."""
        return [nodule.center_lps_mm for nodule in self.result.nodules if nodule.source == "user"]

    def is_classified(self, rank: int) -> bool:
        """Whether a nodule has its malignancy, without which it cannot count."""
        return any(nodule.rank == rank and nodule.malignancy is not None for nodule in self.result.nodules)


def can_overrule(result: CaseResult) -> bool:
    """Whether the case's join gives its nodules a score of their own."""
    return result.case.join != FEATURE_COMBINING


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
    nodes = cases[-1]
    try:
        return ShownCase(nodes, case_result(nodes.case))
    except LungCancerDxError as error:
        raise LungCancerDxError("The case of this CT in the scene is damaged; run again.") from error


def apply_display(nodes: CaseNodes, parameters: Parameters, but: Collection[str] = ()) -> None:
    """Show or hide lungs, nodules and labels, as the user chose, but these segments: they stay as they are."""
    segmentation, markups = nodes.segmentation, nodes.markups
    if segmentation is not None and segmentation.GetDisplayNode() is not None:
        display = segmentation.GetDisplayNode()
        for segment_id in segment_ids(segmentation):
            if segment_id in but:
                continue
            is_lung = segment_id in LUNG_SEGMENTS
            display.SetSegmentVisibility(segment_id, parameters.showLungs if is_lung else parameters.showNodules)
    if markups is not None and markups.GetDisplayNode() is not None:
        markups.GetDisplayNode().SetVisibility(parameters.showNodules)
        markups.GetDisplayNode().SetPointLabelsVisibility(parameters.showLabels)
