"""Chosen cases side by side, each with its scored nodules (the paper's Fig. 9).

    python -m Testing.Benchmarks.case_panels CASE_FOLDER... --out FILE [--labels CSV]

The case folders are those of `lungcancerdx score` or `cohort`; labels have the columns id,cancer, and the id is the
name of a case's folder.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from LungCancerDxLib.case import CaseResult
from LungCancerDxLib.errors import LungCancerDxError, UsageError
from LungCancerDxLib.io import read_ct
from LungCancerDxLib.io.result_folder import CASE_FILE
from LungCancerDxLib.io.tables import read_labels
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
        beside = figure.add_subplot(grid[row, 0])
        beside.text(0, 0.97, _description(case), color=TEXT, fontsize=11, va="top", linespacing=1.5, wrap=True)
        beside.set_axis_off()
        _draw_nodules([figure.add_subplot(grid[row, column + 1]) for column in range(columns)], case, read)
    figure.savefig(path, dpi=70, facecolor=BACKGROUND)
    plot.close(figure)


def _description(case: PanelCase) -> str:
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
    for column, axes in enumerate(row):
        axes.set_axis_off()
        title = ""
        if volume is not None and column < len(nodules):
            nodule = nodules[column]
            draw_plane(axes, volume, None, nodule, PLANES["axial"])
            title = f"nodule {nodule.rank}: {_figure(nodule.malignancy)}"
        elif column < len(nodules) + blanks:
            axes.imshow([[0.4]], cmap="gray", vmin=0, vmax=1)
            title = f"blank: {_figure(case.result.case.blank_malignancy)}"
        axes.set_title(title, color=TEXT, fontsize=11, pad=3)


def _figure(malignancy: float | None) -> str:
    return "-" if malignancy is None else f"{malignancy:.3f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw result folders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", metavar="CASE_FOLDER", type=Path, nargs="+")
    parser.add_argument("--labels", metavar="CSV", type=Path)
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="a .png, .pdf or .svg file")
    parsed = parser.parse_args(arguments)
    try:
        labels = read_labels(parsed.labels, "cancer", "label") if parsed.labels is not None else None
        draw_case_panels([panel_case(folder, labels) for folder in parsed.cases], read_ct, parsed.out)
    except LungCancerDxError as error:
        sys.exit(str(error))
    print(f"Figure in {parsed.out}")


def panel_case(folder: Path, labels: dict[str, bool] | None) -> PanelCase:
    """The case of a result folder.

    Raises
    ------
    UsageError
        Where it holds no readable case, its CT has gone, or the labels lack it.
    """
    try:
        result = CaseResult.from_json((folder / CASE_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, LungCancerDxError) as error:
        raise UsageError(f"{folder} holds no readable {CASE_FILE} ({error}).") from error
    ct = result.input.get("path")
    if not ct or not Path(ct).exists():
        raise UsageError(f"The CT of {folder} is not where {CASE_FILE} says it is ({ct}). Put it back there.")
    name = folder.resolve().name
    if labels is not None and name not in labels:
        raise UsageError(f"The labels have no case {name}; the id is the name of the case's folder.")
    return PanelCase(name, result, Path(ct), None if labels is None else labels[name])


if __name__ == "__main__":
    main()
