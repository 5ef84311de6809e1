"""Files of the background runs: those of this session, and the cache of preprocessed scans, which outlives it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import slicer

from ...errors import LungCancerDxError
from ..scene.ct import dicom_files, world_lps, write_ct
from .background import Outcome

CACHE_LIMIT_GB = 2.0

Point = tuple[float, float, float]


@dataclass
class CTFiles:
    """The files of one CT in a folder of their own; `written` is the state of the node that `ct` was written from."""

    folder: Path
    written: tuple[int, bytes] | None = None

    def __post_init__(self) -> None:
        self.ct = self.folder / "ct.nrrd"
        self.result = self.folder / "result"
        self.points = self.folder / "points.csv"
        self.series = self.folder / "series"


class Workspace:
    """Folders under the application's temporary folder; `clear` removes them."""

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self._files: dict[str, CTFiles] = {}

    def files_of(self, ct_node: slicer.vtkMRMLScalarVolumeNode) -> Generator[None, Outcome, CTFiles]:
        """The files of a CT, in steps; the CT is written where the node's voxels or geometry have changed since then.

        Raises
        ------
        CTReadError
            Where the node holds no image.
        OSError
            Where the disk is full or not to be written to.
        """
        image = ct_node.GetImageData()
        modified = max(ct_node.GetMTime(), image.GetMTime() if image is not None else 0)
        volume_state = (modified, world_lps(ct_node).tobytes())
        files = self._folder_of(ct_node)
        if files.written != volume_state or not files.ct.is_file():
            files.written = None
            yield from write_ct(ct_node, files.ct)
            files.written = volume_state
        return files

    def series_of(self, ct_node: slicer.vtkMRMLScalarVolumeNode) -> Generator[None, Outcome, Path]:
        """A folder with the DICOM files of a CT, and nothing else, in steps.

        Raises
        ------
        LungCancerDxError
            Where the CT did not come from DICOM, or a file is not there any more.
        OSError
            Where the disk is full or not to be written to.
        """
        folder = self._folder_of(ct_node).series
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for number, name in enumerate(dicom_files(ct_node)):
            if not name or not Path(name).is_file():
                raise LungCancerDxError(
                    f"The DICOM series of {ct_node.GetName()} is not whole in Slicer's database any more: "
                    f"{name or 'a file'} is missing. Import the series again, load it, and run on that."
                )
            _link_or_copy(Path(name), folder / f"{number:05d}.dcm")
            yield
        if not any(folder.iterdir()):
            raise LungCancerDxError(
                f"{ct_node.GetName()} was not loaded from DICOM, so there is no series that DICOM objects could refer "
                "to. Load the series through Slicer's DICOM module and run on that."
            )
        return folder

    def _folder_of(self, ct_node: slicer.vtkMRMLScalarVolumeNode) -> CTFiles:
        files = self._files.get(ct_node.GetID())
        if files is None or not files.folder.is_dir():
            folder = Path(tempfile.mkdtemp(prefix="LungCancerDx-", dir=self._parent))
            files = self._files[ct_node.GetID()] = CTFiles(folder)
        return files

    def clear(self) -> None:
        """Remove all files."""
        for files in self._files.values():
            shutil.rmtree(files.folder, ignore_errors=True)
        self._files.clear()


def _link_or_copy(file: Path, to: Path) -> None:
    """Another name of a file, where the disk is the same one."""
    try:
        os.link(file, to)
    except OSError:
        shutil.copyfile(file, to)


def write_points(points_lps_mm: Sequence[Point], path: Path) -> None:
    """The spots to classify, as `--points` reads them."""
    rows = [",".join(f"{x:.4f}" for x in point) for point in points_lps_mm]
    path.write_text("\n".join(["x,y,z", *rows]) + "\n", encoding="utf-8")


def cache_folder() -> Path | None:
    """Where this user's preprocessed scans are kept, so that a second request takes seconds, in another session too.

    None before the first run in Slicer, when the package that knows the place is not installed yet.
    """
    try:
        import platformdirs
    except ImportError:
        return None
    return Path(platformdirs.user_cache_path("LungCancerDx", appauthor=False)) / "Scans"


def usable_cache() -> Path | None:
    """The cache, made where it is not there; None where nothing can be written to it: a run does without."""
    folder = cache_folder()
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return None


def cached_gb() -> float:
    """What the cache takes."""
    return sum(size for _, size, _ in _cached()) / 1e9


def trim_cache(limit_gb: float = CACHE_LIMIT_GB) -> None:
    """Remove what was used longest ago until the rest is within the limit."""
    entries = sorted(_cached(), reverse=True)
    kept = 0
    for _, size, path in entries:
        kept += size
        if kept > limit_gb * 1e9:
            with suppress(OSError):
                path.unlink()


def _cached() -> list[tuple[float, int, Path]]:
    """When each entry was used last, its size and its file."""
    folder, entries = cache_folder(), []
    for path in folder.glob("*") if folder is not None else ():
        with suppress(OSError):  # another Slicer may remove it meanwhile
            status = path.stat()
            entries.append((status.st_mtime, status.st_size, path))
    return entries
