"""What the views show of a case, as the user chose: it alone, in its own CT."""

from __future__ import annotations

from collections.abc import Callable

import slicer

from ...case import Nodule
from ..scene.build import CaseNodes, find_cases
from ..scene.ct import nodes_of_class
from .navigation import POINT_CLICKED, NodeWatch, clicked_nodule, highlight, jump_to, show_ct
from .state import Parameters, ShownCase, apply_display


class CaseDisplay:
    """Brings the views in line with the case of the panel.

    Parameters
    ----------
    on_clicked
        Called with the rank of a nodule whose point the user clicked in a view.
    """

    def __init__(self, on_clicked: Callable[[int], None]) -> None:
        self._on_clicked = on_clicked
        self._case: ShownCase | None = None
        self._points = NodeWatch([POINT_CLICKED], self._clicked)
        self._applied: tuple[object, ...] = ()

    def show(self, case: ShownCase | None, chosen: Parameters | None) -> None:
        """Only where the user's choice or the case has changed: what was hidden elsewhere in Slicer stays so.

        Where nothing is chosen, nothing is shown anew.
        """
        self._case = case
        nodes = case.nodes if case is not None else None
        self._points.watch(nodes.markups.GetDisplayNode() if nodes is not None and nodes.markups is not None else None)
        if nodes is None or chosen is None:
            return
        wanted = (nodes.case, chosen.showLungs, chosen.showNodules, chosen.showLabels)
        if wanted != self._applied:
            if wanted[:1] != self._applied[:1]:
                _show_alone(nodes)
            self._applied = wanted
            apply_display(nodes, chosen)

    def hide(self, nodes: CaseNodes) -> None:
        """Hide a case that was changed while the user looks at another CT, until it is shown again."""
        self._applied = ()
        _set_visible(nodes, False)

    def go_to(self, nodule: Nodule) -> None:
        """Move the views to a nodule of the case; those that show another CT show this one first."""
        if self._case is not None:
            if not is_shown(self._case.nodes.ct):
                show_ct(self._case.nodes.ct)
            jump_to(self._case.nodes, nodule)
            highlight(self._case.nodes, self._case.result, nodule)

    def _clicked(self) -> None:
        nodule = clicked_nodule(self._case.nodes, self._case.result) if self._case is not None else None
        if nodule is not None:
            self._on_clicked(nodule.rank)


def is_shown(ct_node: slicer.vtkMRMLScalarVolumeNode) -> bool:
    """Whether a slice view has this CT as its background."""
    composites = nodes_of_class(ct_node.GetScene(), "vtkMRMLSliceCompositeNode")
    return any(composite.GetBackgroundVolumeID() == ct_node.GetID() for composite in composites)


def _show_alone(nodes: CaseNodes) -> None:
    """Hide what belongs to other cases, of whom else they may be: it would lie over the images of this one."""
    for case in find_cases(nodes.ct.GetScene()):
        _set_visible(case, case.case is nodes.case)


def _set_visible(nodes: CaseNodes, visible: bool) -> None:
    for node in (nodes.markups, nodes.segmentation):
        if node is not None and node.GetDisplayNode() is not None:
            node.GetDisplayNode().SetVisibility(visible)
