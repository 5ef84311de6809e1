"""A scripted module's panel, made and shown as the application does it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import slicer

from .modules import qSlicerScriptedLoadableModule, qSlicerScriptedLoadableModuleWidget
from .qt_application import process_events

_kept: list[dict[str, Any]] = []
"""PySide6 knows a module's names by their place in memory, which must not become another module's."""


def load_python(path: Path) -> ModuleType:
    """Run the module's file under its own name, with its folder on the search path."""
    sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    _kept.append(vars(module))
    spec.loader.exec_module(module)
    return module


class Panel:
    """The frame on the application's side and the module's own widget object in it."""

    def __init__(self, python: ModuleType, parent: qSlicerScriptedLoadableModule):
        name = parent.name
        self.frame = qSlicerScriptedLoadableModuleWidget()
        self.frame.setObjectName(f"{name}ModuleWidget")
        self.widget = getattr(python, f"{name}Widget")(self.frame)
        self.frame.set_python(self.widget)
        parent.show_in(self.frame)
        setattr(slicer.modules, f"{name}Widget", self.widget)

    def setup(self) -> None:
        self.widget.setup()
        self.frame.setMRMLScene(slicer.mrmlScene)

    def enter(self, width: int) -> None:
        self._resize(width)
        self.frame.show()
        self.frame.set_entered(True)
        self.widget.enter()

    def leave(self) -> None:
        self.frame.set_entered(False)
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
        self.frame.layout().activate()
        height = max(self.frame.sizeHint().height(), self.frame.layout().totalHeightForWidth(width))
        self.frame.resize(width, height)
        process_events()
