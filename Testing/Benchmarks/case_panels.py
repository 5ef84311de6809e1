"""Chosen cases side by side, each with its scored nodules (the paper's Fig. 9)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from LungCancerDxLib.case import CaseResult
from LungCancerDxLib.report.overview import BACKGROUND, PLANES, TEXT, draw_plane
from LungCancerDxLib.report.plotting import pyplot
from LungCancerDxLib.volume import CTVolume

_ROW_IN, _COLUMN_IN, _BESIDE_IN, _ABOVE_IN = 2.75, 2.45, 3.1, 0.75  # inches on paper
_GROUPS = {
    (True, True): "true positive",
    (True, False): "false negative",
    (False, True): "false positive",
    (False, False): "true negative",
}


@dataclass(frozen=True)
class PanelCase:
    """A case to draw: its name, its result, where its CT is, and its label where that is known."""

    name: str
    result: CaseResult
    ct: Path
    cancer: bool | None = None

    @property
    def group(self) -> str:
        """True or false positive or negative at 0.5; empty where the label is not known."""
        return "" if self.cancer is None else _GROUPS[self.cancer, self.result.case.score > 0.5]


def draw_case_panels(cases: Sequence[PanelCase], read: Callable[[Path], CTVolume], path: Path) -> None:
    """A row per case: its name, score and group, and an axial square of 60 mm around every nodule that counts, the most
    malignant first, with its malignancy. Blanks that count are shown as blank squares, as in the paper.

    Cases with a label come in the paper's order: true positives, false negatives, false positives, true negatives.
    Scans are read one at a time. Slices are seen from the feet, the patient's right on the left.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    CTReadError
        See `read`.
    """
    plot = pyplot()
    order = [*_GROUPS.values(), ""]
    cases = sorted(cases, key=lambda case: order.index(case.group))
    columns = max(2, *(case.result.case.scored_nodules + case.result.case.blank_count for case in cases))
    width, height = _BESIDE_IN + _COLUMN_IN * columns, _ABOVE_IN + _ROW_IN * len(cases)
    figure = plot.figure(figsize=(width, height), facecolor=BACKGROUND)
    figure.text(
        0.15 / width,
        1 - 0.15 / height,
        "Scored nodules and their malignancy   |   Research use only. Not for diagnosis.",
        color=TEXT,
        fontsize=13,
        va="top",
    )
    grid = figure.add_gridspec(
        len(cases),
        columns + 1,
        width_ratios=(_BESIDE_IN, *[_COLUMN_IN] * columns),
        top=1 - _ABOVE_IN / height,
        bottom=0.1 / height,
        left=0.15 / width,
        right=1 - 0.15 / width,
        wspace=0.04,
        hspace=0.16,
    )
    for row, case in enumerate(cases):
        words = figure.add_subplot(grid[row, 0])
        words.text(0, 0.97, _words(case), color=TEXT, fontsize=11, va="top", linespacing=1.5, wrap=True)
        words.set_axis_off()
        _draw_nodules([figure.add_subplot(grid[row, column + 1]) for column in range(columns)], case, read)
    figure.savefig(path, dpi=70, facecolor=BACKGROUND)
    plot.close(figure)


def _words(case: PanelCase) -> str:
    scored = case.result.case
    lines = [case.name, f"case: {scored.score:.3f}", *scored.score_name.replace(" (", "\n(").split("\n")]
    if case.cancer is not None:
        lines += [f"label: {'cancer' if case.cancer else 'healthy'}", f"{case.group} at 0.5"]
    if not scored.scored_nodules:
        lines.append("no nodule that counts")
    return "\n".join(lines)


def _draw_nodules(row: Sequence[Any], case: PanelCase, read: Callable[[Path], CTVolume]) -> None:
    nodules = [nodule for nodule in case.result.nodules if nodule.scored]
    nodules.sort(key=lambda nodule: -(nodule.malignancy or 0.0))
    volume = read(case.ct) if nodules else None
    blanks = case.result.case.blank_count
    for place, axes in enumerate(row):
        axes.set_axis_off()
        title = ""
        if volume is not None and place < len(nodules):
            nodule = nodules[place]
            draw_plane(axes, volume, None, nodule.center_lps_mm, PLANES["axial"])
            title = f"nodule {nodule.rank}: {_figure(nodule.malignancy)}"
        elif place < len(nodules) + blanks:
            axes.imshow([[0.4]], cmap="gray", vmin=0, vmax=1)
            title = f"blank: {_figure(case.result.case.blank_malignancy)}"
        axes.set_title(title, color=TEXT, fontsize=11, pad=3)


def _figure(malignancy: float | None) -> str:
    return "-" if malignancy is None else f"{malignancy:.3f}"
