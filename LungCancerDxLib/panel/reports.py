"""What a background run says on its standard output: the lines of `--progress json`."""

from __future__ import annotations

import json
import math
from collections import deque
from dataclasses import dataclass
from typing import Any

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
