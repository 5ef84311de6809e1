"""Stand-in for qMRMLNodeComboBox, the selector of a node of the scene."""

from __future__ import annotations

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from .scene_observer import Observations

_SCENE_EVENTS = (
    slicer.vtkMRMLScene.NodeAddedEvent,
    slicer.vtkMRMLScene.NodeRemovedEvent,
    slicer.vtkMRMLScene.EndBatchProcessEvent,
)


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """The scene's nodes of some classes in a combo box.

    As in Slicer a box without "None" always has a node where there is one, one with "None" keeps it until a node is
    set, and when the current node goes its neighbour is taken. Simpler than Slicer: the menu's entries (create,
    rename, delete, edit) are methods only, nodes are in the scene's order, and after the scene was closed or opened
    the selection is made once, at the end.
    """

    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)
    nodeAddedByUser = QtCore.Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None):
        super().__init__(parent)
        self._scene: slicer.vtkMRMLScene | None = None
        self._options = {"addEnabled": True, "removeEnabled": True, "editEnabled": False, "renameEnabled": False}
        self._options |= {"noneEnabled": False, "showHidden": False, "showChildNodeTypes": True}
        self._options |= {"selectNodeUponCreation": True}
        self._types: list[str] = []
        self._attributes: list[tuple[str, str, str | None]] = []
        self._base_name = self._none_text = ""
        self._node: slicer.vtkMRMLNode | None = None
        self._requested: str | None = None
        self._scene_observations, self._node_observations = Observations(), Observations()
        self._box = QtWidgets.QComboBox()
        self._box.currentIndexChanged.connect(self._chosen)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._box)
        self.destroyed.connect(self._scene_observations.clear)
        self.destroyed.connect(self._node_observations.clear)

    def mrmlScene(self) -> slicer.vtkMRMLScene | None:
        return self._scene

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        self._scene_observations.clear()
        self._scene = scene
        if scene is not None:
            self._scene_observations.add(scene, _SCENE_EVENTS, self._refresh)
        self._refresh()

    def currentNode(self) -> slicer.vtkMRMLNode | None:
        return self._node if self._node in self._nodes() else None

    def setCurrentNode(self, node: slicer.vtkMRMLNode | str | None) -> None:
        self.setCurrentNodeID(node.GetID() if isinstance(node, slicer.vtkMRMLNode) else node)

    def setCurrentNodeID(self, node_id: str | None) -> None:
        if self._scene is not None and self._scene.IsBatchProcessing():
            self._requested = node_id or ""
        else:
            self._box.setCurrentIndex(self._box.findData(node_id or ""))

    def _current_id(self) -> str:
        return self.currentNode().GetID() if self.currentNode() is not None else ""

    def nodeCount(self) -> int:
        return len(self._nodes())

    def nodeFromIndex(self, index: int) -> slicer.vtkMRMLNode | None:
        return self._nodes()[index] if 0 <= index < self.nodeCount() else None

    def addAttribute(self, node_type: str, name: str, value: str | None = None) -> None:
        """Show nodes of a class only where they have an attribute, or this value of it."""
        self._attributes.append((node_type, name, value))
        self._refresh()

    def addNode(self, node_type: str | None = None) -> slicer.vtkMRMLNode:
        """What "Create new" in the menu does."""
        name = self._scene.GenerateUniqueName(self._base_name or (node_type or self._types[0])[len("vtkMRML") :])
        node = self._scene.AddNewNodeByClass(node_type or self._types[0], name)
        if self._options["selectNodeUponCreation"]:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self) -> None:
        """What "Delete current" in the menu does."""
        self._scene.RemoveNode(self.currentNode())

    def _set_types(self, types: list[str]) -> None:
        self._types = list(types)
        self._refresh()

    def _set_base_name(self, name: str) -> None:
        self._base_name = name

    def _set_none_text(self, text: str) -> None:
        self._none_text = text
        self._refresh()

    nodeTypes = QtCore.Property("QStringList", lambda self: self._types, _set_types)
    baseName = QtCore.Property(str, lambda self: self._base_name, _set_base_name)
    noneDisplay = QtCore.Property(str, lambda self: self._none_text, _set_none_text)
    currentNodeID = QtCore.Property(str, _current_id, setCurrentNodeID, notify=currentNodeIDChanged, user=True)

    def _set_option(self, name: str, value: bool) -> None:
        self._options[name] = value
        self._refresh()

    def _option(name: str) -> QtCore.Property:
        return QtCore.Property(
            bool, lambda self: self._options[name], lambda self, value: self._set_option(name, value)
        )

    addEnabled = _option("addEnabled")
    removeEnabled = _option("removeEnabled")
    editEnabled = _option("editEnabled")
    renameEnabled = _option("renameEnabled")
    noneEnabled = _option("noneEnabled")
    showHidden = _option("showHidden")
    showChildNodeTypes = _option("showChildNodeTypes")
    selectNodeUponCreation = _option("selectNodeUponCreation")

    def _nodes(self) -> list[slicer.vtkMRMLNode]:
        if self._scene is None:
            return []
        nodes = [self._scene.GetNthNode(n) for n in range(self._scene.GetNumberOfNodes())]
        return [node for node in nodes if self._shows(node)]

    def _shows(self, node: slicer.vtkMRMLNode) -> bool:
        if node.GetHideFromEditors() and not self._options["showHidden"]:
            return False
        children = self._options["showChildNodeTypes"]
        if not any(node.IsA(name) if children else node.GetClassName() == name for name in self._types):
            return False
        return all(
            node.GetAttribute(name) is not None and (value is None or node.GetAttribute(name) == value)
            for node_type, name, value in self._attributes
            if node.IsA(node_type)
        )

    def _refresh(self) -> None:
        """Bring the box in line with the scene, then the selection."""
        if self._scene is not None and self._scene.IsBatchProcessing():
            return
        row, nodes = self._box.currentIndex(), self._nodes()
        with QtCore.QSignalBlocker(self._box):
            self._box.clear()
            if self._options["noneEnabled"]:
                self._box.addItem(self._none_text or "None", "")
            for node in nodes:
                self._box.addItem(node.GetName(), node.GetID())
            wanted = self._node if self._requested is None else self._scene.GetNodeByID(self._requested)
            kept = self._box.findData(wanted.GetID() if wanted is not None else "")
            self._requested = None
            self._box.setCurrentIndex(kept if kept >= 0 else min(max(row, 0), self._box.count() - 1))
        self._node_observations.clear()
        for node in nodes:
            self._node_observations.add(node, (vtk.vtkCommand.ModifiedEvent,), self._rename)
        self._chosen()

    def _rename(self) -> None:
        for row in range(self._box.count()):
            node = self._scene.GetNodeByID(self._box.itemData(row)) if self._box.itemData(row) else None
            if node is not None:
                self._box.setItemText(row, node.GetName())

    def _chosen(self) -> None:
        chosen_id = self._box.currentData()
        chosen = self._scene.GetNodeByID(chosen_id) if chosen_id else None
        if chosen is not self._node:
            self._node = chosen
            self.currentNodeChanged.emit(chosen)
            self.currentNodeIDChanged.emit(chosen_id or "")
