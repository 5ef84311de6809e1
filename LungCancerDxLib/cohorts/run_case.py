"""One case of a cohort: worked on once, its result in a folder that appears whole."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ..case import CaseResult
from ..errors import LungCancerDxError, OutputError, UsageError
from ..result_folder import CASE_FILE, RESULT_FILES, write_result
from ..staging import whole_folder
from ..volume import CTVolume
from .listing import Entry

FAILURE_FILE = "failure.json"
_ENDS_THE_RUN = (OutputError, UsageError)  # would befall every other case too


@dataclass(frozen=True)
class Settings:
    """How every case of a run is scored; the options of the command line, and the model that they must mean.

    `model` is a name or folder, None for the default one; `sha256` that of its weights.
    """

    model: str | None
    sha256: str
    device: str = "auto"
    precision: str = "auto"
    max_memory: float | None = None
    masks: bool = False


Work = Callable[[Path, Settings], tuple[CaseResult, CTVolume]]
"""Reads and scores the CT at a path."""


@dataclass(frozen=True)
class CaseTask:
    """A case to do: `work` must be found by its name in another process."""

    entry: Entry
    folder: Path
    settings: Settings
    work: Work


def run_case(task: CaseTask) -> str | None:
    """Do a case and write `case.json` (and label maps), or `failure.json` with the reason; returns the reason.

    A case that has a result already is left as it is.

    Raises
    ------
    OutputError, UsageError
        What would befall every case: nothing can be written, another model.
    """
    if (task.folder / CASE_FILE).is_file():
        return None
    try:
        result, volume = task.work(task.entry.path, task.settings)
    except _ENDS_THE_RUN:
        raise
    except LungCancerDxError as error:
        return record_failure(task, str(error))
    except MemoryError:
        return record_failure(task, "Not enough memory.")
    except Exception as error:  # one case must not cost the run
        return record_failure(task, f"Unexpected {type(error).__name__}: {error}")
    if not task.settings.masks:
        result = replace(result, lung_labels=None, nodule_labels=None)
    with whole_folder(task.folder, (FAILURE_FILE, *RESULT_FILES)) as staging:
        write_result(result, volume, staging)
    return None


def record_failure(task: CaseTask, reason: str) -> str:
    """Write why a case has no result; returns the reason on one line.

    Raises
    ------
    OutputError
    """
    reason = " ".join(reason.split())
    content = {"id": task.entry.id, "path": os.fspath(task.entry.path), "reason": reason}
    with whole_folder(task.folder, (FAILURE_FILE,)) as staging:
        (staging / FAILURE_FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return reason
