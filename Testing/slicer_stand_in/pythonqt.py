"""Qt as PythonQt shows it in Slicer: the module `qt`, and Qt properties as attributes for chosen modules only.

PySide6 has methods where PythonQt has attributes: `button.text()` against `button.text`. PySide6's feature
`true_property` turns that around, by the name of the module whose code is running; other modules see no change. Code
of a module that is neither chosen nor known to use PySide6 sees whatever its caller saw.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from types import ModuleType

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.support import feature  # type: ignore[attr-defined]

from . import pythonqt_members
from .widgets import UiLoader

_PACKAGE = __name__.rpartition(".")[0]
_MEMBERS = pythonqt_members.__name__
_ALWAYS = ("slicer.util", _MEMBERS)
_TRUE_PROPERTY = feature.get_select_id(["true_property"])
_PLAIN = 0
_IGNORED = -1
_NOT_IN_PYTHONQT = {"ClassInfo", "Property", "Signal", "SignalInstance", "Slot", "SLOT", "SIGNAL"}


class PythonQtError(AssertionError):
    """Code that runs here and would fail in Slicer."""


@cache
def qt_module() -> ModuleType:
    """The module `qt`: QtCore, QtGui and QtWidgets flat, less PySide6's own means of declaring signals and slots.

    The same object each time, so that a library module that keeps `qt` never holds an outdated one.
    """
    module = ModuleType("qt")
    for source in (QtCore, QtGui, QtWidgets):
        names = [name for name in dir(source) if not name.startswith("_") and name not in _NOT_IN_PYTHONQT]
        vars(module).update({name: getattr(source, name) for name in names})
    vars(module)["QUiLoader"] = UiLoader
    return module


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


def _is_pysides(name: str, value: object) -> bool:
    """PySide6 itself keeps an object's signals, and the named widgets of a Designer file, as attributes."""
    is_child = isinstance(value, QtCore.QObject) and value.objectName() == name
    return is_child or isinstance(value, QtCore.SignalInstance)


def _is_qts_own(cls: type) -> bool:
    """Qt's classes and their stand-ins here; a subclass that a module defines may have attributes of its own."""
    return cls.__module__.startswith(("PySide6.", f"{_PACKAGE}."))


class PropertyAttributes:
    """While the block runs, the modules under the given names have Qt properties as attributes.

    Parameters
    ----------
    prefixes
        Names of modules and packages; `A.b` covers `A.b` and `A.b.c`. The modules of this package itself never count.
        Modules that are imported while the block runs count from their first line.
    """

    def __init__(self, prefixes: Sequence[str]):
        self._prefixes = (*prefixes, *_ALWAYS)
        self._before: dict[str, int | None] = {}

    def __enter__(self) -> PropertyAttributes:
        for name in list(sys.modules):  # PySide6 would read the source of all, which fails on some of torch's
            feature.pyside_feature_dict.setdefault(name, _IGNORED)
        for name in (*self._prefixes, *sys.modules):
            if self._covers(name):
                self._select(name, _TRUE_PROPERTY)
            elif _is_stand_in(name):
                self._select(name, _PLAIN)
        _complete_members()
        sys.meta_path.insert(0, self)
        return self

    def __exit__(self, *_exception: object) -> None:
        sys.meta_path.remove(self)
        for name, selection in self._before.items():
            if selection is None:
                feature.pyside_feature_dict.pop(name, None)
            else:
                feature.pyside_feature_dict[name] = selection
        QtCore.__init_feature__()  # forget whose code ran last

    def add(self, name: str) -> None:
        """Choose one more module; it need not be imported by Python's own means."""
        self._select(name, _TRUE_PROPERTY)

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        """Called by Python's import before a module is run; finds nothing, only chooses."""
        if self._covers(name):
            self._select(name, _TRUE_PROPERTY)

    def _covers(self, name: str) -> bool:
        if name != _MEMBERS and _is_stand_in(name):
            return False
        return any(name == prefix or name.startswith(f"{prefix}.") for prefix in self._prefixes)

    def _select(self, name: str, selection: int) -> None:
        self._before.setdefault(name, feature.pyside_feature_dict.get(name))
        feature.set_selection(selection, name)


def _is_stand_in(name: str) -> bool:
    return name.startswith(f"{_PACKAGE}.")


@cache
def _complete_members() -> None:
    """`true_property` hides every setter and getter; PythonQt has them beside the attributes. Once a process."""
    classes = [getattr(module, name) for module in (QtCore, QtGui, QtWidgets) for name in dir(module)]
    pythonqt_members.complete({cls: dict(cls.__dict__) for cls in classes if isinstance(cls, type)})
