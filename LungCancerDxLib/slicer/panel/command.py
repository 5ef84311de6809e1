"""The command line of a background run, as arguments of Python."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...options import ScoreOptions

_FOR_A_PROGRAM = ("--progress", "json", "--background")


def score_arguments(ct: Path, out: Path, options: ScoreOptions) -> list[str]:
    """Score a CT; the result folder is replaced where it holds an earlier result."""
    arguments = _command("score", str(ct), "--out", str(out), "--overwrite", "--no-scene")
    return [*arguments, *options.to_arguments(), *_FOR_A_PROGRAM]


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
    return Path(__file__).resolve().parents[3]


def environment_variables() -> dict[str, str]:
    """The variables with which a run finds this very library, not one in the folder where Slicer was started."""
    paths = [str(library_root()), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1", "PYTHONIOENCODING": "utf-8"}


_LONGEST_LINE = 65536  # bytes
_KEPT_LINES = 20
_KEPT_CHARACTERS = 500


@dataclass(frozen=True)
class Report:
    """stage: in words. fraction: of the work done, 0 to 1. seconds_left: None while it cannot be told."""

    stage: str
    fraction: float
    seconds_left: float | None


@dataclass(frozen=True)
class Failure:
    """Why a run ended, in words for the user, and its exit code."""

    words: str
    exit_code: int


class ReportReader:
    """Reads reports from bytes as they come, cut anywhere.

    Attributes
    ----------
    failure
        The error that the run told, if any.
    process_group
        The id of the run's process group, once told.
    other_lines
        The last lines that were none of these.
    """

    def __init__(self) -> None:
        self.failure: Failure | None = None
        self.process_group: int | None = None
        self.other_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._begun = b""

    def feed(self, data: bytes) -> list[Report]:
        """The reports that are complete with these bytes."""
        *lines, self._begun = (self._begun + data).split(b"\n")
        self._begun = self._begun[-_LONGEST_LINE:]  # so long a line is none of ours
        return self._read(lines)

    def finish(self) -> list[Report]:
        """The report in the last line where it does not end in a line feed; no more bytes will come."""
        last, self._begun = self._begun, b""
        return self._read([last])

    def _read(self, lines: list[bytes]) -> list[Report]:
        reports = []
        for line in lines:
            content = _json_object(line)
            if (report := _report(content)) is not None:
                reports.append(report)
            elif isinstance(content.get("error"), str) and _is_integer(content.get("exit_code")):
                self.failure = Failure(content["error"], content["exit_code"])
            elif _is_integer(content.get("process_group")):
                self.process_group = content["process_group"]
            elif line.strip():
                text = line[:_LONGEST_LINE].decode(errors="replace").strip()
                self.other_lines.append(text[:_KEPT_CHARACTERS])
        return reports


def _json_object(line: bytes) -> dict[str, Any]:
    """An empty one where the line is something else."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _report(content: dict[str, Any]) -> Report | None:
    stage, fraction, left = content.get("stage"), _number(content.get("fraction")), _number(content.get("seconds_left"))
    if not isinstance(stage, str) or fraction is None or not 0 <= fraction <= 1:
        return None
    return Report(stage, fraction, left if left is not None and left >= 0 else None)


def _number(value: object) -> float | None:
    """None for what is no finite number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
