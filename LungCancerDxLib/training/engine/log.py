"""How a run goes: its log, its events, its curves, its pace."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from ...errors import UsageError
from ...report.plotting import pyplot
from ...runtime.atomic import atomic_file
from .run_folder import CURVES_FILE, EVENTS_FOLDER, LOG_FILE, VALIDATION_FILE, Log, read_log


class Events:
    """Writes scalars; does nothing where TensorBoard is not installed or not wanted."""

    def __init__(self, folder: Path, first_step: int, wanted: bool) -> None:
        self._writer = None
        if wanted:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                return
            self._writer = SummaryWriter(str(folder / EVENTS_FOLDER), purge_step=first_step + 1)

    def add(self, row: dict[str, float], group: str = "") -> None:
        """The values of a step."""
        if self._writer is not None:
            for name, value in row.items():
                if name != "step":
                    self._writer.add_scalar(group + name, value, int(row["step"]))

    def close(self) -> None:
        """No more values."""
        if self._writer is not None:
            self._writer.close()


_NOT_DRAWN = {"step"}
_SMOOTHED_OVER = 50  # parts of the run


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
    names = [name for name in rows[0] if name not in _NOT_DRAWN]
    steps = np.array([float(row["step"]) for row in rows])
    width = max(len(rows) // _SMOOTHED_OVER, 1)
    figure, axes = plt.subplots(-(-len(names) // 3), 3, figsize=(12, 2.6 * -(-len(names) // 3)), squeeze=False)
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


class Records:
    """The logs and the events of a run."""

    def __init__(self, folder: Path, first: int, events: bool, validated: bool) -> None:
        self._log = Log(folder / LOG_FILE, first)
        self._checks = Log(folder / VALIDATION_FILE, first - 1) if validated else None
        self._events = Events(folder, first, events)

    def add(self, row: dict[str, float]) -> None:
        """The values of a step."""
        self._log.add(row)
        self._events.add(row)

    def add_check(self, row: dict[str, float]) -> None:
        """The values of a check on other cases."""
        if self._checks is not None:
            self._checks.add(row)
        self._events.add(row, "validation/")

    def close(self) -> None:
        """No more values."""
        for writer in (self._log, self._checks, self._events):
            if writer is not None:
                writer.close()


class Pace:
    """How fast a run goes, in words."""

    def __init__(self, first: int, steps: int) -> None:
        self._first, self._steps, self._start = first, steps, time.monotonic()

    def words(self, done: int, loss: float) -> str:
        """Steps done, the loss, and the time left at the pace so far."""
        left_s = (time.monotonic() - self._start) / (done - self._first) * (self._steps - done)
        left = f"{left_s / 60:.0f} min left" if left_s >= 90 else f"{left_s:.0f} s left"
        return f"step {done} of {self._steps}, loss {loss:.3f}, {left}"


def draw_if_possible(folder: Path) -> None:
    """Draw the curves, unless there is no matplotlib: the log has all of it."""
    try:
        draw_curves(folder)
    except UsageError:
        return
