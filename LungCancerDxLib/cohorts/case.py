"""One case of a cohort: worked on once, its result in a folder that appears whole."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ..case import CaseResult
from ..datasets.folder import Entry
from ..errors import LungCancerDxError, OutputError, UsageError
from ..io.result_folder import CASE_FILE, RESULT_FILES, write_result
from ..models.bundle import Model
from ..models.find import find_model
from ..options import ScoreOptions
from ..pipeline import score_file
from ..runtime.atomic import atomic_folder

FAILURE_FILE = "failure.json"
_ENDS_THE_RUN = (OutputError, UsageError)  # would befall every other case too


@dataclass(frozen=True)
class Settings:
    """How every case of a run is scored, the `sha256` that the model must have, and whether masks are kept."""

    options: ScoreOptions
    sha256: str
    masks: bool = False


Work = Callable[[Path, Settings], CaseResult]
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
        result = task.work(task.entry.path, task.settings)
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
    with atomic_folder(task.folder, (FAILURE_FILE, *RESULT_FILES)) as staging:
        assert result.volume is not None
        write_result(result, result.volume, staging)
    return None


def record_failure(task: CaseTask, reason: str) -> str:
    """Write why a case has no result; returns the reason on one line.

    Raises
    ------
    OutputError
    """
    reason = " ".join(reason.split())
    content = {"id": task.entry.id, "path": os.fspath(task.entry.path), "reason": reason}
    with atomic_folder(task.folder, (FAILURE_FILE,)) as staging:
        (staging / FAILURE_FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return reason


def score_ct(path: Path, settings: Settings) -> CaseResult:
    """Read and score a CT as the settings say, with a model that stays loaded.

    Raises
    ------
    CTReadError, NoLungsError, OutOfMemoryError, ModelError
    UsageError
        Where the model of that name has other weights here than where the run was started.
    """
    model = _model(settings.options.model)
    if model.sha256 != settings.sha256:
        raise UsageError(
            f"The model '{model.name}' has other weights here (sha256 {model.sha256[:16]}...) than where the run was "
            f"started ({settings.sha256[:16]}...). Install the same model everywhere, or give its folder."
        )
    return score_file(path, settings.options, model=model)


@functools.lru_cache(maxsize=1)
def _model(name: str | None) -> Model:
    return find_model(name)
