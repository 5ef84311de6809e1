"""The module `qt` of Slicer's Python: all of Qt's names flat, less what PythonQt does not have."""

from __future__ import annotations

from functools import cache
from types import ModuleType

from PySide6 import QtCore, QtGui, QtWidgets

from .ui_loader import UiLoader

NOT_IN_PYTHONQT = frozenset(
    {"ClassInfo", "MetaFunction", "MetaSignal", "Property", "Signal", "SignalInstance", "Slot", "SLOT", "SIGNAL"}
)
"""PySide6's own means of declaring signals, slots and properties in Python."""


@cache
def qt_module() -> ModuleType:
    """The same object each time, so that a library module that keeps `qt` never holds an outdated one."""
    module = ModuleType("qt", "Qt as Slicer's Python has it: QtCore, QtGui, QtWidgets and QUiLoader, flat.")
    for source in (QtCore, QtGui, QtWidgets):
        for name in dir(source):
            if not name.startswith("_") and name not in NOT_IN_PYTHONQT:
                setattr(module, name, getattr(source, name))
    module.QUiLoader = UiLoader
    return module
