"""A click on a nodule's point in a view."""

from __future__ import annotations

from collections.abc import Callable

import slicer

from ..scene import CaseNodes
from .watching import NodeWatch


class PointPicking:
    """Tells which point of a case the user clicked.

    Parameters
    ----------
    on_picked
        Called with the index of the point.
    """

    def __init__(self, on_picked: Callable[[int], None]) -> None:
        self._on_picked = on_picked
        self._display = NodeWatch([slicer.vtkMRMLMarkupsDisplayNode.JumpToPointEvent], self._picked)

    def watch(self, nodes: CaseNodes | None) -> None:
        """Listen to the points of this case and no other."""
        markups = nodes.markups if nodes is not None else None
        self._display.watch(markups.GetDisplayNode() if markups is not None else None)

    def _picked(self) -> None:
        display = self._display.node
        if display.GetActiveComponentType() == slicer.vtkMRMLMarkupsDisplayNode.ComponentControlPoint:
            self._on_picked(display.GetActiveComponentIndex())
