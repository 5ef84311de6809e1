"""Moving the views to a nodule and back to the whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import qt
import slicer
import vtk

from ...case import CaseResult, Nodule
from ..scene.build import CaseNodes
from ..scene.ct import lps_mm, nodes_of_class, ras_mm
from ..scene.segmentation import nodule_segment_id

_PALE = 0.35
_SAME_POSITION_MM = 0.01
_PLACED_NAME = "Point to classify"


def likely_ct(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLScalarVolumeNode | None:
    """The scalar volume that the views show, or else the first one; label maps and colour volumes are none."""
    nodes = nodes_of_class(scene, "vtkMRMLScalarVolumeNode")
    volumes = [node for node in nodes if node.GetClassName() == "vtkMRMLScalarVolumeNode"]
    shown = slicer.app.applicationLogic().GetSelectionNode().GetActiveVolumeID()
    return next((node for node in volumes if node.GetID() == shown), volumes[0] if volumes else None)


def world_ras_mm(nodes: CaseNodes, nodule: Nodule) -> np.ndarray:
    """Where a nodule is in the scene: its centre under the parent transform of its point or, without it, the CT's."""
    has_points = nodes.markups is not None and nodes.markups.GetScene() is not None
    frame = _between(nodes.markups if has_points else nodes.ct, None)
    return np.array(frame.TransformPoint(ras_mm(nodule.center_lps_mm)))


def _between(
    source: slicer.vtkMRMLTransformableNode | None, target: slicer.vtkMRMLTransformableNode | None
) -> vtk.vtkGeneralTransform:
    """From the frame of one node to that of another; None is the world."""
    parents = [node.GetParentTransformNode() if node is not None else None for node in (source, target)]
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(*parents, transform)
    return transform


def jump_to(nodes: CaseNodes, nodule: Nodule) -> None:
    """Centre all slice views and the 3D cameras on a nodule."""
    scene, center = nodes.ct.GetScene(), world_ras_mm(nodes, nodule)
    slicer.vtkMRMLSliceNode.JumpAllSlices(scene, *center, slicer.vtkMRMLSliceNode.CenteredJumpSlice)
    for camera in nodes_of_class(scene, "vtkMRMLCameraNode"):
        shift = center - np.array(camera.GetFocalPoint())
        camera.SetPosition(*(np.array(camera.GetPosition()) + shift))
        camera.SetFocalPoint(*center)
        camera.ResetClippingRange()


def show_ct(ct_node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Show a CT in all slice views, fitted; what lies over it there stays."""
    selection = slicer.app.applicationLogic().GetSelectionNode()
    selection.SetActiveVolumeID(ct_node.GetID())
    slicer.app.applicationLogic().PropagateBackgroundVolumeSelection(True)


def fit_views() -> None:
    """Show the whole CT in the slice views, and all there is in 3D; nothing where there are no views."""
    layout = slicer.app.layoutManager()
    if layout is None:
        return
    layout.resetSliceViews()
    for n in range(layout.threeDViewCount):
        layout.threeDWidget(n).threeDView().resetFocalPoint()


def highlight(nodes: CaseNodes, result: CaseResult, nodule: Nodule) -> None:
    """Have one nodule stand out: its point active, the outlines of the others paler."""
    point = point_of(nodes, nodule)
    if point is not None and nodes.markups.GetDisplayNode() is not None:
        nodes.markups.GetDisplayNode().SetActiveControlPoint(point)
    if nodes.segmentation is not None and nodes.segmentation.GetDisplayNode() is not None:
        display = nodes.segmentation.GetDisplayNode()
        modifying = display.StartModify()
        for each in result.nodules:
            if nodes.segmentation.GetSegmentation().GetSegment(nodule_segment_id(each.rank)) is not None:
                opacity = 1.0 if each.rank == nodule.rank else _PALE
                display.SetSegmentOpacity2DOutline(nodule_segment_id(each.rank), opacity)
        display.EndModify(modifying)


POINT_CLICKED = slicer.vtkMRMLMarkupsDisplayNode.JumpToPointEvent
"""What the display node of a case's points tells where the user clicked one."""


def clicked_nodule(nodes: CaseNodes, result: CaseResult) -> Nodule | None:
    """The nodule whose point was clicked, by its position: the user may have deleted others."""
    display = nodes.markups.GetDisplayNode()
    index = display.GetActiveComponentIndex()
    is_point = display.GetActiveComponentType() == slicer.vtkMRMLMarkupsDisplayNode.ComponentControlPoint
    if not is_point or not 0 <= index < nodes.markups.GetNumberOfControlPoints():
        return None
    return next((nodule for nodule in result.nodules if _is_at(nodes, index, nodule)), None)


def point_of(nodes: CaseNodes, nodule: Nodule) -> int | None:
    """The index of a nodule's point; None where the user deleted it."""
    count = nodes.markups.GetNumberOfControlPoints() if nodes.markups is not None else 0
    return next((index for index in range(count) if _is_at(nodes, index, nodule)), None)


def _is_at(nodes: CaseNodes, index: int, nodule: Nodule) -> bool:
    """Whether a control point lies where a nodule does."""
    position = nodes.markups.GetNthControlPointPosition(index)
    return np.allclose(position, ras_mm(nodule.center_lps_mm), rtol=0, atol=_SAME_POSITION_MM)


class NodeWatch:
    """Calls back at some events of a node.

    Parameters
    ----------
    events
        Numbers of the events.
    on_event
        Called without arguments.
    """

    def __init__(self, events: Sequence[int], on_event: Callable[[], None]) -> None:
        self._events = events
        self._on_event = on_event
        self._tags: list[int] = []
        self.node: slicer.vtkMRMLNode | None = None

    def watch(self, node: slicer.vtkMRMLNode | None) -> None:
        """Listen to this node and no other."""
        if node is self.node:
            return
        if self.node is not None:
            for tag in self._tags:
                self.node.RemoveObserver(tag)
        self.node = node
        self._tags = [] if node is None else [node.AddObserver(event, self._happened) for event in self._events]

    def _happened(self, *_event: object) -> None:
        self._on_event()


class PointPlacing:
    """Lets the user click one point; it is reported in the CT's own frame and leaves nothing in the scene.

    The views' events are acted on at the next turn of the event loop: before, they are not done with the point.

    Parameters
    ----------
    on_placed
        Called with the CT and the point, LPS mm in the frame of the CT's node.
    on_left
        Called where the user left the placing without a point.
    """

    def __init__(
        self,
        on_placed: Callable[[slicer.vtkMRMLScalarVolumeNode, tuple[float, float, float]], None],
        on_left: Callable[[], None],
    ) -> None:
        self._on_placed = on_placed
        self._on_left = on_left
        self.ct_node: slicer.vtkMRMLScalarVolumeNode | None = None
        """The CT in which a point is placed; None when none is."""
        self._markups = NodeWatch([slicer.vtkMRMLMarkupsNode.PointPositionDefinedEvent], self._placed)
        self._mode = NodeWatch([slicer.vtkMRMLInteractionNode.InteractionModeChangedEvent], self._settle_later)
        self._point_lps_mm: tuple[float, float, float] | None = None
        self._later = qt.QTimer()
        self._later.setSingleShot(True)
        self._later.setInterval(0)
        self._later.timeout.connect(self._settle)

    @property
    def active(self) -> bool:
        return self._markups.node is not None

    def start(self, ct_node: slicer.vtkMRMLScalarVolumeNode) -> None:
        """Wait for a click in a view."""
        self.stop()
        self.ct_node = ct_node
        markups = ct_node.GetScene().AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", _PLACED_NAME)
        markups.CreateDefaultDisplayNodes()
        for node in (markups, markups.GetDisplayNode()):
            node.SetSaveWithScene(False)
        selection, interaction = _application_nodes()
        selection.SetReferenceActivePlaceNodeClassName(markups.GetClassName())
        selection.SetActivePlaceNodeID(markups.GetID())
        interaction.SwitchToSinglePlaceMode()
        self._markups.watch(markups)
        self._mode.watch(interaction)

    def stop(self) -> None:
        """Wait no longer."""
        self._later.stop()
        self._point_lps_mm = self.ct_node = None
        markups = self._markups.node
        if markups is None:
            return
        self._markups.watch(None)
        self._mode.watch(None)
        interaction = _application_nodes()[1]
        if interaction.GetCurrentInteractionMode() == slicer.vtkMRMLInteractionNode.Place:
            interaction.SwitchToViewTransformMode()
        for node in (markups.GetDisplayNode(), markups):
            if node is not None and node.GetScene() is not None:
                node.GetScene().RemoveNode(node)

    def _placed(self) -> None:
        markups = self._markups.node
        if self.ct_node is not None and markups is not None and markups.GetNumberOfControlPoints():
            world_ras_mm = [0.0, 0.0, 0.0]
            markups.GetNthControlPointPositionWorld(0, world_ras_mm)
            self._point_lps_mm = lps_mm(_between(None, self.ct_node).TransformPoint(world_ras_mm))
            self._settle_later()

    def _settle_later(self) -> None:
        self._later.start()

    def _settle(self) -> None:
        """The user has placed a point, or gone back to looking."""
        ct_node, point_lps_mm = self.ct_node, self._point_lps_mm
        if ct_node is not None and point_lps_mm is not None:
            self.stop()
            self._on_placed(ct_node, point_lps_mm)
        elif _application_nodes()[1].GetCurrentInteractionMode() != slicer.vtkMRMLInteractionNode.Place:
            self.stop()
            self._on_left()


def _application_nodes() -> tuple[slicer.vtkMRMLSelectionNode, slicer.vtkMRMLInteractionNode]:
    logic = slicer.app.applicationLogic()
    return logic.GetSelectionNode(), logic.GetInteractionNode()
