"""Members of Qt's classes as PythonQt has them, for the modules that have Qt properties as attributes.

This module is itself one of those, so that what it sets on a class is seen by them alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6 import QtCore


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
    QtCore.QObject.name = property(lambda self: self.objectName)  # type: ignore[attr-defined]
