"""The application's scene: a real one with the logics and view nodes that Slicer has at its start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import slicer
import vtk

from LungCancerDxLib.slicer.scene.files import quiet_vtk

_LOGICS = {
    "Markups": "vtkSlicerMarkupsLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Volumes": "vtkSlicerVolumesLogic",
}
_SLICE_VIEWS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}
_LISTED = (
    "vtkMRMLDisplayableNode",
    "vtkMRMLTransformNode",
    "vtkMRMLTableNode",
    "vtkMRMLTextNode",
)


@dataclass
class ApplicationScene:
    """A scene and what works on it."""

    scene: slicer.vtkMRMLScene
    application_logic: slicer.vtkSlicerApplicationLogic
    slice_logics: list[slicer.vtkMRMLSliceLogic]
    layout_node: slicer.vtkMRMLLayoutNode  # kept here: closing the scene would crash if it went first

    def load(self, path: Path) -> bool:
        return bool(self.scene.ReadFromMRB(str(path), True))

    def save(self, path: Path) -> bool:
        self.scene.SetRootDirectory(str(path.parent))
        return bool(self.scene.WriteToMRB(str(path)))


@contextmanager
def application_scene(cache: Path) -> Iterator[ApplicationScene]:
    """A scene at the application's start; VTK's own messages stay off the terminal.

    Parameters
    ----------
    cache
        Where files of opened scenes are unpacked to.
    """
    with quiet_vtk():
        scene, application = slicer.vtkMRMLScene(), slicer.vtkSlicerApplicationLogic()
        application.SetMRMLScene(scene)
        application.GetColorLogic().SetMRMLScene(scene)
        application.GetColorLogic().AddDefaultColorNodes()
        logics = [application]
        for name, class_name in _LOGICS.items():
            logics.append(getattr(slicer, class_name)())
            logics[-1].SetMRMLScene(scene)
            logics[-1].SetMRMLApplicationLogic(application)
            application.SetModuleLogic(name, logics[-1])
        files = slicer.vtkMRMLRemoteIOLogic()  # without it a scene cannot read a .mrb
        files.SetMRMLScene(scene)
        files.GetCacheManager().SetRemoteCacheDirectory(str(cache))
        files.AddDataIOToScene()
        slices, view, layout = _add_views(scene, application)
        tags = [
            scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, lambda *_: _add_missing_items(scene)),
            scene.AddObserver(slicer.vtkMRMLScene.EndBatchProcessEvent, lambda *_: _add_missing_items(scene)),
            scene.AddObserver(slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, _remover_of_items(scene)),
        ]
        try:
            yield ApplicationScene(scene, application, slices, layout.GetLayoutNode())
        finally:
            for tag in tags:
                scene.RemoveObserver(tag)
            scene.Clear(True)
            files.RemoveDataIOFromScene()
            for logic in (*slices, view, layout, files, *reversed(logics)):
                logic.SetMRMLScene(None)


def _add_views(
    scene: slicer.vtkMRMLScene, application: slicer.vtkSlicerApplicationLogic
) -> tuple[list[slicer.vtkMRMLSliceLogic], slicer.vtkMRMLViewLogic, slicer.vtkMRMLLayoutLogic]:
    """The nodes of three slice views and a 3D view, with their logics: nothing is drawn."""
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
    application.SetSliceLogics(vtk.vtkCollection())
    application.SetViewLogics(vtk.vtkCollection())
    slices = []
    for name, orientation in _SLICE_VIEWS.items():
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLScene(scene)
        node = logic.AddSliceNode(name)
        node.SetOrientation(orientation)
        node.SetMappedInLayout(1)
        application.GetSliceLogics().AddItem(logic)
        slices.append(logic)
    view = slicer.vtkMRMLViewLogic()
    view.SetMRMLScene(scene)
    view.AddViewNode("1").SetMappedInLayout(1)
    application.GetViewLogics().AddItem(view)
    layout = slicer.vtkMRMLLayoutLogic()  # last: it arranges the views that are there
    layout.SetMRMLScene(scene)
    layout.GetLayoutNode().SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    return slices, view, layout


def _add_missing_items(scene: slicer.vtkMRMLScene) -> None:
    """Every node of a class that has a place in the Data module gets an item; Slicer asks a plugin for each."""
    if scene.IsBatchProcessing():
        return
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    if hierarchy is None:
        return
    for n in range(scene.GetNumberOfNodes()):
        node = scene.GetNthNode(n)
        listed = not node.GetHideFromEditors() and any(node.IsA(name) for name in _LISTED)
        if listed and not hierarchy.GetItemByDataNode(node):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)


def _remover_of_items(scene: slicer.vtkMRMLScene) -> Callable[..., None]:
    @vtk.calldata_type(vtk.VTK_OBJECT)
    def remove(_scene: slicer.vtkMRMLScene, _event: str, node: slicer.vtkMRMLNode) -> None:
        if scene.IsBatchProcessing():
            return
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        item = hierarchy.GetItemByDataNode(node) if hierarchy is not None and node is not hierarchy else 0
        if item:
            hierarchy.RemoveItem(item, False, False)

    return remove
