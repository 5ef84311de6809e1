"""`slicer.modules` and the application's side of a module: the objects that a scripted module gets as its parent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from .qmrml_widgets import qMRMLWidget
from .signals import TextSignals


class qSlicerCoreModule:
    """A module of Slicer's own, by its logic; its panel is not there."""

    def __init__(self, name: str, logic: Any):
        self.name = name
        self.path = f"{name}.so"
        self._logic = logic

    def logic(self) -> Any:
        return self._logic

    def widgetRepresentation(self) -> None:
        return None


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The frame of a scripted module's panel, which the Python class fills."""

    def __init__(self) -> None:
        super().__init__()
        self._python: Any = None
        self._entered = False
        self.setLayout(QtWidgets.QVBoxLayout())

    isEntered = QtCore.Property(bool, lambda self: self._entered)

    def self(self) -> Any:
        """The Python object of the panel."""
        return self._python

    def set_python(self, python: Any) -> None:
        self._python = python

    def set_entered(self, entered: bool) -> None:
        self._entered = entered


class qSlicerScriptedLoadableModule:
    """What the application knows of a scripted module. Only these attributes can be set, as in Slicer."""

    __slots__ = (
        "_frame",
        "acknowledgementText",
        "associatedNodeTypes",
        "categories",
        "contributors",
        "dependencies",
        "helpText",
        "hidden",
        "icon",
        "index",
        "name",
        "path",
        "title",
        "widgetRepresentationCreationEnabled",
    )

    def __init__(self, name: str, path: str):
        self.name = name
        self.path = path
        self.hidden = False
        self.icon = QtGui.QIcon()
        self.index = -1
        self.associatedNodeTypes: list[str] = []
        self.widgetRepresentationCreationEnabled = True
        self._frame: qSlicerScriptedLoadableModuleWidget | None = None

    def show_in(self, frame: qSlicerScriptedLoadableModuleWidget | None) -> None:
        self._frame = frame

    def widgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget | None:
        return self._frame


class ModuleManager(TextSignals):
    """The modules by name; `namespace` is `slicer.modules`, where they are by their name in small letters."""

    def __init__(self, core_logics: dict[str, Any]):
        super().__init__("moduleLoaded", "moduleAboutToBeUnloaded")
        self.namespace = SimpleNamespace()
        self._modules: dict[str, Any] = {}
        for name, logic in core_logics.items():
            self.add(qSlicerCoreModule(name, logic))

    def add(self, module: Any) -> None:
        self._modules[module.name] = module
        setattr(self.namespace, module.name.lower(), module)

    def module(self, name: str) -> Any:
        return self._modules.get(name)

    def modulesNames(self) -> tuple[str, ...]:
        return tuple(self._modules)

    def factoryManager(self) -> ModuleManager:
        return self

    def loadedModuleNames(self) -> tuple[str, ...]:
        return tuple(self._modules)

    def isLoaded(self, name: str) -> bool:
        return name in self._modules
