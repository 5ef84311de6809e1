"""What is there with a main window only: the window, its module selector and the layout of the views.

No view is drawn: the slice and 3D widgets have their real nodes and logics, and 3D cameras are not moved.
"""

from __future__ import annotations

from collections.abc import Callable

import slicer
import vtk
from PySide6 import QtWidgets

from .application_scene import ApplicationScene


class ModuleSelector:
    """The box in the toolbar in which the user chooses a module."""

    def __init__(self, select: Callable[[str], None]):
        self._select = select
        self.selectedModule = ""

    def selectModule(self, name: str) -> None:
        self._select(name)
        self.selectedModule = name


class qSlicerMainWindow(QtWidgets.QMainWindow):
    """A window that is never shown; `slicer.util.mainWindow()` finds it by its name."""

    def __init__(self, select: Callable[[str], None]):
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self._selector = ModuleSelector(select)

    def moduleSelector(self) -> ModuleSelector:
        return self._selector


class SliceWidget:
    """A slice view: its node and its logic."""

    def __init__(self, logic: slicer.vtkMRMLSliceLogic):
        self._logic = logic

    def mrmlSliceNode(self) -> slicer.vtkMRMLSliceNode:
        return self._logic.GetSliceNode()

    def sliceLogic(self) -> slicer.vtkMRMLSliceLogic:
        return self._logic

    def fitSliceToBackground(self) -> None:
        self._logic.FitSliceToBackground()


class ThreeDView:
    """A 3D view; what the module asks of its camera is counted."""

    def __init__(self, node: slicer.vtkMRMLViewNode):
        self._node = node
        self.camera_resets = 0

    def mrmlViewNode(self) -> slicer.vtkMRMLViewNode:
        return self._node

    def resetFocalPoint(self) -> None:
        self.camera_resets += 1

    def resetCamera(self) -> None:
        self.camera_resets += 1


class ThreeDWidget:
    """The frame of a 3D view."""

    def __init__(self, view: ThreeDView):
        self._view = view

    def threeDView(self) -> ThreeDView:
        return self._view

    def mrmlViewNode(self) -> slicer.vtkMRMLViewNode:
        return self._view.mrmlViewNode()


class LayoutManager:
    """The views of the application's scene."""

    def __init__(self, made: ApplicationScene):
        self._made = made
        self._slices = {name: SliceWidget(logic) for name, logic in made.slice_logics.items()}
        view_node = made.scene.GetFirstNodeByClass("vtkMRMLViewNode")
        self._three_d = ThreeDWidget(ThreeDView(view_node))

    def sliceViewNames(self) -> tuple[str, ...]:
        return tuple(self._slices)

    def sliceWidget(self, name: str) -> SliceWidget | None:
        return self._slices.get(name)

    def mrmlSliceLogics(self) -> vtk.vtkCollection:
        return self._made.application_logic.GetSliceLogics()

    @property
    def threeDViewCount(self) -> int:
        return 1

    def threeDWidget(self, index: int) -> ThreeDWidget | None:
        return self._three_d if index == 0 else None

    def resetSliceViews(self) -> None:
        for widget in self._slices.values():
            widget.fitSliceToBackground()

    def resetThreeDViews(self) -> None:
        self._three_d.threeDView().resetFocalPoint()

    @property
    def layout(self) -> int:
        return self._made.layout_node.GetViewArrangement()

    @layout.setter
    def layout(self, arrangement: int) -> None:
        self._made.layout_node.SetViewArrangement(arrangement)

    def setLayout(self, arrangement: int) -> None:
        self.layout = arrangement
