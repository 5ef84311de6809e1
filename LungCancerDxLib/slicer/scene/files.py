"""A case as files that Slicer opens, and rendered, by way of a scene outside the application."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ...case import CaseResult
from ...io.image_file import utf8_path
from ...io.result_folder import SCENE_FILE
from ...names import RESEARCH_USE_ONLY, printable
from ...volume import CTVolume
from .build import CaseNodes, show_case
from .ct import volume_node
from .text import case_result

MARKUPS_FILE = "nodules.mrk.json"
SEGMENTATION_FILE = "segmentation.seg.nrrd"
_LOGICS = (
    "vtkSlicerVolumesLogic",
    "vtkSlicerSegmentationsModuleLogic",
    "vtkSlicerMarkupsLogic",
    "vtkSlicerTablesLogic",
    "vtkSlicerTextsLogic",
    "vtkSlicerTransformLogic",
    "vtkSlicerSubjectHierarchyModuleLogic",
)
_SLICE_VIEWS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}
_PIXELS, _GAP_PIXELS, _GAP_GREY = 640, 4, 96
_ROWS = (("Axial", "3D"), ("Coronal", "Sagittal"))
_EDGES = {"Axial": ("R", "L"), "Coronal": ("R", "L"), "Sagittal": ("A", "P")}  # what is left and right in the picture
_BACKGROUND_3D = [18, 20, 26]
_PROBE = (
    "import vtk; w = vtk.vtkRenderWindow(); w.SetOffScreenRendering(1); w.SetSize(8, 8); "
    "w.AddRenderer(vtk.vtkRenderer()); raise SystemExit(0 if w.SupportsOpenGL() else 1)"
)
_PROBE_SECONDS = 60


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
    result = _right_handed(result, result.volume)
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


def _right_handed(result: CaseResult, volume: CTVolume) -> CaseResult:
    """The case on a grid whose axes I, J, K are right-handed; MRML's readers turn others round as they come."""
    if np.linalg.det(volume.kji_to_lps[:3, :3]) < 0:  # K, J, I: the other way round
        return result
    turn = volume.axis_order().apply
    lungs, nodules = (None if labels is None else turn(labels) for labels in (result.lung_labels, result.nodule_labels))
    return replace(result, volume=volume.canonical(), lung_labels=lungs, nodule_labels=nodules)


def _name(volume: CTVolume) -> str:
    """The CT's node is called after its file or folder."""
    return printable(Path(str(volume.info.get("path", ""))).name.split(".")[0] or "CT")


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


def show_in_views(scene: slicer.vtkMRMLScene, nodes: CaseNodes) -> None:
    """Add the nodes of the views to a scene of our own, showing a case. Inside the application its views are there."""
    for name, orientation in _SLICE_VIEWS.items():
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLScene(scene)
        slice_node = logic.AddSliceNode(name)
        slice_node.SetOrientation(orientation)
        logic.GetSliceCompositeNode().SetBackgroundVolumeID(nodes.ct.GetID())
        logic.FitSliceToBackground()
        jump_to_first_nodule(slice_node, nodes)
        logic.SetMRMLScene(None)
    layout = slicer.vtkMRMLLayoutLogic()
    layout.SetMRMLScene(scene)
    layout.GetLayoutNode().SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    layout.SetMRMLScene(None)
    scene.GetFirstNodeByClass("vtkMRMLSelectionNode").SetActiveVolumeID(nodes.ct.GetID())


def jump_to_first_nodule(slice_node: slicer.vtkMRMLSliceNode, nodes: CaseNodes) -> None:
    """Move a slice view to the plane of the first nodule, where there is one."""
    if nodes.markups.GetNumberOfControlPoints():
        world = [0.0, 0.0, 0.0]
        nodes.markups.GetNthControlPointPositionWorld(0, world)
        slice_node.JumpSliceByOffsetting(*world)


@contextmanager
def case_views(scene: slicer.vtkMRMLScene, nodes: CaseNodes) -> Iterator[dict[str, Any]]:
    """Views by name ("Axial", "Coronal", "Sagittal", "3D"), ready to be rendered.

    The nodes that they add to the scene are removed when the block ends.
    """
    from trame_slicer import views as trame
    from trame_slicer.views.render_scheduler import NoScheduleRendering

    before = _node_ids(scene)
    application, markups = slicer.vtkSlicerApplicationLogic(), slicer.vtkSlicerMarkupsLogic()
    application.SetMRMLScene(scene)
    application.SetSliceLogics(vtk.vtkCollection())
    application.SetViewLogics(vtk.vtkCollection())
    markups.SetMRMLScene(scene)
    markups.SetMRMLApplicationLogic(application)
    application.SetModuleLogic("Markups", markups)  # points are drawn with it
    views: dict[str, Any] = {}
    try:
        for name in _EDGES:  # under tags that are not those of the application's views
            views[name] = trame.SliceView(scene, application, f"LungCancerDx{name}", NoScheduleRendering())
            _prepare_slice(views[name], name, nodes)
        views["3D"] = trame.ThreeDView(scene, application, "LungCancerDx3D", NoScheduleRendering())
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
        markups.SetMRMLScene(None)
        application.SetMRMLScene(None)


def _node_ids(scene: slicer.vtkMRMLScene) -> set[str]:
    return {scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())}


def _prepare_slice(view: Any, orientation: str, nodes: CaseNodes) -> None:
    _prepare(view)
    view.set_orientation(orientation)
    view.set_background_volume_id(nodes.ct.GetID())
    view.fit_view_to_content()
    jump_to_first_nodule(view.get_view_node(), nodes)
    corner = vtk.vtkCornerAnnotation
    left, right = _EDGES[orientation]
    _caption(view, {corner.UpperLeft: orientation, corner.LeftEdge: left, corner.RightEdge: right})


def _prepare_3d(view: Any, nodes: CaseNodes) -> None:
    _prepare(view)
    view.set_background_color(_BACKGROUND_3D)
    view.set_box_visible(False)
    view.fit_view_to_content()
    view.zoom(0.2)
    corner = vtk.vtkCornerAnnotation
    score = f"Case score {nodes.case.GetDescription()}"
    foot = f"{case_result(nodes.case).model_title}\n{RESEARCH_USE_ONLY}"
    _caption(view, {corner.UpperLeft: score, corner.LowerLeft: foot})


def _prepare(view: Any) -> None:
    view.set_mapped_in_layout(True)
    view.render_window().SetMultiSamples(0)  # translucent surfaces cannot be had with it off screen
    view.render_window().SetSize(_PIXELS, _PIXELS)


def _caption(view: Any, texts: dict[int, str]) -> None:
    """Texts by their corner of a `vtkCornerAnnotation`."""
    annotation = vtk.vtkCornerAnnotation()
    for corner, text in texts.items():
        annotation.SetText(corner, text)
    annotation.SetMaximumFontSize(16)
    annotation.GetTextProperty().SetShadow(True)
    view.renderer().AddViewProp(annotation)


def render_views(scene: slicer.vtkMRMLScene, nodes: CaseNodes, path: Path) -> str | None:
    """Render a case into a PNG of 2 x 2 views: axial and 3D above, coronal and sagittal below.

    Nodes that the views need are in the scene only meanwhile.

    Returns
    -------
    A warning where no picture could be had; None where it was written.
    """
    from matplotlib.image import imsave

    if find_spec("trame_slicer") is None:
        return "The rendered view was left out: trame-slicer is not installed."
    if not _has_opengl():
        return "The rendered view was left out: there is no OpenGL here to render off screen with."
    with case_views(scene, nodes) as views:
        tiles = {name: _picture(view.render_window()) for name, view in views.items()}
    step = _PIXELS + _GAP_PIXELS
    picture = np.full((2 * step - _GAP_PIXELS, 2 * step - _GAP_PIXELS, 3), _GAP_GREY, np.uint8)
    for row, names in enumerate(_ROWS):
        for column, name in enumerate(names):
            picture[row * step :, column * step :][:_PIXELS, :_PIXELS] = tiles[name]
    imsave(path, picture)
    return None


def _has_opengl() -> bool:
    """Ask another process: where OpenGL is broken, asking can end the process that asks."""
    try:
        probe = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, timeout=_PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0


def _picture(window: vtk.vtkRenderWindow) -> np.ndarray:
    """What a window shows, (row, column, RGB), first row on top."""
    window.Render()
    grabber = vtk.vtkWindowToImageFilter()
    grabber.SetInput(window)
    grabber.ReadFrontBufferOff()
    grabber.ShouldRerenderOff()
    grabber.Update()
    image = grabber.GetOutput()
    columns, rows, _ = image.GetDimensions()
    pixels: np.ndarray = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, 3)
    return pixels[::-1].copy()
