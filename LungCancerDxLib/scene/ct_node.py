"""The CT as a volume node."""

from __future__ import annotations

import slicer
import slicer.util

from ..volume import CTVolume
from .geometry import ijk_to_ras

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


def set_lung_window(ct_node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Show a CT as lung is read, in grey."""
    display = ct_node.GetScalarVolumeDisplayNode()
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(*LUNG_WINDOW_HU)
