"""A picture of a case's scene as Slicer shows it: three planes through the first nodule, and 3D; off screen.

The views are those of trame-slicer, which is asked for only here.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from .case_nodes import CaseNodes
from .views import case_views

_GAP_PIXELS = 4
_ROWS = (("Axial", "3D"), ("Coronal", "Sagittal"))
_PROBE = (
    "import vtk; w = vtk.vtkRenderWindow(); w.SetOffScreenRendering(1); w.SetSize(8, 8); "
    "w.AddRenderer(vtk.vtkRenderer()); raise SystemExit(0 if w.SupportsOpenGL() else 1)"
)
_PROBE_SECONDS = 60


def render_views(scene: slicer.vtkMRMLScene, nodes: CaseNodes, path: Path) -> str | None:
    """Render a case into a PNG of 2 x 2 views: axial and 3D above, coronal and sagittal below.

    Nodes that the views need are in the scene only meanwhile.

    Returns
    -------
    A warning in words where no picture could be had; None where it was written.
    """
    if find_spec("trame_slicer") is None:
        return "The rendered view was left out: trame-slicer is not installed."
    if not _has_opengl():
        return "The rendered view was left out: there is no OpenGL here to render off screen with."
    with case_views(scene, nodes) as views:
        tiles = {name: _picture(view.render_window()) for name, view in views.items()}
    _write_png(_join([_join([tiles[name] for name in row], axis=1) for row in _ROWS], axis=0), path)
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
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, 3)[::-1].copy()


def _join(pictures: list[np.ndarray], axis: int) -> np.ndarray:
    """Pictures beside each other or one above the other, with a gap."""
    gap_shape = list(pictures[0].shape)
    gap_shape[axis] = _GAP_PIXELS
    gap = np.full(gap_shape, 96, np.uint8)
    return np.concatenate([pictures[0], *(part for picture in pictures[1:] for part in (gap, picture))], axis=axis)


def _write_png(picture: np.ndarray, path: Path) -> None:
    rows, columns, _ = picture.shape
    image = vtk.vtkImageData()
    image.SetDimensions(columns, rows, 1)
    pixels = np.ascontiguousarray(picture[::-1]).reshape(-1, 3)
    image.GetPointData().SetScalars(numpy_to_vtk(pixels, deep=True, array_type=vtk.VTK_UNSIGNED_CHAR))
    writer = vtk.vtkPNGWriter()
    writer.SetFileName(str(path))
    writer.SetInputData(image)
    writer.Write()
    if not path.is_file():
        raise OSError(f"{path.name} could not be written")
