"""The curves of a run as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..pictures.plotting import pyplot
from ..staging import whole_file
from .run_folder import CURVES_FILE, LOG_FILE, VALIDATION_FILE, read_log

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
    with whole_file(folder / CURVES_FILE) as staging:
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
