"""An observation of a VTK object by a Qt widget, which ends with the widget."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import vtk


class Observations:
    """Observers that one widget has added, to be taken off together; a callback gets no arguments."""

    def __init__(self) -> None:
        self._tags: list[tuple[vtk.vtkObject, int]] = []

    def add(self, observed: vtk.vtkObject, events: Iterable[int], callback: Callable[[], None]) -> None:
        for event in events:
            self._tags.append((observed, observed.AddObserver(event, lambda _caller, _event: callback())))

    def clear(self) -> None:
        for observed, tag in self._tags:
            observed.RemoveObserver(tag)
        self._tags.clear()
