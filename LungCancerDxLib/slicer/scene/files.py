"""A case as files that Slicer opens."""

from __future__ import annotations

import gzip
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np
import slicer

from ...case import CaseResult
from ...volume import CTVolume
from .build import show_case
from .ct import volume_node
from .own_scene import own_scene
from .views import render_views, show_in_views

MARKUPS_FILE = "nodules.mrk.json"
SEGMENTATION_FILE = "segmentation.seg.nrrd"
SCENE_FILE = "scene.mrb"


def save_scene_files(
    result: CaseResult,
    volume: CTVolume,
    lungs: np.ndarray,
    nodule_labels: np.ndarray,
    folder: Path,
    picture: Path | None = None,
) -> str | None:
    """Write `nodules.mrk.json`, `segmentation.seg.nrrd` and `scene.mrb` of a case into a folder that exists.

    Parameters
    ----------
    lungs, nodule_labels
        (K, J, I) uint8 on the CT's own grid; see `show_case`.
    picture
        Where to render the scene to (PNG); None: nowhere.

    Returns
    -------
    A warning in words where the picture could not be had; None where all is well.

    Raises
    ------
    OSError
        Where a file could not be written.
    """
    with own_scene() as scene:
        nodes = show_case(scene, result, volume_node(scene, volume, _name(volume)), lungs, nodule_labels)
        _write_node(nodes.markups, folder / MARKUPS_FILE)
        _write_node(nodes.segmentation, folder / SEGMENTATION_FILE)
        show_in_views(scene, nodes)
        _write_scene(scene, folder / SCENE_FILE)
        return render_views(scene, nodes, picture) if picture is not None else None


def _name(volume: CTVolume) -> str:
    """The CT's node is called after its file or folder."""
    return Path(str(volume.info.get("path", ""))).name.split(".")[0] or "CT"


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
