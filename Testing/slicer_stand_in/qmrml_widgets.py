"""Stand-ins for Slicer's widgets that show a MRML scene: the frame of a module's panel and the markups placer.

The node selector is in `node_combo_box`.
"""

from __future__ import annotations

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from .node_combo_box import qMRMLNodeComboBox
from .scene_observer import Observations


class qMRMLWidget(QtWidgets.QWidget):
    """A widget with a scene, which it hands on by its signal."""

    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._scene: slicer.vtkMRMLScene | None = None

    def mrmlScene(self) -> slicer.vtkMRMLScene | None:
        return self._scene

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class qSlicerWidget(qMRMLWidget):
    """The other frame that Designer files of modules use."""


class qSlicerMarkupsPlaceWidget(qMRMLWidget):
    """A button that starts and ends placing points of a markups node, by the scene's own interaction node.

    Simpler than Slicer's: no colour, lock and delete buttons.
    """

    activeMarkupsPlaceModeChanged = QtCore.Signal(bool)
    ShowPlaceMultipleMarkupsOption, HidePlaceMultipleMarkupsOption = range(2)
    ForcePlaceSingleMarker, ForcePlaceMultipleMarkers = range(2, 4)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._node: slicer.vtkMRMLMarkupsNode | None = None
        self._was_active = False
        self._place_multiple = self.ShowPlaceMultipleMarkupsOption
        self._observations = Observations()
        self._button = QtWidgets.QToolButton()
        self._button.setText("Place")
        self._button.setCheckable(True)
        self._button.clicked.connect(self.setPlaceModeEnabled)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._button)
        self.destroyed.connect(self._observations.clear)

    def placeButton(self) -> QtWidgets.QToolButton:
        return self._button

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        self._observations.clear()
        super().setMRMLScene(scene)
        for node in (self._interaction(), self._selection()):
            if node is not None:
                self._observations.add(node, (vtk.vtkCommand.ModifiedEvent,), self._follow)
        self._follow()

    def currentNode(self) -> slicer.vtkMRMLMarkupsNode | None:
        return self._node

    def setCurrentNode(self, node: slicer.vtkMRMLMarkupsNode | None) -> None:
        self.setPlaceModeEnabled(False)
        self._node = node
        self._follow()

    def setPlaceModeEnabled(self, enabled: bool) -> None:
        if self._node is None or self._interaction() is None or enabled == self.placeModeEnabled:
            return
        mode = slicer.vtkMRMLInteractionNode
        if enabled:
            self._selection().SetReferenceActivePlaceNodeClassName(self._node.GetClassName())
            self._selection().SetActivePlaceNodeID(self._node.GetID())
            self._interaction().SetPlaceModePersistence(self._place_multiple == self.ForcePlaceMultipleMarkers)
        self._interaction().SetCurrentInteractionMode(mode.Place if enabled else mode.ViewTransform)

    def _is_placing(self) -> bool:
        return (
            self._node is not None
            and self._interaction() is not None
            and self._interaction().GetCurrentInteractionMode() == slicer.vtkMRMLInteractionNode.Place
            and self._selection().GetActivePlaceNodeID() == self._node.GetID()
        )

    def _set_place_multiple(self, option: int) -> None:
        self._place_multiple = option

    placeModeEnabled = QtCore.Property(bool, _is_placing, setPlaceModeEnabled)
    placeMultipleMarkups = QtCore.Property(int, lambda self: self._place_multiple, _set_place_multiple)

    def _follow(self) -> None:
        self._button.setEnabled(self._node is not None)
        self._button.setChecked(self.placeModeEnabled)
        if self.placeModeEnabled != self._was_active:
            self._was_active = self.placeModeEnabled
            self.activeMarkupsPlaceModeChanged.emit(self._was_active)

    def _interaction(self) -> slicer.vtkMRMLInteractionNode | None:
        return self._scene and self._scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")

    def _selection(self) -> slicer.vtkMRMLSelectionNode | None:
        return self._scene and self._scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")


class qMRMLMarkupsPlaceWidget(qSlicerMarkupsPlaceWidget):
    """The placer's other name."""


QMRML_WIDGETS = (qMRMLNodeComboBox, qMRMLWidget, qMRMLMarkupsPlaceWidget, qSlicerMarkupsPlaceWidget, qSlicerWidget)
