"""A case as files that Slicer opens, by way of a scene outside the application."""

from __future__ import annotations

import gzip
import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import slicer
import vtk

from ...case import CaseResult
from ...io.image_file import utf8_path
from ...volume import CTVolume
from .build import show_case
from .ct import volume_node
from .views import render_views, show_in_views

MARKUPS_FILE = "nodules.mrk.json"
SEGMENTATION_FILE = "segmentation.seg.nrrd"
SCENE_FILE = "scene.mrb"
_LOGICS = (
    "vtkSlicerVolumesLogic",
    "vtkSlicerSegmentationsModuleLogic",
    "vtkSlicerMarkupsLogic",
    "vtkSlicerTablesLogic",
    "vtkSlicerTextsLogic",
    "vtkSlicerTransformLogic",
    "vtkSlicerSubjectHierarchyModuleLogic",
)


def save_scene_files(result: CaseResult, folder: Path, picture: Path | None = None) -> str | None:
    """Write `nodules.mrk.json`, `segmentation.seg.nrrd` and `scene.mrb` of a case into a folder that exists.

    Parameters
    ----------
    result
        With its CT and its label maps.
    picture
        Where to render the scene to (PNG); None: nowhere.

    Returns
    -------
    A warning where the picture could not be had; None where all is well.

    Raises
    ------
    OSError
        Where a file could not be written.
    """
    assert result.volume is not None
    with utf8_path(folder) as name, own_scene() as scene:
        folder = Path(name)
        nodes = show_case(scene, result, volume_node(scene, result.volume, _name(result.volume)))
        _write_node(nodes.markups, folder / MARKUPS_FILE)
        _write_node(nodes.segmentation, folder / SEGMENTATION_FILE)
        show_in_views(scene, nodes)
        _write_scene(scene, folder / SCENE_FILE)
        return render_views(scene, nodes, picture) if picture is not None else None


@contextmanager
def own_scene() -> Iterator[slicer.vtkMRMLScene]:
    """An empty scene in which every node of a case can be made, written and read; VTK is silent meanwhile."""
    with quiet_vtk(), TemporaryDirectory() as cache:
        scene, application = slicer.vtkMRMLScene(), slicer.vtkSlicerApplicationLogic()
        application.SetMRMLScene(scene)
        application.GetColorLogic().SetMRMLScene(scene)
        application.GetColorLogic().AddDefaultColorNodes()
        logics = [getattr(slicer, name)() for name in _LOGICS]
        for logic in logics:
            logic.SetMRMLScene(scene)
            logic.SetMRMLApplicationLogic(application)
        files = slicer.vtkMRMLRemoteIOLogic()  # without it a scene cannot read a .mrb
        files.SetMRMLScene(scene)
        files.GetCacheManager().SetRemoteCacheDirectory(cache)
        files.AddDataIOToScene()
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
        try:
            yield scene
        finally:
            scene.Clear(True)
            files.RemoveDataIOFromScene()
            for logic in (*logics, files, application):
                logic.SetMRMLScene(None)


@contextmanager
def quiet_vtk() -> Iterator[None]:
    """Keep VTK's messages of the block off the terminal; failures are known from what the calls return."""
    window, verbosity = vtk.vtkOutputWindow.GetInstance(), vtk.vtkLogger.GetCurrentVerbosityCutoff()
    vtk.vtkOutputWindow.SetInstance(vtk.vtkStringOutputWindow())
    vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)
    try:
        yield
    finally:
        vtk.vtkLogger.SetStderrVerbosity(verbosity)
        vtk.vtkOutputWindow.SetInstance(window)


def _name(volume: CTVolume) -> str:
    """The CT's node is called after its file or folder."""
    name = Path(str(volume.info.get("path", ""))).name.split(".")[0] or "CT"
    return name.encode(errors="replace").decode()  # bytes of a file's name need not be UTF-8


def _write_node(node: slicer.vtkMRMLStorableNode, path: Path) -> None:
    node.AddDefaultStorageNode()
    storage = node.GetStorageNode()
    storage.SetFileName(str(path))
    if not storage.WriteData(node) or not _is_whole(path):
        raise OSError(f"{path.name} could not be written")


def _write_scene(scene: slicer.vtkMRMLScene, path: Path) -> None:
    scene.SetRootDirectory(str(path.parent))
    if not scene.WriteToMRB(str(path)) or not _is_whole(path):
        raise OSError(f"{path.name} could not be written")


def _is_whole(path: Path) -> bool:
    """Whether a file was written to its end, which MRML can lose without a word."""
    try:
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".nrrd":
            _header, _, data = path.read_bytes().partition(b"\n\n")
            gzip.decompress(data)
        elif path.suffix == ".mrb":
            with zipfile.ZipFile(path) as archive:
                return archive.testzip() is None
    except (ValueError, OSError, EOFError, zlib.error, zipfile.BadZipFile):
        return False
    return path.is_file()
