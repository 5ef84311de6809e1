"""Figures of case scores: ROC and histograms by class (the paper's Fig. 8), and a reliability diagram."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..evaluation.case_metrics import roc
from ..evaluation.case_report import CaseReport
from ..evaluation.case_tables import Outcomes
from .plotting import figure_file

_BLUE, _RED, _GREY = "#1f5fa8", "#c0392b", "#666666"
_BINS = np.linspace(0, 1, 21)


def save_roc_figure(report: CaseReport, outcomes: Outcomes, path: Path) -> None:
    """The ROC curve, with that of the Bayes predictor where it is known.

    Raises
    ------
    UsageError
        Where matplotlib or scikit-learn is not installed.
    """
    with figure_file(path, figsize=(5.6, 5.6)) as axes:
        values = {row.name: row.value for row in report.rows}
        false_rate, true_rate, _ = report.roc
        axes.plot([0, 1], [0, 1], "--", color=_GREY, linewidth=1)
        axes.plot(false_rate, true_rate, color=_BLUE, linewidth=1.8, label=f"scores, AUC {values['AUC']:.3f}")
        if outcomes.bayes is not None:
            false_rate, true_rate, _ = roc(outcomes.bayes, outcomes.cancer)
            words = f"Bayes predictor, AUC {values['AUC of the Bayes predictor']:.3f}"
            axes.plot(false_rate, true_rate, color=_GREY, linewidth=1.2, label=words)
        axes.set_aspect("equal")
        axes.set_xlabel("false positive rate")
        axes.set_ylabel("true positive rate")
        axes.set_title(f"ROC on {_basis(outcomes)}")
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right")


def save_histograms(outcomes: Outcomes, path: Path) -> None:
    """The scores of healthy people and of patients, each as shares of their class.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    """
    with figure_file(path, figsize=(7, 4.6)) as axes:
        for ill, name, colour in ((False, "healthy", _BLUE), (True, "cancer", _RED)):
            scores = outcomes.predicted[outcomes.cancer == ill]
            shares = np.full(len(scores), 1 / len(scores))
            axes.hist(scores, _BINS, weights=shares, color=colour, alpha=0.55, label=f"{name} ({len(scores)})")
        axes.axvline(0.5, color=_GREY, linestyle="--", linewidth=1)
        axes.set_xlim(0, 1)
        axes.set_xlabel(outcomes.score_name)
        axes.set_ylabel("share of the class")
        axes.set_title(f"Scores by class on {_basis(outcomes)}")
        axes.legend()


def save_reliability_figure(report: CaseReport, outcomes: Outcomes, path: Path) -> None:
    """The share of ill cases over the mean score, bin by bin, above the number of cases in each bin.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    """
    with figure_file(path, 2, 1, figsize=(5.6, 6.8), sharex=True, height_ratios=(4, 1)) as (axes, below):
        bins = report.calibration
        axes.plot([0, 1], [0, 1], "--", color=_GREY, linewidth=1, label="as it should be")
        filled = bins.cases > 0
        error = f"expected calibration error {bins.expected_error:.3f}"
        axes.plot(bins.mean_score[filled], bins.share_ill[filled], "o-", color=_BLUE, label=error)
        axes.set_xlim(0, 1)
        axes.set_ylim(-0.02, 1.02)
        axes.set_ylabel("share with cancer")
        axes.set_title(f"Reliability on {_basis(outcomes)}")
        axes.grid(alpha=0.3)
        axes.legend(loc="upper left")
        width = 1 / len(bins.cases)
        below.bar((np.arange(len(bins.cases)) + 0.5) * width, bins.cases, width * 0.92, color=_BLUE, alpha=0.55)
        below.set_xlabel(outcomes.score_name)
        below.set_ylabel("cases")


def _basis(outcomes: Outcomes) -> str:
    return f"{len(outcomes.cancer)} cases, {outcomes.cancer.sum()} with cancer"
