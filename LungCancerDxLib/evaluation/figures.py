"""Figures of an evaluation: FROC and recall at top k (Fig. 7), ROC, histograms and reliability of scores (Fig. 8).

Each raises `UsageError` where matplotlib is not installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..report.plotting import figure_file
from .cases import Calibration, CaseReport, roc
from .detection_report import DetectionReport, Recall
from .froc import RATES
from .outcomes import Outcomes

_BLUE, _ORANGE, _RED, _GREY = "#1f5fa8", "#d97706", "#c0392b", "#666666"
_BINS = np.linspace(0, 1, 21)


def save_froc_figure(report: DetectionReport, path: Path) -> None:
    """The sensitivity over false positives per scan, 1/8 to 8 on a log2 axis, with its bootstrap band and the seven
    points whose mean is given.
    """
    with figure_file(path, figsize=(7, 5.2)) as axes:
        (rate, low, high), seven = report.band, report.curve.at(RATES)
        shown = np.union1d(report.curve.rate, rate)
        axes.fill_between(rate, low, high, color=_BLUE, alpha=0.18, linewidth=0, label="95 % interval")
        axes.plot(shown, report.curve.at(shown), color=_BLUE, linewidth=1.8)
        axes.plot(RATES, seven, "o", color=_BLUE, label=f"mean of the seven: {seven.mean():.4f}")
        axes.set_xscale("log", base=2)
        axes.set_xlim(RATES[0] / 1.1, RATES[-1] * 1.1)
        axes.set_xticks(RATES, ["1/8", "1/4", "1/2", "1", "2", "4", "8"])
        _finish(axes, "false positives per scan", "sensitivity", f"FROC on {report.basis}")


def save_top_k_figure(report: DetectionReport, path: Path) -> None:
    """Recall among the first 1, 2, ... marks of each scan: of all nodules, and of each case's most malignant one."""
    with figure_file(path, figsize=(7, 5.2)) as axes:
        lines: list[tuple[Recall, str, str, float]] = [(report.recall, "all nodules", _BLUE, -0.06)]
        if report.most_malignant is not None:
            lines.append((report.most_malignant, "most malignant of each scan", _ORANGE, 0.06))
        for line, name, colour, aside in lines:
            ranks = np.arange(1, len(line.recall) + 1)
            spans = np.stack([line.recall - line.low, line.high - line.recall]).clip(0)
            label = f"{name} ({line.nodules})"
            axes.errorbar(ranks + aside, line.recall, spans, fmt="o-", color=colour, capsize=3, label=label)
        axes.set_xticks(np.arange(1, len(report.recall.recall) + 1))
        title = f"Recall at top k on {report.basis}, 95 % intervals"
        _finish(axes, "k: marks taken from each scan, best first", "recall", title)


def save_roc_figure(report: CaseReport, outcomes: Outcomes, path: Path) -> None:
    """The ROC curve, with that of the Bayes predictor where it is known."""
    with figure_file(path, figsize=(5.6, 5.6)) as axes:
        values = {row.name: row.value for row in report.rows}
        false_rate, true_rate, _ = report.roc
        axes.plot([0, 1], [0, 1], "--", color=_GREY, linewidth=1)
        axes.plot(false_rate, true_rate, color=_BLUE, linewidth=1.8, label=f"scores, AUC {values['AUC']:.3f}")
        if outcomes.bayes is not None:
            false_rate, true_rate, _ = roc(outcomes.bayes, outcomes.cancer)
            label = f"Bayes predictor, AUC {values['AUC of the Bayes predictor']:.3f}"
            axes.plot(false_rate, true_rate, color=_GREY, linewidth=1.2, label=label)
        axes.set_aspect("equal")
        _finish(axes, "false positive rate", "true positive rate", f"ROC on {case_basis(outcomes)}")


def save_histograms(outcomes: Outcomes, path: Path) -> None:
    """The scores of healthy people and of patients, each as shares of their class."""
    with figure_file(path, figsize=(7, 4.6)) as axes:
        for cancer, name, colour in ((False, "healthy", _BLUE), (True, "cancer", _RED)):
            scores = outcomes.predicted[outcomes.cancer == cancer]
            shares = np.full(len(scores), 1 / len(scores))
            axes.hist(scores, _BINS, weights=shares, color=colour, alpha=0.55, label=f"{name} ({len(scores)})")
        axes.axvline(0.5, color=_GREY, linestyle="--", linewidth=1)
        axes.set(xlim=(0, 1), xlabel=outcomes.score_name, ylabel="share of the class")
        axes.set_title(f"Scores by class on {case_basis(outcomes)}")
        axes.legend()


def save_reliability_figure(bins: Calibration, score_name: str, event: str, basis: str, path: Path) -> None:
    """The observed frequency of an event over the mean score, bin by bin, above the number of scores in each bin."""
    with figure_file(path, 2, 1, figsize=(5.6, 6.8), sharex=True, height_ratios=(4, 1)) as (axes, below):
        axes.plot([0, 1], [0, 1], "--", color=_GREY, linewidth=1, label="as it should be")
        filled = bins.cases > 0
        error = f"expected calibration error {bins.expected_error:.3f}"
        axes.plot(bins.mean_score[filled], bins.observed_frequency[filled], "o-", color=_BLUE, label=error)
        axes.set(xlim=(0, 1), ylim=(-0.02, 1.02), ylabel=f"observed frequency of {event}")
        axes.set_title(f"Reliability on {basis}")
        axes.grid(alpha=0.3)
        axes.legend(loc="upper left")
        width = 1 / len(bins.cases)
        below.bar((np.arange(len(bins.cases)) + 0.5) * width, bins.cases, width * 0.92, color=_BLUE, alpha=0.55)
        below.set(xlabel=score_name, ylabel="number")


def case_basis(outcomes: Outcomes) -> str:
    """What figures of these cases rest on."""
    return f"{len(outcomes.cancer)} cases, {outcomes.cancer.sum()} with cancer"


def _finish(axes: Any, x: str, y: str, title: str) -> None:
    """Axis labels and grid of a figure whose vertical axis is a share."""
    axes.set(ylim=(0, 1.02), xlabel=x, ylabel=y, title=title)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
