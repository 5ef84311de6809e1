"""The case in the panel: its score with its honest name, what it is made of, the model, the warnings."""

from __future__ import annotations

from typing import Any

import qt

from ..case import CaseResult
from .chart import draw_legend, draw_shares

RESEARCH_USE_ONLY = "Research use only. Not for diagnosis."
_BAR_STEPS = 1000
_SHARES_PIXELS, _LEGEND_PIXELS = 380, 200


class ResultView:
    """Writes a case into the panel's result widgets."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._shown = True
        ui.scoreBar.setRange(0, _BAR_STEPS)
        ui.researchLabel.text = RESEARCH_USE_ONLY
        ui.legendLabel.setPixmap(draw_legend(_LEGEND_PIXELS, self._text_colour()))

    def show(self, result: CaseResult | None, by_model: CaseResult | None) -> None:
        """Show a case, or that there is none.

        Parameters
        ----------
        by_model
            The case as the model itself counted, where the user has overruled it.
        """
        if self._shown != (result is not None):  # else the user decides
            self._shown = result is not None
            self._ui.resultCollapsibleButton.enabled = self._shown
            self._ui.resultCollapsibleButton.collapsed = not self._shown
        if result is None:
            for label in ("scoreLabel", "scoreNameLabel", "overruledLabel", "modelUsedLabel", "warningsLabel"):
                getattr(self._ui, label).text = ""
            self._ui.scoreBar.value = 0
            self._ui.sharesLabel.clear()
            return
        case = result.case
        self._ui.scoreLabel.text = f"{case.score:.3f}"
        self._ui.scoreNameLabel.text = _capitalised(case.score_name)
        self._ui.scoreBar.value = round(_BAR_STEPS * case.score)
        self._ui.overruledLabel.visible = by_model is not None
        self._ui.overruledLabel.text = "" if by_model is None else overruled_words(result, by_model)
        self._ui.modelUsedLabel.text = result.model_words
        self._ui.warningsLabel.visible = bool(result.warnings)
        self._ui.warningsLabel.text = "\n".join(f"⚠ {warning}" for warning in result.warnings)
        self._ui.sharesLabel.setPixmap(draw_shares(result, _SHARES_PIXELS, self._text_colour()))

    def _text_colour(self) -> qt.QColor:
        return self._ui.sharesLabel.palette.windowText().color()


def overruled_words(result: CaseResult, by_model: CaseResult) -> str:
    """Both values of a case that the user overruled, and what was changed."""
    model, user = ({n.rank for n in each.nodules if n.scored} for each in (by_model, result))
    changes = [
        f"{words} {', '.join(str(rank) for rank in sorted(ranks))}"
        for words, ranks in (("without", model - user), ("with", user - model))
        if ranks
    ]
    return f"You overruled: {' and '.join(changes)}. The model's own score: {by_model.case.score:.3f}"


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
