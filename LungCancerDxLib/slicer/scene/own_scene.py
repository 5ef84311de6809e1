"""A scene outside the application, with the logics that its nodes need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import slicer
import vtk


@contextmanager
def quiet_vtk() -> Iterator[None]:
    """Keep VTK's messages of the block off the terminal; failures are told from what the calls return."""
    window, verbosity = vtk.vtkOutputWindow.GetInstance(), vtk.vtkLogger.GetCurrentVerbosityCutoff()
    vtk.vtkOutputWindow.SetInstance(vtk.vtkStringOutputWindow())
    vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)
    try:
        yield
    finally:
        vtk.vtkLogger.SetStderrVerbosity(verbosity)
        vtk.vtkOutputWindow.SetInstance(window)


_LOGICS = (
    "vtkSlicerVolumesLogic",
    "vtkSlicerSegmentationsModuleLogic",
    "vtkSlicerMarkupsLogic",
    "vtkSlicerTablesLogic",
    "vtkSlicerTextsLogic",
    "vtkSlicerTransformLogic",
    "vtkSlicerSubjectHierarchyModuleLogic",
)


@contextmanager
def own_scene() -> Iterator[slicer.vtkMRMLScene]:
    """An empty scene in which every node of a case can be made, written and read; VTK is silent meanwhile."""
    with quiet_vtk(), TemporaryDirectory() as cache:
        scene = slicer.vtkMRMLScene()
        application = slicer.vtkSlicerApplicationLogic()
        application.SetMRMLScene(scene)
        application.GetColorLogic().SetMRMLScene(scene)
        application.GetColorLogic().AddDefaultColorNodes()
        logics = [getattr(slicer, name)() for name in _LOGICS]
        for logic in logics:
            logic.SetMRMLScene(scene)
            logic.SetMRMLApplicationLogic(application)
        files = _files_logic(scene, cache)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
        try:
            yield scene
        finally:
            scene.Clear(True)
            files.RemoveDataIOFromScene()
            for logic in (*logics, files, application):
                logic.SetMRMLScene(None)


def _files_logic(scene: slicer.vtkMRMLScene, cache: str) -> slicer.vtkMRMLRemoteIOLogic:
    """Without it a scene cannot read a .mrb."""
    logic = slicer.vtkMRMLRemoteIOLogic()
    logic.SetMRMLScene(scene)
    logic.GetCacheManager().SetRemoteCacheDirectory(cache)
    logic.AddDataIOToScene()
    return logic
