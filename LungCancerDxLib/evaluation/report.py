"""Figures of an evaluation with their bootstrap intervals, as tables: CSV for programs, Markdown for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..io.tables import write_table


def resample(rng: np.random.Generator, number: int, samples: int) -> np.ndarray:
    """(samples, number) int: how often each of `number` scans or cases is in each sample of as many."""
    return rng.multinomial(number, np.full(number, 1 / number), size=samples)


def interval(figures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 2.5th and 97.5th percentile over samples (B, ...), without the samples in which the figure is NaN."""
    low, high = np.nanpercentile(figures, [2.5, 97.5], axis=0)
    return low, high


@dataclass(frozen=True)
class Row:
    """One figure with its 95 % bootstrap interval (NaN where there is none) and what it rests on."""

    name: str
    value: float
    low: float
    high: float
    basis: str


def row(name: str, value: float, basis: str, samples: np.ndarray | None = None) -> Row:
    """A row, with the interval of its bootstrap samples (B,) where there are any."""
    low, high = (math.nan, math.nan) if samples is None or np.isnan(samples).all() else map(float, interval(samples))
    return Row(name, float(value), low, high, basis)


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """The rows as CSV; an interval that is not there is empty."""
    cells = [
        [r.name, *(None if math.isnan(x) else f"{x:.10g}" for x in (r.value, r.low, r.high)), r.basis] for r in rows
    ]
    write_table(path, ("figure", "value", "low_95", "high_95", "rests_on"), cells)


def markdown(title: str, rows: Sequence[Row], remarks: Sequence[str]) -> str:
    """A small report: title, table of the figures in four decimals, one line a remark."""
    lines = [f"# {title}", "", "| figure | value | 95 % interval | rests on |", "|---|---|---|---|"]
    for r in rows:
        span = "" if math.isnan(r.low) else f"{r.low:.4f} to {r.high:.4f}"
        lines.append(f"| {r.name} | {r.value:.4f} | {span} | {r.basis} |")
    return "\n".join([*lines, "", *(f"- {remark}" for remark in remarks), ""])
