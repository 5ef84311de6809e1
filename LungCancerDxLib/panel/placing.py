"""A point that the user places in a view, for the classifier to look at."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer
import vtk

from ..scene import lps_mm

_NAME = "Point to classify"


class PointPlacing:
    """Lets the user click one point; it is told in the CT's own frame and leaves nothing in the scene.

    What the views tell is acted on at the next turn of the event loop: they are not done with the point before.

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
        self._ct_node: slicer.vtkMRMLScalarVolumeNode | None = None
        self._markups: slicer.vtkMRMLMarkupsFiducialNode | None = None
        self._observed: list[tuple[vtk.vtkObject, int]] = []
        self._point_lps_mm: tuple[float, float, float] | None = None
        self._later = qt.QTimer()
        self._later.setSingleShot(True)
        self._later.setInterval(0)
        self._later.timeout.connect(self._settle)

    @property
    def active(self) -> bool:
        return self._markups is not None

    @property
    def ct_node(self) -> slicer.vtkMRMLScalarVolumeNode | None:
        """The CT in which a point is placed."""
        return self._ct_node

    def start(self, ct_node: slicer.vtkMRMLScalarVolumeNode) -> None:
        """Wait for a click in a view."""
        self.stop()
        self._ct_node = ct_node
        self._markups = ct_node.GetScene().AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", _NAME)
        self._markups.CreateDefaultDisplayNodes()
        for node in (self._markups, self._markups.GetDisplayNode()):
            node.SetSaveWithScene(False)
        selection, interaction = _application_nodes()
        selection.SetReferenceActivePlaceNodeClassName(self._markups.GetClassName())
        selection.SetActivePlaceNodeID(self._markups.GetID())
        interaction.SwitchToSinglePlaceMode()
        self._observe(self._markups, slicer.vtkMRMLMarkupsNode.PointPositionDefinedEvent, self._placed)
        self._observe(interaction, slicer.vtkMRMLInteractionNode.InteractionModeChangedEvent, self._mode_changed)

    def stop(self) -> None:
        """Wait no longer."""
        self._later.stop()
        self._point_lps_mm = self._ct_node = None
        if self._markups is None:
            return
        for observed, tag in self._observed:
            observed.RemoveObserver(tag)
        self._observed.clear()
        interaction = _application_nodes()[1]
        if interaction.GetCurrentInteractionMode() == slicer.vtkMRMLInteractionNode.Place:
            interaction.SwitchToViewTransformMode()
        markups, self._markups = self._markups, None
        for node in (markups.GetDisplayNode(), markups):
            if node is not None and node.GetScene() is not None:
                node.GetScene().RemoveNode(node)

    def _observe(self, node: vtk.vtkObject, event: int, function: Callable) -> None:
        self._observed.append((node, node.AddObserver(event, function)))

    def _placed(self, *_event: object) -> None:
        if self._markups.GetNumberOfControlPoints():
            world_ras_mm = [0.0, 0.0, 0.0]
            self._markups.GetNthControlPointPositionWorld(0, world_ras_mm)
            from_world = vtk.vtkGeneralTransform()
            parent = self._ct_node.GetParentTransformNode()
            slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, parent, from_world)
            self._point_lps_mm = lps_mm(from_world.TransformPoint(world_ras_mm))
            self._later.start()

    def _mode_changed(self, *_event: object) -> None:
        self._later.start()

    def _settle(self) -> None:
        """The user has placed a point, or gone back to looking."""
        ct_node, point_lps_mm = self._ct_node, self._point_lps_mm
        if point_lps_mm is not None:
            self.stop()
            self._on_placed(ct_node, point_lps_mm)
        elif _application_nodes()[1].GetCurrentInteractionMode() != slicer.vtkMRMLInteractionNode.Place:
            self.stop()
            self._on_left()


def _application_nodes() -> tuple[slicer.vtkMRMLSelectionNode, slicer.vtkMRMLInteractionNode]:
    logic = slicer.app.applicationLogic()
    return logic.GetSelectionNode(), logic.GetInteractionNode()
