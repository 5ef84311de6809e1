"""The files of the background runs: a temporary folder for each CT, so that a second question about it is quick."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import slicer

from ..result_folder import write_volume
from ..scene import ct_volume

_OURS = "LungCancerDx-"


@dataclass
class CTFiles:
    """The files of one CT in a folder of their own; `written` is the state of the node that `ct` was written from."""

    folder: Path
    written: int = 0

    @property
    def ct(self) -> Path:
        return self.folder / "ct.nrrd"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def result(self) -> Path:
        return self.folder / "result"

    @property
    def points(self) -> Path:
        return self.folder / "points.csv"


class Workspace:
    """Folders under the application's temporary folder; `clear` removes them."""

    def __init__(self, parent: str) -> None:
        self._parent = parent
        self._files: dict[str, CTFiles] = {}

    def files_of(self, ct_node: slicer.vtkMRMLScalarVolumeNode) -> CTFiles:
        """The files of a CT, the CT written where the node's voxels or place have changed since the last time.

        Raises
        ------
        CTReadError
            Where the node holds no image.
        OSError
            Where the disk is full or not to be written to.
        """
        image = ct_node.GetImageData()
        volume_state = max(ct_node.GetMTime(), image.GetMTime() if image is not None else 0)
        files = self._files.get(ct_node.GetID())
        if files is None or not files.folder.is_dir():
            files = self._files[ct_node.GetID()] = CTFiles(Path(tempfile.mkdtemp(prefix=_OURS, dir=self._parent)))
        if files.written != volume_state or not files.ct.is_file():
            files.written = 0
            write_volume(ct_volume(ct_node), files.ct, compressed=False)
            files.written = volume_state
        return files

    def clear(self) -> None:
        """Remove all files."""
        for files in self._files.values():
            shutil.rmtree(files.folder, ignore_errors=True)
        self._files.clear()


def write_points(points_lps_mm: Sequence[Sequence[float]], path: Path) -> None:
    """The spots to classify, as `--points` reads them."""
    rows = [",".join(f"{x:.4f}" for x in point) for point in points_lps_mm]
    path.write_text("\n".join(["x,y,z", *rows]) + "\n", encoding="utf-8")
