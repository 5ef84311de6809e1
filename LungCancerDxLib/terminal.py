"""What the command line shows: progress while it works, the case when it is done."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from .case import CaseResult, Nodule
from .progress import Progress, silent

RESEARCH_USE_ONLY = "Research use only. Not for diagnosis."


def make_progress(kind: str) -> Progress:
    """A progress of the kind "bar" (on stderr), "json" (a line of JSON per report on stdout) or "none"."""
    if kind == "bar":
        return _Bar()
    return _JsonLines(sys.stdout) if kind == "json" else silent


class _Bar:
    """A bar with the stage and the time left."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None

    def __call__(self, stage: str, fraction: float) -> None:
        if self._bar is None:
            self._bar = tqdm(total=1.0, bar_format="{desc:<22} {percentage:3.0f} % |{bar}| {remaining} left")
        self._bar.set_description_str(stage, refresh=False)
        self._bar.update(max(fraction - self._bar.n, 0))
        self._bar.refresh()
        if fraction >= 1:
            self._bar.close()


class _JsonLines:
    """One JSON object a line: stage, fraction (never falls), seconds_left (null until it can be told)."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._start = time.monotonic()
        self._reached = 0.0

    def __call__(self, stage: str, fraction: float) -> None:
        fraction = self._reached = max(fraction, self._reached)
        elapsed = time.monotonic() - self._start
        left = round(elapsed * (1 - fraction) / fraction, 1) if fraction > 0 else None
        report = {"stage": stage, "fraction": round(fraction, 4), "seconds_left": left}
        print(json.dumps(report), file=self._stream, flush=True)


def summary(result: CaseResult, folder: Path, remarks: Sequence[str] = ()) -> str:
    """The case in words and a table; `remarks` are on the files, not on the case."""
    case = result.case
    lines = [""]
    if result.model["outcome"] == "none":
        lines.append("NO TRAINED MODEL: scores mean nothing. They only show that everything runs.")
    lines += [f"Case score {case.score:.3f}  ({case.score_name})", result.model_words]
    lungs = result.lungs
    lines.append(f"Lungs: left {lungs['left_volume_ml']:.0f} mL, right {lungs['right_volume_ml']:.0f} mL")
    if result.nodules:
        lines.append("")
        lines.append("rank  centre L, P, S (mm)         diameter  confidence  malignancy  share  counts")
        lines += [_row(nodule) for nodule in result.nodules]
    else:
        lines.append("No nodules were found.")
    others = [("leak", case.leak_share), (f"{case.blank_count} blanks", case.blank_share)]
    lines += [f"      share of the {name}: {share:.1%}" for name, share in others if share is not None]
    lines.append("")
    lines += [f"Warning: {warning}" for warning in result.warnings]
    lines += remarks
    seconds = ", ".join(f"{stage} {value:.1f}" for stage, value in result.timing_s.items())
    lines.append(f"Results in {folder}  (seconds: {seconds})")
    lines.append(RESEARCH_USE_ONLY)
    return "\n".join(lines)


def _row(nodule: Nodule) -> str:
    x, y, z = nodule.center_lps_mm
    place = f"{x:8.1f} {y:8.1f} {z:8.1f}"
    diameter = _figure(nodule.diameter_mm, "5.1f", " mm")
    share = "" if nodule.contribution is None else f"{nodule.contribution:.1%}"
    return (
        f"{nodule.rank:>4}  {place}   {diameter:>8}  {_figure(nodule.confidence, '.3f'):>10}  "
        f"{_figure(nodule.malignancy, '.3f'):>10}  {share:>5}  {'yes' if nodule.scored else nodule.source}"
    )


def _figure(value: float | None, form: str, unit: str = "") -> str:
    return "-" if value is None else format(value, form) + unit
