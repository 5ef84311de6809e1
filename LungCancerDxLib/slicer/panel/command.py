"""The command line as a process beside the application: its arguments, what it reports, and how it is killed."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from ...options import ScoreOptions

_LONGEST_LINE = 65536  # bytes
_KEPT_LINES = 20
_KEPT_CHARACTERS = 500


def score_arguments(ct: Path, out: Path, options: ScoreOptions) -> list[str]:
    """Score a CT; the result folder is replaced where it holds an earlier result."""
    return _command("score", str(ct), "--out", str(out), "--overwrite", "--no-scene", *options.to_arguments())


def report_arguments(folder: Path, ct: Path) -> list[str]:
    """Write the report of a result."""
    return _command("report", str(folder), "--ct", str(ct))


def dicom_arguments(folder: Path, series: Path, packages: Path) -> list[str]:
    """Write the report and the DICOM objects of a result, by packages that lie in a folder of their own.

    What lies there goes before what Slicer brings, which the launcher of its Python puts before any PYTHONPATH.
    """
    _, _, *arguments = _command("report", str(folder), "--ct", str(series), "--dicom")
    program = "import sys; sys.path.insert(0, sys.argv.pop(1)); from LungCancerDxLib.cli import main; sys.exit(main())"
    return ["-c", program, str(packages), *arguments]


def fetch_arguments() -> list[str]:
    """Fetch the published weights."""
    return _command("models", "fetch")


def _command(*arguments: str) -> list[str]:
    """The arguments of Python."""
    return ["-m", "LungCancerDxLib", *arguments, "--progress", "json", "--background"]


def python_executable() -> str:
    """Slicer's Python, or the one that runs this."""
    return shutil.which("PythonSlicer") or sys.executable


def library_root() -> Path:
    """The folder that holds the library: a clone, or where it is installed beside the module."""
    return Path(__file__).resolve().parents[3]


def environment_variables() -> dict[str, str]:
    """The variables with which a run finds this very library, not one in the folder where Slicer was started."""
    paths = [str(library_root()), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1", "PYTHONIOENCODING": "utf-8"}


@dataclass(frozen=True)
class Report:
    """stage: in words. fraction: of the work done, 0 to 1. seconds_left: None while it cannot be told."""

    stage: str
    fraction: float
    seconds_left: float | None


class ReportReader:
    """Reads reports from bytes as they come, cut anywhere.

    Attributes
    ----------
    error
        The message of the error with which the run ended, if any.
    process_group
        The id of the run's process group, once reported.
    other_lines
        The last lines that were none of these.
    """

    def __init__(self) -> None:
        self.error: str | None = None
        self.process_group: int | None = None
        self.other_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._unfinished = b""

    def feed(self, data: bytes) -> list[Report]:
        """The reports that are complete with these bytes."""
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        self._unfinished = self._unfinished[-_LONGEST_LINE:]  # so long a line is none of ours
        return self._read(lines)

    def finish(self) -> list[Report]:
        """The report in the last line where it does not end in a line feed; no more bytes will come."""
        last, self._unfinished = self._unfinished, b""
        return self._read([last])

    def _read(self, lines: list[bytes]) -> list[Report]:
        reports = []
        for line in lines:
            content = _json_object(line)
            if (report := _report(content)) is not None:
                reports.append(report)
            elif isinstance(content.get("error"), str):
                self.error = content["error"]
            elif _is_finite(group := content.get("process_group")):
                self.process_group = int(group)
            elif line.strip():
                text = line[:_LONGEST_LINE].decode(errors="replace").strip()
                self.other_lines.append(text[:_KEPT_CHARACTERS])
        return reports


def _json_object(line: bytes) -> dict[str, Any]:
    """With every number a float; an empty one where the line is something else."""
    try:
        content = json.loads(line, parse_int=float)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _report(content: dict[str, Any]) -> Report | None:
    stage, fraction, left = (content.get(name) for name in ("stage", "fraction", "seconds_left"))
    if not isinstance(stage, str) or not _is_finite(fraction) or not 0 <= fraction <= 1:
        return None
    return Report(stage, fraction, left if _is_finite(left) and left >= 0 else None)


def _is_finite(value: object) -> TypeGuard[float]:
    return isinstance(value, float) and math.isfinite(value)


def signal_group(group: int | None, number: int) -> bool:
    """Signal every process of a group on Linux and macOS; False where there is none, and for our own group."""
    if sys.platform == "win32" or group is None or group <= 1 or group == os.getpgrp():
        return False
    with suppress(OSError):
        os.killpg(group, number)
        return True
    return False


def kill_tree(process: int, group: int | None) -> None:
    """Kill a process and all that it started, at once.

    On Linux and macOS these are the processes of the group; on Windows those that descend from the process.
    """
    if sys.platform == "win32":
        command = ["taskkill", "/PID", str(process), "/T", "/F"]
        with suppress(OSError):
            subprocess.run(command, capture_output=True, check=False, creationflags=subprocess.CREATE_NO_WINDOW)
    else:
        signal_group(group, signal.SIGKILL)
        with suppress(OSError):
            os.kill(process, signal.SIGKILL)
