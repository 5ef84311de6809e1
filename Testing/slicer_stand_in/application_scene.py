"""The scene of an application: a real vtkMRMLScene with the logics and the view nodes that Slicer has at its start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer
import vtk

from LungCancerDxLib.slicer.scene import quiet_vtk

from .subject_hierarchy import automatic_items

_MODULE_LOGICS = {
    "Markups": "vtkSlicerMarkupsLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Volumes": "vtkSlicerVolumesLogic",
}
SLICE_VIEWS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}
"""Slicer's slice views and their orientation."""


@dataclass
class ApplicationScene:
    """A scene and what works on it; `modules` are the logics of Slicer's own modules by their name."""

    scene: slicer.vtkMRMLScene
    application_logic: slicer.vtkSlicerApplicationLogic
    modules: dict[str, Any]
    slice_logics: dict[str, slicer.vtkMRMLSliceLogic]
    view_logic: slicer.vtkMRMLViewLogic
    layout_node: slicer.vtkMRMLLayoutNode


@contextmanager
def application_scene(cache: Path) -> Iterator[ApplicationScene]:
    """A scene at the application's start; VTK's own messages stay off the terminal.

    Parameters
    ----------
    cache
        Where files of opened scenes are unpacked to.
    """
    with quiet_vtk():
        scene = slicer.vtkMRMLScene()
        application = slicer.vtkSlicerApplicationLogic()
        application.SetMRMLScene(scene)
        application.GetColorLogic().SetMRMLScene(scene)
        application.GetColorLogic().AddDefaultColorNodes()
        modules = {name: _module_logic(name, cls, application) for name, cls in _MODULE_LOGICS.items()}
        files = _files_logic(scene, cache)
        slices, view, layout = _views(scene, application)
        try:
            with automatic_items(scene):
                yield ApplicationScene(
                    scene=scene,
                    application_logic=application,
                    modules=modules,
                    slice_logics=slices,
                    view_logic=view,
                    layout_node=layout.GetLayoutNode(),
                )
        finally:
            scene.Clear(True)
            files.RemoveDataIOFromScene()
            for logic in (*slices.values(), view, layout, *modules.values(), files, application):
                logic.SetMRMLScene(None)


def _module_logic(name: str, class_name: str, application: slicer.vtkSlicerApplicationLogic) -> Any:
    logic = getattr(slicer, class_name)()
    logic.SetMRMLScene(application.GetMRMLScene())
    logic.SetMRMLApplicationLogic(application)
    application.SetModuleLogic(name, logic)
    return logic


def _files_logic(scene: slicer.vtkMRMLScene, cache: Path) -> slicer.vtkMRMLRemoteIOLogic:
    """Without it a scene cannot read a .mrb."""
    logic = slicer.vtkMRMLRemoteIOLogic()
    logic.SetMRMLScene(scene)
    logic.GetCacheManager().SetRemoteCacheDirectory(str(cache))
    logic.AddDataIOToScene()
    return logic


def _views(scene: slicer.vtkMRMLScene, application: slicer.vtkSlicerApplicationLogic) -> tuple[dict, Any, Any]:
    """The nodes of the three slice views and of the 3D view, with their logics: nothing is drawn."""
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
    application.SetSliceLogics(vtk.vtkCollection())
    application.SetViewLogics(vtk.vtkCollection())
    slices = {}
    for name, orientation in SLICE_VIEWS.items():
        slices[name] = slicer.vtkMRMLSliceLogic()
        slices[name].SetMRMLScene(scene)
        node = slices[name].AddSliceNode(name)
        node.SetOrientation(orientation)
        node.SetMappedInLayout(1)
        application.GetSliceLogics().AddItem(slices[name])
    view = slicer.vtkMRMLViewLogic()
    view.SetMRMLScene(scene)
    view.AddViewNode("1").SetMappedInLayout(1)
    application.GetViewLogics().AddItem(view)
    layout = slicer.vtkMRMLLayoutLogic()
    layout.SetMRMLScene(scene)
    layout.GetLayoutNode().SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    return slices, view, layout
