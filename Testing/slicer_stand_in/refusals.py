"""What PySide6 takes and PythonQt does not, found in a module's source and on its widgets.

Not found: argument types and overloads that only one of the two converts, and scoped enumerations that are reached
through a variable.
"""

from __future__ import annotations

import ast
import enum
from functools import cache
from pathlib import Path

from PySide6 import QtCore

from .qt_module import NOT_IN_PYTHONQT, qt_module

_OTHER_QT = {"PySide6", "PySide2", "PyQt6", "PyQt5", "shiboken6", "qtpy"}


class PythonQtError(AssertionError):
    """Code that runs here and would fail in Slicer."""


def check_source(path: Path) -> None:
    """Refuse scoped enumerations (`qt.QProcess.ProcessState.NotRunning`), signals and slots declared in Python, and
    Qt from elsewhere than `import qt`.

    Raises
    ------
    PythonQtError
        With a line for each finding.
    """
    found = _findings(path.read_text(encoding="utf-8"))
    if found:
        raise PythonQtError("\n".join(["PythonQt has no such thing:", *(f"{path.name}:{text}" for text in found)]))


def check_attributes(top: QtCore.QObject) -> None:
    """Refuse attributes that Python added to Qt's own objects (`button.enable = True`), which PythonQt does not allow.

    Raises
    ------
    PythonQtError
        With a line for each finding.
    """
    found = [
        f"{type(child).__name__} '{child.objectName()}' has no property '{name}'"
        for child in (top, *top.findChildren(QtCore.QObject))
        for name, value in getattr(child, "__dict__", {}).items()
        if not name.startswith("_") and not _is_pysides(name, value) and _is_qts_own(type(child))
    ]
    if found:
        raise PythonQtError("PythonQt allows no new attributes on C++ objects:\n" + "\n".join(sorted(found)))


@cache
def _findings(source: str) -> list[str]:
    """Line and text of each."""
    nodes = ast.walk(ast.parse(source))
    return [f"{node.lineno}: {finding}" for node in nodes if (finding := _finding(node)) is not None]


def _finding(node: ast.AST) -> str | None:
    match node:
        case ast.Import(names=names):
            return _other_qt([alias.name for alias in names])
        case ast.ImportFrom(module=str(module), level=0, names=names):
            if module == "qt":
                forbidden = sorted({alias.name for alias in names} & NOT_IN_PYTHONQT)
                return f"qt.{forbidden[0]}" if forbidden else None
            return _other_qt([module])
        case ast.Attribute(value=ast.Name(id="qt"), attr=name) if name in NOT_IN_PYTHONQT:
            return f"qt.{name}"
        case ast.Attribute(value=ast.Attribute(value=ast.Attribute(value=ast.Name(id="qt"), attr=cls), attr=scope)):
            found = getattr(getattr(qt_module(), cls, None), scope, None)
            if isinstance(found, enum.EnumMeta):
                return f"qt.{cls}.{scope}.{node.attr}: write qt.{cls}.{node.attr}"
    return None


def _other_qt(names: list[str]) -> str | None:
    return next((f"import {name}" for name in names if name.partition(".")[0] in _OTHER_QT), None)


def _is_pysides(name: str, value: object) -> bool:
    """PySide6 itself keeps an object's signals, and the named widgets of a Designer file, as attributes."""
    is_child = isinstance(value, QtCore.QObject) and value.objectName() == name
    return is_child or isinstance(value, QtCore.SignalInstance)


def _is_qts_own(cls: type) -> bool:
    """Qt's classes and their stand-ins here; a subclass that a module defines may have attributes of its own."""
    return cls.__module__.startswith(("PySide6.", f"{__name__.rpartition('.')[0]}."))
