"""The four views of a case, made with trame-slicer and gone afterwards."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import slicer
import vtk

from .case_nodes import CaseNodes
from .case_text import case_result
from .messages import quiet_vtk
from .view_nodes import jump_to_first_nodule

_PIXELS = 640
_SLICES = {"Axial": ("R", "L"), "Coronal": ("R", "L"), "Sagittal": ("A", "P")}  # and what is left and right in them
_BACKGROUND_3D = [18, 20, 26]
_CHARACTERS = 96  # of a line at the foot of the 3D view


@contextmanager
def case_views(scene: slicer.vtkMRMLScene, nodes: CaseNodes) -> Iterator[dict[str, Any]]:
    """Views by name ("Axial", "Coronal", "Sagittal", "3D"), ready to be rendered.

    The nodes that they add to the scene are removed when the block ends; VTK is silent meanwhile.
    """
    from trame_slicer import views as trame  # trame-slicer is optional
    from trame_slicer.views.render_scheduler import NoScheduleRendering

    before = _node_ids(scene)
    views: dict[str, Any] = {}
    with quiet_vtk(), _application(scene) as application:
        try:
            for name in _SLICES:
                views[name] = trame.SliceView(scene, application, _tag(name), NoScheduleRendering())
                _prepare_slice(views[name], name, nodes)
            views["3D"] = trame.ThreeDView(scene, application, _tag("3D"), NoScheduleRendering())
            _prepare_3d(views["3D"], nodes)
            yield views
        finally:
            for view in views.values():
                view.set_view_node(None)
                view.finalize()
            for logic in (*application.GetSliceLogics(), *application.GetViewLogics()):
                logic.SetMRMLScene(None)  # or it would bring back what is removed
            for node_id in _node_ids(scene) - before:
                scene.RemoveNode(scene.GetNodeByID(node_id))


@contextmanager
def _application(scene: slicer.vtkMRMLScene) -> Iterator[slicer.vtkSlicerApplicationLogic]:
    """The logics that views need."""
    application = slicer.vtkSlicerApplicationLogic()
    application.SetMRMLScene(scene)
    application.SetSliceLogics(vtk.vtkCollection())
    application.SetViewLogics(vtk.vtkCollection())
    markups = slicer.vtkSlicerMarkupsLogic()
    markups.SetMRMLScene(scene)
    markups.SetMRMLApplicationLogic(application)
    application.SetModuleLogic("Markups", markups)  # points are drawn with it
    try:
        yield application
    finally:
        markups.SetMRMLScene(None)
        application.SetMRMLScene(None)


def _node_ids(scene: slicer.vtkMRMLScene) -> set[str]:
    return {scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())}


def _tag(name: str) -> str:
    """The views' nodes are others than those of the application."""
    return f"LungCancerDx{name}"


def _prepare_slice(view: Any, orientation: str, nodes: CaseNodes) -> None:
    _prepare(view)
    view.set_orientation(orientation)
    view.set_background_volume_id(nodes.ct.GetID())
    view.fit_view_to_content()
    jump_to_first_nodule(view.get_view_node(), nodes)
    corner = vtk.vtkCornerAnnotation
    left, right = _SLICES[orientation]
    _caption(view, {corner.UpperLeft: orientation, corner.LeftEdge: left, corner.RightEdge: right})


def _prepare_3d(view: Any, nodes: CaseNodes) -> None:
    _prepare(view)
    view.set_background_color(_BACKGROUND_3D)
    view.set_box_visible(False)
    view.fit_view_to_content()
    view.zoom(0.2)
    corner = vtk.vtkCornerAnnotation
    score = f"Case score {nodes.case.GetDescription()}"
    model = textwrap.fill(case_result(nodes.case).model_words, _CHARACTERS)
    _caption(view, {corner.UpperLeft: score, corner.LowerLeft: f"{model}\nResearch use only. Not for diagnosis."})


def _prepare(view: Any) -> None:
    view.set_mapped_in_layout(True)
    view.render_window().SetMultiSamples(0)  # translucent surfaces cannot be had with it off screen
    view.render_window().SetSize(_PIXELS, _PIXELS)


def _caption(view: Any, texts: dict[int, str]) -> None:
    """Texts by their place in a `vtkCornerAnnotation`."""
    annotation = vtk.vtkCornerAnnotation()
    for place, text in texts.items():
        annotation.SetText(place, text)
    annotation.SetMaximumFontSize(16)
    annotation.GetTextProperty().SetShadow(True)
    view.renderer().AddViewProp(annotation)
