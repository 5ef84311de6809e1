"""The CT as a volume node."""

from __future__ import annotations

import slicer
import slicer.util
import vtk

from ..errors import CTReadError
from ..readers.hounsfield import to_hounsfield
from ..volume import CTVolume
from .geometry import ijk_to_ras, kji_to_lps

LUNG_WINDOW_HU = (1500.0, -600.0)
"""Width and level at which lung is read."""


def volume_node(scene: slicer.vtkMRMLScene, volume: CTVolume, name: str) -> slicer.vtkMRMLScalarVolumeNode:
    """Add a CT to a scene, in lung window, its voxels copied."""
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ijk_to_ras(volume.kji_to_lps)))
    slicer.util.updateVolumeFromArray(node, volume.voxels)
    node.CreateDefaultDisplayNodes()
    set_lung_window(node)
    return node


def ct_volume(ct_node: slicer.vtkMRMLScalarVolumeNode) -> CTVolume:
    """The CT of a volume node in the node's own frame (parent transforms left out), its voxels copied.

    Raises
    ------
    CTReadError
        Where the node has no voxels, or some that are not numbers.
    """
    name = ct_node.GetName()
    if ct_node.GetImageData() is None or not ct_node.GetImageData().GetNumberOfPoints():
        raise CTReadError(f"'{name}' holds no image. Choose the CT's volume.")
    voxels, matrix = slicer.util.arrayFromVolume(ct_node), vtk.vtkMatrix4x4()
    ct_node.GetIJKToRASMatrix(matrix)
    return CTVolume(to_hounsfield(voxels, f"'{name}'"), kji_to_lps(slicer.util.arrayFromVTKMatrix(matrix)))


def set_lung_window(ct_node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Show a CT as lung is read, in grey."""
    display = ct_node.GetScalarVolumeDisplayNode()
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(*LUNG_WINDOW_HU)
