"""Qt properties as attributes, as PythonQt has them, for chosen modules only.

PySide6 has methods where PythonQt has attributes: `button.text()` against `button.text`. PySide6's feature
`true_property` turns that around, by the name of the module whose code is running; other modules see no change. Code
of a module that is neither chosen nor known to use PySide6 sees whatever its caller saw.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache

from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.support import feature

from . import pythonqt_members

_HARNESS = __name__.rpartition(".")[0]
_ALWAYS = ("slicer.util", pythonqt_members.__name__)
_TRUE_PROPERTY = feature.get_select_id(["true_property"])
_PLAIN = 0
_IGNORED = -1


class PropertyAttributes:
    """While the block runs, the modules under the given names have Qt properties as attributes.

    Parameters
    ----------
    prefixes
        Names of modules and packages; `A.b` covers `A.b` and `A.b.c`. The modules of this harness itself never count,
        its tests do. Modules that are imported while the block runs count from their first line.
    """

    def __init__(self, prefixes: Sequence[str]):
        self._prefixes = (*prefixes, *_ALWAYS)
        self._before: dict[str, int | None] = {}

    def __enter__(self) -> PropertyAttributes:
        _ignore_others()
        for name in (*self._prefixes, *sys.modules):
            if self.covers(name):
                self._select(name, _TRUE_PROPERTY)
            elif _is_harness(name):
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

    def add(self, prefix: str) -> None:
        """Choose one more module or package; a module need not be imported by Python's own means."""
        self._prefixes = (*self._prefixes, prefix)
        self._select(prefix, _TRUE_PROPERTY)

    def covers(self, name: str) -> bool:
        """Whether the module of this name has Qt properties as attributes."""
        if name != pythonqt_members.__name__ and _is_harness(name):
            return False
        return any(name == prefix or name.startswith(f"{prefix}.") for prefix in self._prefixes)

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        """Called by Python's import before a module is run; finds nothing, only chooses."""
        if self.covers(name):
            self._select(name, _TRUE_PROPERTY)

    def _select(self, name: str, selection: int) -> None:
        self._before.setdefault(name, feature.pyside_feature_dict.get(name))
        feature.set_selection(selection, name)


def _is_harness(name: str) -> bool:
    last = name.rpartition(".")[2]
    return name.startswith(f"{_HARNESS}.") and not last.startswith("test_") and last != "conftest"


def _ignore_others() -> None:
    """PySide6 would read the source of every module that it has not seen, which fails on some of torch's."""
    for name in list(sys.modules):
        feature.pyside_feature_dict.setdefault(name, _IGNORED)


@cache
def _complete_members() -> None:
    """`true_property` hides every setter and getter; PythonQt has them beside the attributes. Once a process."""
    classes = [getattr(module, name) for module in (QtCore, QtGui, QtWidgets) for name in dir(module)]
    pythonqt_members.complete({cls: dict(cls.__dict__) for cls in classes if isinstance(cls, type)})
