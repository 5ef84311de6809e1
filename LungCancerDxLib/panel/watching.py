"""Listening to one node at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import slicer


class NodeWatch:
    """Calls back at some events of a node.

    Parameters
    ----------
    events
        Numbers of the events.
    on_event
        Called without arguments.
    """

    def __init__(self, events: Sequence[int], on_event: Callable[[], None]) -> None:
        self._events = events
        self._on_event = on_event
        self._tags: list[int] = []
        self.node: slicer.vtkMRMLNode | None = None

    def watch(self, node: slicer.vtkMRMLNode | None) -> None:
        """Listen to this node and no other."""
        if node is self.node:
            return
        if self.node is not None:
            for tag in self._tags:
                self.node.RemoveObserver(tag)
        self.node = node
        self._tags = [] if node is None else [node.AddObserver(event, self._happened) for event in self._events]

    def _happened(self, *_event: object) -> None:
        self._on_event()
