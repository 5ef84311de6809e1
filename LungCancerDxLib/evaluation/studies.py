"""Tables I and II of the paper made anew: scores of trained networks to figures with intervals, beside the paper's own.

A study trains every method of a table from several seeds; a cell is one method and one seed on one kind of data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..io.tables import read_table, write_table
from ..names import FEATURE_COMBINING, LEAKY_NOISY_OR, MAX_P, NOISY_OR
from ..report.plotting import figure_file
from .cases import case_losses, resampled_auc, resampled_mean
from .report import interval, resample

SCORE_COLUMNS = ("id", "part", "cancer", "score", "leak", "malignancy_of_causes", "malignancy_of_others")
LEARNED, HELD_OUT = "training", "validation"
LOSS, ACCURACY, AUC, DIFFERENCE = "log-loss", "accuracy at 0.5", "AUC", "log-loss minus that of the reference"
LEAK, CAUSES, OTHERS = "learned leak", "malignancy of causes", "malignancy of others"
_TABLE_COLUMNS = ("data", "method", "scheme", "join", "part", "figure", "value", "low_95", "high_95", "sd_of_seeds")
_LARGEST_LOSS = 1.5  # in a figure; what lies beyond is written: giving every case the same score costs 0.69 at most
_COLOURS = ("#1f5fa8", "#d97706", "#2e8b57", "#8e44ad", "#666666")
Seeds = list[tuple[float, np.ndarray]]


@dataclass(frozen=True)
class Method:
    """A row of a table: its name in the paper, the stages (V-E), how nodules are joined, and the loss that is printed.

    `published` is the log-loss on the test set of the Data Science Bowl; None where it is not known here.
    """

    name: str
    scheme: str
    join: str = LEAKY_NOISY_OR
    published: float | None = None


TABLE_1 = (
    Method("C-Net", "C-Net", published=1.2633),
    Method("(A) C-Net + Aug", "A", published=0.4173),
    Method("(B) C-Net + Aug + Clip", "B", published=0.4157),
    Method("(C) C-Net + Aug + Alt", "C", published=0.4060),
    Method("(D) C-Net + Aug + Alt + Clip", "D", published=0.4185),
    Method("(E) C-Net + Aug + Alt + Clip + BN freeze", "E", published=0.412),
    Method("A→B", "A->B", published=0.4060),
    Method("A→B→D", "A->B->D", published=0.4024),
    Method("A→B→E", "A->B->E", published=0.3989),
)
OTHER_SYSTEMS = (
    ("grt123", 0.3998),
    ("Julian de Wit & Daniel Hammack", 0.4012),
    ("Aidence", 0.4013),
    ("qfpxfd", 0.4018),
)
"""Table I's third block: systems of which the loss is all that is known."""

TABLE_2 = (
    Method("Feature combining", "C", FEATURE_COMBINING),
    Method("MaxP", "C", MAX_P),
    Method("Noisy-or", "C", NOISY_OR),
    Method("Leaky noisy-or", "C", LEAKY_NOISY_OR, 0.4060),
)


@dataclass(frozen=True)
class CellScores:
    """What a trained network says of N cases.

    Parameters
    ----------
    learned, cancer
        (N,) bool: which cases it was trained on (the others were held out), and their labels.
    score
        (N,) within 0..1.
    leak
        The learned Pd of Eq. 5, NaN where the join has none.
    causes, others
        (N,) mean malignancy of the proposals of a case that are known to be what made its label, and of all others;
        NaN where there are none or that is not known.
    """

    ids: tuple[str, ...]
    learned: np.ndarray
    cancer: np.ndarray
    score: np.ndarray
    leak: float
    causes: np.ndarray
    others: np.ndarray


def write_scores(path: Path, cell: CellScores) -> None:
    """As a table of `SCORE_COLUMNS`, whole or not at all."""
    rows = zip(cell.ids, cell.learned, cell.cancer, cell.score, cell.causes, cell.others, strict=True)
    leak = _cell(cell.leak)
    write_table(
        path,
        SCORE_COLUMNS,
        [
            (name, LEARNED if learned else HELD_OUT, int(cancer), float(score), leak, _cell(cause), _cell(other))
            for name, learned, cancer, score, cause, other in rows
        ],
    )


def read_scores(path: Path) -> CellScores:
    """What `write_scores` wrote.

    Raises
    ------
    UsageError
        Where the table is damaged.
    """
    table = read_table(path, SCORE_COLUMNS)
    numbers = {name: table.numbers(name, empty_allowed=True) for name in SCORE_COLUMNS[4:]}
    return CellScores(
        tuple(table.texts("id")),
        np.array(table.texts("part")) == LEARNED,
        table.numbers("cancer") == 1,
        table.numbers("score"),
        float(numbers["leak"][0]),
        numbers["malignancy_of_causes"],
        numbers["malignancy_of_others"],
    )


@dataclass(frozen=True)
class Figure:
    """One figure of a method: the mean over its seeds, a 95 % interval, and the standard deviation between seeds."""

    data: str
    method: Method
    part: str
    name: str
    value: float
    low: float
    high: float
    sd: float


class _Bootstrap:
    """Draws seeds, and for each of them cases; equal lists of cases are drawn alike, whatever the seed and method."""

    def __init__(self, rng: np.random.Generator, samples: int) -> None:
        self._rng, self.samples = rng, samples
        self._cases: dict[tuple[str, ...], np.ndarray] = {}
        self._seeds: dict[int, np.ndarray] = {}

    def cases(self, ids: tuple[str, ...]) -> np.ndarray:
        """(B, N) how often each case is in each sample."""
        if ids not in self._cases:
            self._cases[ids] = resample(self._rng, len(ids), self.samples)
        return self._cases[ids]

    def over_seeds(self, of_seeds: Seeds) -> tuple[float, float, float, float]:
        """Mean, interval and standard deviation of a figure's value and samples (B,) of each seed."""
        values, samples = np.array([value for value, _ in of_seeds]), np.stack([drawn for _, drawn in of_seeds], axis=1)
        known = ~np.isnan(values)
        if not known.any():
            return (math.nan,) * 4
        values, samples = values[known], samples[:, known]
        number = len(values)
        if number not in self._seeds:
            self._seeds[number] = resample(self._rng, number, self.samples)
        low, high = interval((self._seeds[number] * samples).sum(axis=1) / number)
        return float(values.mean()), float(low), float(high), float(values.std(ddof=1)) if number > 1 else math.nan


def study_figures(
    cells: Mapping[tuple[str, Method], Sequence[CellScores]],
    reference: Method,
    rng: np.random.Generator,
    samples: int = 1000,
) -> list[Figure]:
    """Figures of every method on every kind of data, in the order of the cells.

    Intervals are percentiles 2.5 and 97.5 over bootstrap samples of the seeds and, within each, of its cases; the
    differences to the reference are resampled in pairs.

    Parameters
    ----------
    cells
        By data and method, one of each seed, the seeds of all in the same order.
    """
    bootstrap = _Bootstrap(rng, samples)
    held_out = {key: [_of_part(cell, False, bootstrap) for cell in of_seeds] for key, of_seeds in cells.items()}
    found = []
    for (data, method), of_seeds in cells.items():
        figures: list[tuple[str, str, Seeds]] = []
        learned = [_of_part(cell, True, bootstrap) for cell in of_seeds]
        for part, of_part in ((HELD_OUT, held_out[data, method]), (LEARNED, learned)):
            figures += [(part, name, [one[name] for one in of_part]) for name in (LOSS, ACCURACY, AUC)]
        own, base = ([one[LOSS] for one in held_out[data, which]] for which in (method, reference))
        figures.append((HELD_OUT, DIFFERENCE, [(a - b, c - d) for (a, c), (b, d) in zip(own, base, strict=True)]))
        for name, values in (
            (LEAK, [cell.leak for cell in of_seeds]),
            (CAUSES, [_mean(cell.causes[~cell.learned]) for cell in of_seeds]),
            (OTHERS, [_mean(cell.others[~cell.learned]) for cell in of_seeds]),
        ):
            figures.append((HELD_OUT, name, [(value, np.full(samples, value)) for value in values]))
        found += [Figure(data, method, part, name, *bootstrap.over_seeds(seeds)) for part, name, seeds in figures]
    return found


def _of_part(cell: CellScores, learned: bool, bootstrap: _Bootstrap) -> dict[str, tuple[float, np.ndarray]]:
    """Of the cases that were learned from, or of the others: each figure's value and bootstrap samples (B,)."""
    chosen = cell.learned == learned
    cancer, score = cell.cancer[chosen], cell.score[chosen]
    times = bootstrap.cases(tuple(np.array(cell.ids)[chosen]))
    once = np.ones((1, len(cancer)), dtype=int)
    losses, right = case_losses(score, cancer), (score > 0.5) == cancer
    return {
        LOSS: (float(losses.mean()), resampled_mean(losses, times)),
        ACCURACY: (float(right.mean()), resampled_mean(right, times)),
        AUC: (float(resampled_auc(score, cancer, once)[0]), resampled_auc(score, cancer, times)),
    }


def _mean(values: np.ndarray) -> float:
    """The mean of those that are numbers, NaN where none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def write_figures(path: Path, figures: Sequence[Figure]) -> None:
    """All figures as CSV; what is not known is empty. The paper's losses stand in the part "paper's test set"."""
    rows: list[Sequence[object]] = []
    for f in figures:
        numbers = (None if math.isnan(x) else f"{x:.10g}" for x in (f.value, f.low, f.high, f.sd))
        rows.append((f.data, f.method.name, f.method.scheme, f.method.join, f.part, f.name, *numbers))
    for method in dict.fromkeys(f.method for f in figures):
        if method.published is not None:
            known = (method.name, method.scheme, method.join, "paper's test set", LOSS, method.published)
            rows.append(("Data Science Bowl 2017", *known, None, None, None))
    write_table(path, _TABLE_COLUMNS, rows)


def study_markdown(
    title: str,
    figures: Sequence[Figure],
    others: Sequence[tuple[str, float]] = (),
    remarks: Sequence[str] = (),
) -> str:
    """One table for each kind of data, laid out like the paper's with its figures in the last column."""
    head = ("method", "loss", "minus reference", ACCURACY, AUC, "training loss", f"training {AUC}", "paper's loss")
    known = {f.name for f in figures if not math.isnan(f.value)}
    extra = [name for name in (LEAK, CAUSES, OTHERS) if name in known]
    columns = (*head[:-1], *extra, head[-1])
    lines = [f"# {title}", ""]
    for data in dict.fromkeys(f.data for f in figures):
        lines += [f"## {data}", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        for method in dict.fromkeys(f.method for f in figures if f.data == data):
            of = {(f.part, f.name): f for f in figures if f.data == data and f.method == method}
            wanted = [(HELD_OUT, name) for name in (LOSS, DIFFERENCE, ACCURACY, AUC)]
            wanted += [(LEARNED, LOSS), (LEARNED, AUC), *((HELD_OUT, name) for name in extra)]
            published = "not available" if method.published is None else f"{method.published:.4f}"
            lines.append(f"| {' | '.join([method.name, *(_text(of[key]) for key in wanted), published])} |")
        empty = " | ".join([""] * (len(columns) - 2))
        lines += [*(f"| {name} | {empty} | {loss:.4f} |" for name, loss in others), ""]
    return "\n".join([*lines, *(f"- {remark}" for remark in remarks), ""])


def _text(figure: Figure) -> str:
    if math.isnan(figure.value):
        return ""
    return f"{figure.value:.4f} ({figure.low:.4f} to {figure.high:.4f})"


def _cell(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def save_study_figure(title: str, figures: Sequence[Figure], path: Path) -> None:
    """Held-out losses with their intervals, method by method, and the paper's own beside where it gives several.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    """
    methods = list(dict.fromkeys(f.method for f in figures))
    kinds = list(dict.fromkeys(f.data for f in figures))
    published = [method.published for method in methods]
    with_paper = sum(value is not None for value in published) > 1
    height, width = 2.0 + 0.45 * len(methods), 3.8 * (1 + with_paper) + 3
    places = np.arange(len(methods))[::-1]
    with figure_file(path, 1, 1 + with_paper, figsize=(width, height), sharey=True, squeeze=False) as axes:
        ours = axes[0, 0]
        for number, data in enumerate(kinds):
            losses = [f for f in figures if (f.data, f.part, f.name) == (data, HELD_OUT, LOSS)]
            values = np.array([f.value for f in losses])
            spans = np.stack([values - [f.low for f in losses], [f.high for f in losses] - values]).clip(0)
            aside = (len(kinds) - 1 - 2 * number) * 0.11
            colour = _COLOURS[number % len(_COLOURS)]
            ours.errorbar(values, places + aside, xerr=spans, fmt="o", color=colour, capsize=3, label=data)
            for value, place in zip(values, places + aside, strict=True):
                if value > _LARGEST_LOSS:
                    ours.text(_LARGEST_LOSS, place, f"{value:.4f} →", ha="right", va="bottom", color=colour)
        ours.set(yticks=places, yticklabels=[method.name for method in methods])
        ours.set_xlabel("log-loss on held-out cases, 95 % intervals")
        ours.margins(y=0.1)
        ours.set_xlim(right=min(ours.get_xlim()[1], 1.02 * _LARGEST_LOSS))
        ours.legend(title=title, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(kinds), fontsize=8)
        if with_paper:
            axes[0, 1].plot([math.nan if v is None else v for v in published], places, "D", color=_COLOURS[-1])
            axes[0, 1].set(title="As printed in the paper", xlabel="log-loss on its test set", xlim=(0.395, 0.425))
            for value, place in zip(published, places, strict=True):
                if value is not None and value > 0.425:
                    axes[0, 1].text(0.4245, place, f"{value:.4f} →", ha="right", va="center", color=_COLOURS[-1])
        for ax in axes.flat:
            ax.grid(alpha=0.3)
