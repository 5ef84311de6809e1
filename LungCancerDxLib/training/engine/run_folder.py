"""A training run on disk: what it is, how it goes (tables, TensorBoard, curves), and where it goes on."""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...errors import OutputError, UsageError
from ...names import listed
from ...report.plotting import pyplot
from ...runtime.atomic import atomic_file, remove_leftovers

CONFIG_FILE, LOG_FILE, VALIDATION_FILE = "config.json", "log.csv", "validation.csv"
CHECKPOINT_FILE, CURVES_FILE = "checkpoint.pt", "curves.png"
EVENTS_FOLDER = "tensorboard"
_SMOOTHED_OVER = 50  # parts of the run, in the curves
_SHOWN = 24  # characters of a setting in a message

Row = dict[str, float]
"""The values of a step by name, `step` among them."""


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
        remove_leftovers(self.folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(f"{self.folder} is a file; choose a folder that does not exist yet.")
        if self.folder.exists() and any(self.folder.iterdir()):
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
        remove_leftovers(self.folder)
        if not self.folder.is_dir() or not any(self.folder.iterdir()):
            self.create()
            return
        try:
            before = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(f"{self.folder} holds no run to resume: {path} cannot be read ({error}).") from error
        then, now = _settings(before), _settings(self.config)
        changes = [
            f"{key}: {_short(then.get(key))} before, {_short(now.get(key))} now"
            for key in sorted(then.keys() | now.keys())
            if then.get(key) != now.get(key)
        ]
        if changes:
            raise UsageError(
                f"The run in {self.folder} was started with other settings ({listed(changes, 3)}). Resume it with the "
                "same, or start a new run in another folder."
            )

    def save(self, state: dict[str, Any]) -> None:
        """Replace the checkpoint."""
        save_tensors(state, self.folder / CHECKPOINT_FILE)

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
            state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        except Exception as error:
            raise OutputError(f"{path} cannot be read ({error}); remove it to start the run anew.") from error
        return state


def save_tensors(state: dict[str, Any], path: Path) -> None:
    """Write what `torch.load` reads, whole or not at all; torch itself takes a full disk for a fault of its own.

    Raises
    ------
    OutputError
    """
    content = io.BytesIO()
    torch.save(state, content)
    with atomic_file(path) as staging:
        staging.write_bytes(content.getbuffer())


def _settings(config: dict[str, Any], within: str = "") -> dict[str, Any]:
    """The values of a configuration by their names, those of its parts as `part.name`."""
    settings: dict[str, Any] = {}
    for name, value in config.items():
        settings |= _settings(value, f"{within}{name}.") if isinstance(value, dict) else {within + name: value}
    return settings


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


class Records:
    """The tables of a run and, where it is wanted and installed, TensorBoard's events."""

    def __init__(self, folder: Path, first: int, events: bool, validated: bool) -> None:
        self._log = Log(folder / LOG_FILE, first)
        self._checks = Log(folder / VALIDATION_FILE, first - 1) if validated else None
        self._events = None
        if events:
            with suppress(ImportError):
                from torch.utils.tensorboard import SummaryWriter

                self._events = SummaryWriter(str(folder / EVENTS_FOLDER), purge_step=first + 1)

    def add(self, row: Row) -> None:
        """The values of a step."""
        self._add(self._log, row, "")

    def add_check(self, row: Row) -> None:
        """The values of a check on other cases."""
        self._add(self._checks, row, "validation/")

    def _add(self, log: Log | None, row: Row, group: str) -> None:
        if log is not None:
            log.add(row)
        if self._events is not None:
            for name, value in row.items():
                if name != "step":
                    self._events.add_scalar(group + name, value, int(row["step"]))

    def close(self) -> None:
        """No more values."""
        for writer in (self._log, self._checks, self._events):
            if writer is not None:
                writer.close()


class Log:
    """A table with a row a step, or a check; rows after the last step that counts are dropped: they come again."""

    def __init__(self, path: Path, last_step: int) -> None:
        kept = [row for row in read_log(path) if int(float(row["step"])) <= last_step]
        with atomic_file(path) as staging, staging.open("w", newline="", encoding="utf-8") as file:
            if kept:
                writer = csv.DictWriter(file, kept[0])
                writer.writeheader()
                writer.writerows(kept)
        self._file = path.open("a", newline="", encoding="utf-8")
        self._path, self._is_empty = path, not kept

    def add(self, row: Row) -> None:
        """Append a row; all rows have the same columns."""
        writer = csv.DictWriter(self._file, row)
        if self._is_empty:
            writer.writeheader()
            self._is_empty = False
        writer.writerow({key: value if isinstance(value, int) else f"{value:.6g}" for key, value in row.items()})
        try:
            self._file.flush()
        except OSError as error:
            raise OutputError(
                f"{self._path} could not be written ({error.strerror}). Make room on the disk."
            ) from error

    def close(self) -> None:
        """No more rows."""
        with suppress(OSError):  # of what could not be written `add` has told
            self._file.close()


def read_log(path: Path) -> list[dict[str, str]]:
    """The whole rows of a log; none where there is no log. A row that a kill cut short is left out."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if None not in row.values() and None not in row]


def draw_curves(folder: Path) -> None:
    """Draw every column of `log.csv` over the steps into `curves.png`: each step, a running mean, and the checks.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    """
    rows, checks = read_log(folder / LOG_FILE), read_log(folder / VALIDATION_FILE)
    if not rows:
        return
    plt = pyplot()
    names = [name for name in rows[0] if name != "step"]
    steps = np.array([float(row["step"]) for row in rows])
    width = max(len(rows) // _SMOOTHED_OVER, 1)
    lines = -(-len(names) // 3)
    figure, axes = plt.subplots(lines, 3, figsize=(12, 2.6 * lines), squeeze=False)
    for ax, name in zip(axes.flat, names, strict=False):
        values = np.array([float(row[name]) for row in rows])
        ax.plot(steps, values, ".", color="0.75", markersize=2)
        ax.plot(*_running_mean(steps, values, width), color="tab:blue")
        if checks and name in checks[0]:
            found = [(float(check["step"]), float(check[name])) for check in checks]
            ax.plot(*zip(*found, strict=True), "o-", color="tab:orange", markersize=3, label="validation")
            ax.legend(fontsize=8)
        ax.set_title(name.replace("_s", " (s)") if name.endswith("_s") else name.replace("_", " "), fontsize=10)
        ax.set_xlabel("step", fontsize=8)
        ax.tick_params(labelsize=8)
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    figure.tight_layout()
    with atomic_file(folder / CURVES_FILE) as staging:
        figure.savefig(staging, format="png", dpi=100)
    plt.close(figure)


def _running_mean(steps: np.ndarray, values: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of `width` values that follow each other, at the mean of their steps; what is no number is left out."""
    known = np.isfinite(values)
    steps, values = steps[known], values[known]
    if len(values) < width:
        return steps, values
    kernel = np.full(width, 1 / width)
    return np.convolve(steps, kernel, "valid"), np.convolve(values, kernel, "valid")
