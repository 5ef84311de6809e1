"""A training run on disk: what it is, how it goes, and where it goes on."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import torch

from ...errors import OutputError, UsageError
from ...runtime.atomic import atomic_file

CONFIG_FILE, LOG_FILE, VALIDATION_FILE = "config.json", "log.csv", "validation.csv"
CHECKPOINT_FILE, CURVES_FILE = "checkpoint.pt", "curves.png"
EVENTS_FOLDER = "tensorboard"


class RunFolder:
    """The files of a run.

    Parameters
    ----------
    config
        All that decides the weights, as it goes into JSON: a run goes on only with the same.
    """

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.folder = folder
        self.config: dict[str, Any] = json.loads(json.dumps(config))

    def create(self) -> None:
        """Start a new run in a folder that is not there or empty.

        Raises
        ------
        UsageError, OutputError
        """
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise UsageError(
                f"{self.folder} exists and is not empty. Choose another folder, or pass --resume to go on with the run "
                "in it."
            )
        with atomic_file(self.folder / CONFIG_FILE) as staging:
            staging.write_text(json.dumps(self.config, indent=2) + "\n", encoding="utf-8")

    def resume(self) -> None:
        """Go on with the run in the folder, or start it where nothing is there yet.

        Raises
        ------
        UsageError
            Where the folder holds no run or one with another configuration.
        """
        path = self.folder / CONFIG_FILE
        if not self.folder.exists() or not any(self.folder.iterdir()):
            self.create()
            return
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{self.folder} holds no run to resume: {path} cannot be read ({error}).") from error
        differing = sorted(k for k in before.keys() | self.config.keys() if before.get(k) != self.config.get(k))
        if differing:
            changes = "; ".join(f"{key}: {before.get(key)} before, {self.config.get(key)} now" for key in differing)
            raise UsageError(
                f"The run in {self.folder} was started with other settings ({changes}). Resume it with the same, or "
                "start a new run in another folder."
            )

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint."""
        with atomic_file(self.folder / CHECKPOINT_FILE) as staging:
            torch.save(state, staging)

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """The checkpoint; None where there is none yet.

        Raises
        ------
        OutputError
            Where it is damaged.
        """
        path = self.folder / CHECKPOINT_FILE
        if not path.exists():
            return None
        try:
            return torch.load(path, map_location=device, weights_only=True)
        except Exception as error:
            raise OutputError(f"{path} cannot be read ({error}); remove it to start the run anew.") from error


class Log:
    """A table with a row a step, or a check; rows after the last step that counts are dropped: they come again."""

    def __init__(self, path: Path, last_step: int) -> None:
        self._kept = [row for row in read_log(path) if int(float(row["step"])) <= last_step]
        with atomic_file(path) as staging, staging.open("w", newline="", encoding="utf-8") as file:
            if self._kept:
                writer = csv.DictWriter(file, self._kept[0])
                writer.writeheader()
                writer.writerows(self._kept)
        self._file = path.open("a", newline="", encoding="utf-8")
        self._writer: csv.DictWriter | None = None
        self._with_header = not self._kept

    def add(self, row: dict[str, float]) -> None:
        """Append a row; all rows have the same columns."""
        if self._writer is None:
            self._writer = csv.DictWriter(self._file, row)
            if self._with_header:
                self._writer.writeheader()
        self._writer.writerow({key: value if isinstance(value, int) else f"{value:.6g}" for key, value in row.items()})
        self._file.flush()

    def close(self) -> None:
        """No more rows."""
        self._file.close()


def read_log(path: Path) -> list[dict[str, str]]:
    """The whole rows of a log; none where there is no log. A row that a kill cut short is left out."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if None not in row.values() and None not in row]
