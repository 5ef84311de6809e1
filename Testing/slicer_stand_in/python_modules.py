"""The modules that Slicer's Python has and ours has not, put in place for a while."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import slicer

from .refusals import check_source

_ABSENT = object()


@contextmanager
def installed(modules: Mapping[str, ModuleType], slicer_names: Mapping[str, Any]) -> Iterator[None]:
    """Have modules importable and names in `slicer` while the block runs; then all is as it was before.

    Parameters
    ----------
    modules
        By full name; a module `slicer.x` is a name in `slicer` too.
    """
    names = {name.partition(".")[2]: module for name, module in modules.items() if name.startswith("slicer.")}
    names |= slicer_names
    modules_before = {name: sys.modules.get(name, _ABSENT) for name in modules}
    names_before = {name: getattr(slicer, name, _ABSENT) for name in names}
    sys.modules.update(modules)
    for name, value in names.items():
        setattr(slicer, name, value)
    try:
        yield
    finally:
        for name, module in modules_before.items():
            _put_back(name, module, sys.modules.__setitem__, lambda name: sys.modules.pop(name, None))
        for name, value in names_before.items():
            _put_back(name, value, lambda name, value: setattr(slicer, name, value), _remove_from_slicer)


def _put_back(name: str, before: Any, put: Any, remove: Any) -> None:
    if before is _ABSENT:
        remove(name)
    else:
        put(name, before)


def _remove_from_slicer(name: str) -> None:
    if hasattr(slicer, name):
        delattr(slicer, name)


@contextmanager
def search_path() -> Iterator[list[str]]:
    """`sys.path`, to be added to; it is as before when the block ends."""
    before = list(sys.path)
    try:
        yield sys.path
    finally:
        sys.path[:] = before


class ModulesUnderTest:
    """The modules that were imported since now and that are under test.

    Parameters
    ----------
    covers
        Whether the module of a name is one; the tests themselves never are.
    """

    def __init__(self, covers: Callable[[str], bool]):
        self._covers = covers
        self._before = set(sys.modules)

    def check(self) -> None:
        """Refuse what PythonQt does not take."""
        for name in self._names():
            if getattr(sys.modules[name], "__file__", None):
                check_source(Path(sys.modules[name].__file__))

    def forget(self) -> None:
        """Let them be imported anew the next time."""
        for name in self._names():
            module = sys.modules.pop(name)
            package, _, last = name.rpartition(".")
            if getattr(sys.modules.get(package), last, None) is module:
                delattr(sys.modules[package], last)

    def _names(self) -> list[str]:
        new = set(sys.modules) - self._before
        return sorted(name for name in new if self._covers(name) and not name.startswith("Testing."))
