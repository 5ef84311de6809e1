"""What the panel says of runs: the button that starts one and why it is off, the progress, a line of words."""

from __future__ import annotations

from typing import Any

from .reports import Report

_BAR_STEPS = 1000
_DETECT = "Find the nodules of this CT and score them and the case."


class RunView:
    """Writes into the panel's widgets about runs."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        ui.progressBar.setRange(0, _BAR_STEPS)

    def say(self, words: str) -> None:
        """Say something in one line."""
        self._ui.statusLabel.text = words.splitlines()[0] if words else ""

    def start(self, words: str) -> None:
        """From the beginning."""
        self._ui.progressBar.value = 0
        self.say(words)

    def progress(self, report: Report) -> None:
        """How far a run has come."""
        self._ui.progressBar.value = round(_BAR_STEPS * report.fraction)
        left = "" if report.seconds_left is None else f", about {_duration(report.seconds_left)} left"
        self.say(f"{report.stage[:1].upper()}{report.stage[1:]}{left}")

    def update(self, reason: str, running: bool) -> None:
        """Which buttons are on.

        Parameters
        ----------
        reason
            Why nothing can be started; empty where it can.
        """
        self._ui.detectButton.enabled = not reason
        self._ui.detectButton.toolTip = reason or _DETECT
        self._ui.cancelButton.enabled = running
        self._ui.runRow.visible = running


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes >= 2 else f"{round(seconds)} s"
