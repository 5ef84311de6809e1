"""`slicer.ScriptedLoadableModule`: the base classes of a scripted module, and its two sides in the application."""

from __future__ import annotations

import importlib.util
import sys
import unittest
from pathlib import Path
from types import ModuleType
from typing import Any

import slicer
import slicer.util
from PySide6 import QtCore, QtWidgets

from .qt_application import process_events
from .widgets import qMRMLWidget

__all__ = [
    "ScriptedLoadableModule",
    "ScriptedLoadableModuleLogic",
    "ScriptedLoadableModuleTest",
    "ScriptedLoadableModuleWidget",
]

_kept: list[dict[str, Any]] = []
"""PySide6 knows a module's names by their address in memory, which must not become another module's."""


class ScriptedLoadableModule:
    """What the application knows of a module; `parent` is the module object on the application's side."""

    def __init__(self, parent):
        self.parent = parent
        self.moduleName = type(self).__name__
        slicer.selfTests[self.moduleName] = self.runTest

    def runTest(self):
        module = sys.modules[type(self).__module__]
        getattr(module, f"{self.moduleName}Test")().runTest()


class ScriptedLoadableModuleWidget:
    """A module's panel; the application calls `setup`."""

    def __init__(self, parent=None):
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.parent = parent
        self.layout = parent.layout()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def resourcePath(self, filename):
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def setup(self):
        """To be extended: make the panel's widgets."""

    def cleanup(self):
        """To be overridden: the application closes."""

    def _onModuleAboutToBeUnloaded(self, moduleName):
        if moduleName == self.moduleName:
            self.cleanup()


class ScriptedLoadableModuleLogic:
    """A module's computations, with its parameters in a node of the scene."""

    def __init__(self, parent=None):
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self):
        """The module's parameter node, made where there is none."""
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
            node = slicer.mrmlScene.AddNode(node)
        node.SetAttribute("ModuleName", self.moduleName)  # closing a scene may have taken it
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """A module's self-test."""

    def delayDisplay(self, message, requestedDelay=None, msec=None):
        slicer.util.delayDisplay(message)


class _ModuleObject:
    """What the application knows of a scripted module. Only these attributes can be set, as in Slicer."""

    __slots__ = (
        "acknowledgementText",
        "categories",
        "contributors",
        "dependencies",
        "helpText",
        "hidden",
        "icon",
        "name",
        "path",
        "title",
    )

    def __init__(self, name: str, path: str):
        self.name = name
        self.path = path


class _Frame(qMRMLWidget):
    """The application's frame of a module's panel."""

    def __init__(self) -> None:
        super().__init__()
        self.setLayout(QtWidgets.QVBoxLayout())


class LoadedModule:
    """A module of the application: its Python, and its panel in a frame."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.python = _load_python(path)
        self.module_object = _ModuleObject(self.name, str(path))

    def create(self) -> None:
        """The module itself, as at the start of the application."""
        getattr(self.python, self.name)(self.module_object)

    def set_up(self) -> None:
        """The panel, when the user first comes to the module."""
        self.frame = _Frame()
        self.widget = getattr(self.python, f"{self.name}Widget")(self.frame)
        self.widget.setup()
        self.frame.setMRMLScene(slicer.mrmlScene)

    def enter(self, width: int) -> None:
        self._resize(width)
        self.frame.show()
        self.widget.enter()

    def leave(self) -> None:
        self.widget.exit()
        self.frame.hide()

    def grab(self, path: Path, width: int) -> None:
        self._resize(width)
        if not self.frame.grab().save(str(path)):
            raise OSError(f"{path} could not be written")

    def _resize(self, width: int) -> None:
        """As high as the contents need at this width."""
        process_events()
        self.frame.setFixedWidth(width)
        layout = self.frame.layout()
        assert layout is not None
        layout.activate()
        height = max(self.frame.sizeHint().height(), layout.totalHeightForWidth(width))
        self.frame.resize(QtCore.QSize(width, height))
        process_events()


def _load_python(path: Path) -> ModuleType:
    """Run the module's file under its own name, anew each time."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    _kept.append(vars(module))
    spec.loader.exec_module(module)
    return module
