"""The case in the panel: its score with its honest name, its warnings, what the score is made of."""

from __future__ import annotations

from typing import Any

import qt
import slicer.util

from ...case import CaseResult
from ...names import OUTCOME_REMARKS, RESEARCH_USE_ONLY, capitalised
from ..scene.nodules import malignancy_colour

_SHARES_PIXELS, _LEGEND_PIXELS = 380, 200
_ROW_PIXELS, _NAME_PIXELS, _FIGURE_PIXELS = 20, 84, 52
_GREY = (0.55, 0.57, 0.6)
_WARNING_CHARACTERS = 56


class ResultView:
    """Writes a case into the panel's result widgets."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._result: CaseResult | None = None
        self._shown = True
        ui.researchLabel.text = RESEARCH_USE_ONLY
        ui.legendLabel.setPixmap(draw_legend(_LEGEND_PIXELS, self._text_colour()))
        ui.infoButton.clicked.connect(self._show_model)
        ui.warningsButton.toggled.connect(self._show_warnings)

    def show(self, result: CaseResult | None) -> None:
        """Show a case, or that there is none."""
        self._result = result
        if self._shown != (result is not None):  # else the user decides
            self._shown = result is not None
            for section in (self._ui.resultCollapsibleButton, self._ui.sharesCollapsibleButton):
                section.enabled = self._shown
                section.collapsed = not self._shown
        if result is None:
            for label in ("scoreLabel", "scoreNameLabel", "overruledLabel", "warningsLabel"):
                getattr(self._ui, label).text = ""
            self._ui.sharesLabel.clear()
            return
        self._ui.scoreLabel.text = f"{result.case.score:.2f}"
        remark = OUTCOME_REMARKS[result.model["outcome"]]
        self._ui.scoreNameLabel.text = f"{capitalised(result.score_label)}. {remark}"
        self._ui.overruledLabel.text = result.overruling
        self._ui.overruledLabel.visible = bool(result.overruling)
        self._ui.infoButton.toolTip = result.model_description
        self._ui.sharesLabel.setPixmap(draw_shares(result, _SHARES_PIXELS, self._text_colour()))
        self._ui.sharesLabel.toolTip = result.joining
        self._show_warnings()

    def _show_model(self, *_clicked: object) -> None:
        if self._result is not None:
            slicer.util.infoDisplay(self._result.model_description, windowTitle="LungCancerDx")

    def _show_warnings(self, *_toggled: object) -> None:
        """In full where the user wants to see more, else in one line."""
        warnings = self._result.warnings if self._result is not None else ()
        short = shortened(warnings)
        self._ui.warningsRow.visible = bool(warnings)
        self._ui.warningsButton.visible = short != "".join(warnings)
        in_full = self._ui.warningsButton.checked
        self._ui.warningsLabel.text = "\n".join(f"⚠ {warning}" for warning in (warnings if in_full else [short]))

    def _text_colour(self) -> qt.QColor:
        colour: qt.QColor = self._ui.sharesLabel.palette.windowText().color()
        return colour


def shortened(warnings: tuple[str, ...]) -> str:
    """The first warning, as far as it fits into a line, and how many there are."""
    first = warnings[0] if warnings else ""
    if len(first) > _WARNING_CHARACTERS:
        first = first[:_WARNING_CHARACTERS].rpartition(" ")[0] + " …"
    return first if len(warnings) < 2 else f"{len(warnings)} warnings: {first}"


def shares(result: CaseResult) -> list[tuple[str, float, tuple[float, float, float]]]:
    """Name, share and colour of each part of the evidence, the nodules first; empty where the join has no shares."""
    parts = [
        (f"Nodule {nodule.rank}", nodule.contribution, malignancy_colour(nodule.malignancy))
        for nodule in result.nodules
        if nodule.contribution is not None
    ]
    if result.case.blank_share is not None:
        parts.append((f"{result.case.blank_count} blanks", result.case.blank_share, _GREY))
    if result.case.leak_share is not None:
        parts.append(("Leak", result.case.leak_share, _GREY))
    return parts


def draw_shares(result: CaseResult, width: int, text_colour: qt.QColor) -> qt.QPixmap:
    """The chart; an empty picture where there is nothing to show."""
    parts = shares(result)
    picture = qt.QPixmap(width, max(_ROW_PIXELS * len(parts), 1))
    picture.fill(qt.QColor(0, 0, 0, 0))
    painter = qt.QPainter(picture)
    longest = width - _NAME_PIXELS - _FIGURE_PIXELS
    for row, (name, share, colour) in enumerate(parts):
        top = row * _ROW_PIXELS
        length = max(round(longest * share), 1)
        painter.fillRect(_NAME_PIXELS, top + 4, length, _ROW_PIXELS - 8, _colour(colour))
        painter.setPen(text_colour)
        painter.drawText(0, top + _ROW_PIXELS - 6, name)
        painter.drawText(_NAME_PIXELS + length + 6, top + _ROW_PIXELS - 6, f"{100 * share:.0f} %")
    painter.end()
    return picture


def draw_legend(width: int, text_colour: qt.QColor) -> qt.QPixmap:
    """The colours of malignancy from 0 to 1."""
    picture = qt.QPixmap(width, 2 * _ROW_PIXELS)
    picture.fill(qt.QColor(0, 0, 0, 0))
    painter = qt.QPainter(picture)
    for x in range(width):
        painter.fillRect(x, 2, 1, _ROW_PIXELS - 6, _colour(malignancy_colour(x / (width - 1))))
    painter.setPen(text_colour)
    for value in (0.0, 0.5, 1.0):
        painter.drawText(min(round(value * width), width - 22), 2 * _ROW_PIXELS - 8, f"{value:.1f}")
    painter.end()
    return picture


def _colour(rgb: tuple[float, float, float]) -> qt.QColor:
    red, green, blue = (round(255 * value) for value in rgb)
    return qt.QColor(red, green, blue)
