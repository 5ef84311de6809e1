"""A detector's figures: FROC and recall at top k (the paper's Fig. 7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..evaluation.detection_report import DetectionReport, Recall
from ..evaluation.froc import RATES
from .plotting import figure_file

_BLUE, _ORANGE = "#1f5fa8", "#d97706"


def save_froc_figure(report: DetectionReport, path: Path) -> None:
    """The sensitivity over false positives per scan, 1/8 to 8 on a log2 axis, with its bootstrap band and the seven
    points whose mean is given.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    """
    with figure_file(path, figsize=(7, 5.2)) as axes:
        band, seven = report.band, report.curve.at(RATES)
        shown = np.union1d(report.curve.rate, band.rate)
        axes.fill_between(band.rate, band.low, band.high, color=_BLUE, alpha=0.18, linewidth=0, label="95 % interval")
        axes.plot(shown, report.curve.at(shown), color=_BLUE, linewidth=1.8)
        axes.plot(RATES, seven, "o", color=_BLUE, label=f"mean of the seven: {seven.mean():.4f}")
        axes.set_xscale("log", base=2)
        axes.set_xlim(RATES[0] / 1.1, RATES[-1] * 1.1)
        axes.set_xticks(RATES, ["1/8", "1/4", "1/2", "1", "2", "4", "8"])
        _finish(axes, "false positives per scan", "sensitivity", f"FROC on {report.basis}")


def save_top_k_figure(report: DetectionReport, path: Path) -> None:
    """Recall among the first 1, 2, ... marks of each scan: of all nodules, and of each case's most malignant one.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    """
    with figure_file(path, figsize=(7, 5.2)) as axes:
        lines: list[tuple[Recall, str, str, float]] = [(report.recall, "all nodules", _BLUE, -0.06)]
        if report.most_malignant is not None:
            lines.append((report.most_malignant, "most malignant of each scan", _ORANGE, 0.06))
        for line, name, colour, aside in lines:
            places = np.arange(1, len(line.recall) + 1)
            spans = np.stack([line.recall - line.low, line.high - line.recall]).clip(0)
            words = f"{name} ({line.nodules})"
            axes.errorbar(places + aside, line.recall, spans, fmt="o-", color=colour, capsize=3, label=words)
        axes.set_xticks(np.arange(1, len(report.recall.recall) + 1))
        title = f"Recall at top k on {report.basis}, 95 % intervals"
        _finish(axes, "k: marks taken from each scan, best first", "recall", title)


def _finish(axes: Any, x: str, y: str, title: str) -> None:
    """Words and grid of a figure whose vertical axis is a share."""
    axes.set_ylim(0, 1.02)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
