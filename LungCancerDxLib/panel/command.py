"""The command line of a background run, as arguments of Python."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

_FOR_A_PROGRAM = ("--progress", "json", "--background")


@dataclass(frozen=True)
class Request:
    """What is asked of a CT; what is None is left to the command.

    Parameters
    ----------
    ct, out
        The CT and the result folder, which is replaced where it holds an earlier result.
    classify
        Ranks of nodules to classify that need not count.
    cache
        Folder of the preprocessed scan, for a second question.
    points_file
        Spots to classify: columns x, y, z in LPS mm.
    """

    ct: Path
    out: Path
    model: str | None = None
    device: str = "auto"
    precision: str = "auto"
    max_memory_gb: float | None = None
    classify: tuple[int, ...] = ()
    cache: Path | None = None
    points_file: Path | None = None


def score_arguments(request: Request) -> list[str]:
    """Score a CT."""
    optional = {
        "--model": request.model,
        "--max-memory": request.max_memory_gb,
        "--cache": request.cache,
        "--points": request.points_file,
    }
    arguments = _command("score", str(request.ct), "--out", str(request.out), "--overwrite", "--no-scene")
    arguments += ["--device", request.device, "--precision", request.precision]
    for option, value in optional.items():
        if value is not None:
            arguments += [option, str(value)]
    if request.classify:
        arguments += ["--classify", *map(str, request.classify)]
    return [*arguments, *_FOR_A_PROGRAM]


def fetch_arguments(source: str | None) -> list[str]:
    """Fetch the published weights, from another address or folder than the authors' where one is given."""
    return [*_command("models", "fetch", *(["--from", source] if source else [])), *_FOR_A_PROGRAM]


def import_arguments(detector: Path, classifier: Path) -> list[str]:
    """Make a model of the two published files."""
    return [*_command("models", "import", str(detector), str(classifier)), *_FOR_A_PROGRAM]


def _command(*arguments: str) -> list[str]:
    return ["-m", "LungCancerDxLib", *arguments]


def python_executable() -> str:
    """Slicer's Python, or the one that runs this."""
    return shutil.which("PythonSlicer") or sys.executable


def library_root() -> Path:
    """The folder that holds the library: a clone, or where it is installed beside the module."""
    return Path(__file__).resolve().parents[2]


def environment_variables() -> dict[str, str]:
    """The variables with which a run finds this very library, not one in the folder where Slicer was started."""
    paths = [str(library_root()), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1", "PYTHONIOENCODING": "utf-8"}
