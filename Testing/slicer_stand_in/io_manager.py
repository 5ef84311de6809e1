"""`slicer.app.coreIOManager()`: what `slicer.util.loadScene`, `loadVolume` and their like stand on.

Simpler than Slicer: a node's file is known by its ending, and only scenes, volumes, segmentations and markups are read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer
import vtk

_TYPES = {
    ".mrb": "SceneFile",
    ".mrml": "SceneFile",
    ".seg.nrrd": "SegmentationFile",
    ".mrk.json": "MarkupsFile",
    ".nrrd": "VolumeFile",
    ".nii": "VolumeFile",
    ".nii.gz": "VolumeFile",
    ".mha": "VolumeFile",
}


class CoreIOManager:
    """Reads and writes by the real storage nodes and logics."""

    def __init__(self, scene: slicer.vtkMRMLScene, volumes: slicer.vtkSlicerVolumesLogic):
        self._scene = scene
        self._volumes = volumes

    def fileType(self, file_name: str | Path) -> str:
        name = Path(file_name).name.lower()
        return next((kind for ending, kind in _TYPES.items() if name.endswith(ending)), "")

    def loadNodes(
        self, file_type: str, properties: dict[str, Any], loaded: vtk.vtkCollection, _messages: Any = None
    ) -> bool:
        path = Path(properties["fileName"])
        if not path.is_file():
            return False
        if file_type == "SceneFile":
            return self.load_scene(path, clear=properties.get("clear", True))
        read = {"VolumeFile": self._volume, "SegmentationFile": self._segmentation, "MarkupsFile": self._markups}
        node = read[file_type](path, properties) if file_type in read else None
        if node is not None:
            loaded.AddItem(node)
        return node is not None

    def saveNodes(self, file_type: str, properties: dict[str, Any], _messages: Any = None) -> bool:
        path = Path(properties["fileName"])
        if file_type == "SceneFile":
            return self.save_scene(path)
        node = self._scene.GetNodeByID(properties["nodeID"])
        if node.GetStorageNode() is None:
            node.AddDefaultStorageNode()
        node.GetStorageNode().SetFileName(str(path))
        return bool(node.GetStorageNode().WriteData(node))

    def fileWriterFileType(self, node: slicer.vtkMRMLNode) -> str:
        return node.GetNodeTagName()

    def load_scene(self, path: Path, *, clear: bool) -> bool:
        if path.suffix == ".mrb":
            return bool(self._scene.ReadFromMRB(str(path), clear))
        self._scene.SetURL(str(path))
        return bool(self._scene.Connect() if clear else self._scene.Import())

    def save_scene(self, path: Path) -> bool:
        self._scene.SetRootDirectory(str(path.parent))
        if path.suffix == ".mrb":
            return bool(self._scene.WriteToMRB(str(path)))
        return bool(self._scene.Commit(str(path)))

    def _volume(self, path: Path, properties: dict[str, Any]) -> slicer.vtkMRMLVolumeNode | None:
        label_map = 1 if properties.get("labelmap") else 0
        return self._volumes.AddArchetypeVolume(str(path), self._name(path, properties), label_map)

    def _segmentation(self, path: Path, properties: dict[str, Any]) -> slicer.vtkMRMLSegmentationNode | None:
        return self._stored("vtkMRMLSegmentationNode", path, properties)

    def _markups(self, path: Path, properties: dict[str, Any]) -> slicer.vtkMRMLMarkupsNode | None:
        return self._stored("vtkMRMLMarkupsFiducialNode", path, properties)

    def _stored(self, class_name: str, path: Path, properties: dict[str, Any]) -> slicer.vtkMRMLStorableNode | None:
        node = self._scene.AddNewNodeByClass(class_name, self._name(path, properties))
        node.AddDefaultStorageNode()
        node.GetStorageNode().SetFileName(str(path))
        if not node.GetStorageNode().ReadData(node):
            self._scene.RemoveNode(node)
            return None
        node.CreateDefaultDisplayNodes()
        return node

    def _name(self, path: Path, properties: dict[str, Any]) -> str:
        return properties.get("name") or path.name.partition(".")[0]
