"""What a run folder was made with: `run.json`, so that results of different models never share a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .tables import write_text

RUN_FILE = "run.json"
SCHEMA = "lungcancerdx/cohort/1"


def check_run(folder: Path, options: dict[str, Any]) -> None:
    """Record the options of a run in its folder, or see that they are those of the run to go on with.

    Raises
    ------
    UsageError
        Where an option has changed, or the folder holds something else than a run.
    OutputError
    """
    record = {"schema": SCHEMA, **options}
    path = folder / RUN_FILE
    if not path.is_file():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"The output {folder} exists and is no run of cohort (no {RUN_FILE}). Choose another.")
        write_text(path, json.dumps(record, indent=2) + "\n")
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = [key for key in {**before, **record} if before.get(key) != record.get(key)]
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{path} is damaged ({error}); choose another output folder.") from error
    if changed:
        words = "; ".join(f"{key} was {before.get(key)} and is {record.get(key)}" for key in changed)
        raise UsageError(
            f"The run in {folder} was started with other options ({words}). Choose another output folder, or the "
            "options of that run."
        )
