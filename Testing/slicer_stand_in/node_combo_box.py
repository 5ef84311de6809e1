"""Stand-in for qMRMLNodeComboBox, the selector of a node of the scene."""

from __future__ import annotations

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

_SCENE_EVENTS = (
    slicer.vtkMRMLScene.NodeAddedEvent,
    slicer.vtkMRMLScene.NodeRemovedEvent,
    slicer.vtkMRMLScene.EndBatchProcessEvent,
)


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """The scene's nodes of some classes in a combo box, with "None".

    As in Slicer "None" stays until a node is set, also when nodes come, and when the current node goes its neighbour is
    taken. Simpler than Slicer: no menu, nodes are in the scene's order, and after the scene was closed or opened the
    selection is made once, at the end.
    """

    currentNodeChanged = QtCore.Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._scene: slicer.vtkMRMLScene | None = None
        self._types: list[str] = []
        self._options: dict[str, bool] = {}
        self._node: slicer.vtkMRMLNode | None = None
        self._requested: str | None = None
        self._observed: list[tuple[vtk.vtkObject, int]] = []
        self._box = QtWidgets.QComboBox()
        self._box.currentIndexChanged.connect(self._chosen)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._box)
        observed = self._observed
        self.destroyed.connect(lambda: _remove_all(observed))  # a method of this object would not be called any more

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        _remove_all(self._observed)
        self._scene = scene
        if scene is not None:
            tags = [scene.AddObserver(event, lambda _caller, _event: self._refresh()) for event in _SCENE_EVENTS]
            self._observed += [(scene, tag) for tag in tags]
        self._refresh()

    def currentNode(self) -> slicer.vtkMRMLNode | None:
        return self._node if self._node in self._nodes() else None

    def setCurrentNode(self, node: slicer.vtkMRMLNode | None) -> None:
        node_id = node.GetID() if node is not None else ""
        if self._scene is not None and self._scene.IsBatchProcessing():
            self._requested = node_id
        else:
            self._box.setCurrentIndex(self._box.findData(node_id))

    def nodeCount(self) -> int:
        return len(self._nodes())

    def _set_types(self, types: list[str]) -> None:
        self._types = list(types)
        self._refresh()

    nodeTypes = QtCore.Property(list, lambda self: self._types, _set_types)

    def _option(name: str) -> QtCore.Property:  # type: ignore[misc]
        def read(self: qMRMLNodeComboBox) -> bool:
            return self._options.get(name, True)

        def write(self: qMRMLNodeComboBox, value: bool) -> None:
            self._options[name] = value

        return QtCore.Property(bool, read, write)

    addEnabled = _option("addEnabled")
    removeEnabled = _option("removeEnabled")
    renameEnabled = _option("renameEnabled")
    noneEnabled = _option("noneEnabled")
    showChildNodeTypes = _option("showChildNodeTypes")

    def _nodes(self) -> list[slicer.vtkMRMLNode]:
        if self._scene is None:
            return []
        nodes = [self._scene.GetNthNode(n) for n in range(self._scene.GetNumberOfNodes())]
        return [node for node in nodes if node.GetClassName() in self._types and not node.GetHideFromEditors()]

    def _refresh(self) -> None:
        """Bring the box in line with the scene, then the selection."""
        if self._scene is not None and self._scene.IsBatchProcessing():
            return
        row = self._box.currentIndex()
        with QtCore.QSignalBlocker(self._box):
            self._box.clear()
            self._box.addItem("None", "")
            for node in self._nodes():
                self._box.addItem(node.GetName(), node.GetID())
            wanted = self._node.GetID() if self._node is not None else ""
            kept = self._box.findData(wanted if self._requested is None else self._requested)
            self._requested = None
            self._box.setCurrentIndex(kept if kept >= 0 else min(max(row, 0), self._box.count() - 1))
        self._chosen()

    def _chosen(self, *_index: object) -> None:
        chosen_id = self._box.currentData()
        chosen = self._scene.GetNodeByID(chosen_id) if chosen_id and self._scene is not None else None
        if chosen is not self._node:
            self._node = chosen
            self.currentNodeChanged.emit(chosen)


def _remove_all(observed: list[tuple[vtk.vtkObject, int]]) -> None:
    for each, tag in observed:
        each.RemoveObserver(tag)
    observed.clear()
