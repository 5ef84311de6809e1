"""The part of a result that needs the scene packages: what Slicer opens, and the pictures."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from .case import CaseResult
from .errors import UsageError
from .progress import Progress, silent
from .volume import CTVolume

OVERVIEW_FILE = "overview.png"
VIEWS_FILE = "views.png"

_PACKAGES = ("slicer", "vtk", "matplotlib")
_INSTALL = "pip install 'lungcancerdx[scene]'"


def scene_is_wanted(asked: bool | None) -> bool:
    """Whether to write the scene: as asked, or (None) where its packages are installed.

    Raises
    ------
    UsageError
        Where it is asked for and a package is missing.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if asked and missing:
        raise UsageError(f"--scene needs {', '.join(missing)}, not installed here: {_INSTALL}")
    return not missing if asked is None else asked


def left_out(asked: bool | None) -> tuple[str, ...]:
    """A sentence that says what a result lacks because packages are missing; none where that was asked for."""
    if asked is False or scene_is_wanted(None):
        return ()
    return (f"The MRML scene and the pictures were left out: they need {_INSTALL}.",)


def write_scene(result: CaseResult, volume: CTVolume, folder: Path, progress: Progress = silent) -> tuple[str, ...]:
    """Write the scene, its parts and the pictures of a case into a folder.

    Returns sentences on what could not be had.

    Raises
    ------
    OSError
        Where a file could not be written.
    """
    from .pictures.overview import save_overview
    from .scene import save_scene_files

    assert result.lung_labels is not None
    assert result.nodule_labels is not None
    progress("drawing the overview", 0.0)
    save_overview(result, volume, result.nodule_labels, folder / OVERVIEW_FILE)
    progress("writing the scene", 0.3)
    warning = save_scene_files(result, volume, result.lung_labels, result.nodule_labels, folder, folder / VIEWS_FILE)
    progress("writing the scene", 1.0)
    return () if warning is None else (warning,)
