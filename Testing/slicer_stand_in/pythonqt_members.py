"""Members of Qt's classes as PythonQt has them, for the modules that have Qt properties as attributes.

This module is itself one of those, so that what it sets on a class is seen by them alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from PySide6 import QtCore, QtWidgets

_MODAL = {
    QtWidgets.QDialog: ("exec", "exec_"),
    QtWidgets.QMessageBox: ("about", "critical", "information", "question", "warning"),
    QtWidgets.QFileDialog: ("getExistingDirectory", "getOpenFileName", "getOpenFileNames", "getSaveFileName"),
    QtWidgets.QInputDialog: ("getDouble", "getInt", "getItem", "getText"),
}


class ModalDialogError(RuntimeError):
    """A dialog that waits for a user would keep a test waiting for ever."""


def complete(plain: Mapping[type, Mapping[str, Any]]) -> None:
    """Add what PythonQt has and `true_property` has not.

    That is: setters that are no slots (`setText` of a button, `setToolTip`) and getters of another name than the
    property (`isEnabled`, `toPlainText`), and the attribute `name`. Not `widget.connect("clicked(bool)", f)`, for which
    PySide6 leaves no place: it is `widget.clicked.connect(f)` in both.

    Parameters
    ----------
    plain
        Members of each class as they are without the feature.
    """
    for cls, members in plain.items():
        shown = cls.__dict__
        for name in [name for name in members if name not in shown]:
            setattr(cls, name, members[name])
    QtCore.QObject.name = property(_name, _set_name)
    for cls, names in _MODAL.items():
        for name in names:
            setattr(cls, name, _refusing(f"{cls.__name__}.{name}"))


def _name(self: QtCore.QObject) -> str:
    return self.objectName


def _set_name(self: QtCore.QObject, name: str) -> None:
    self.objectName = name


def _refusing(what: str) -> Callable:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise ModalDialogError(f"{what} waits for a user: use slicer.util's messages, or let the test pass an answer")

    return refuse
