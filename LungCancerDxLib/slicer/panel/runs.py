"""The panel's runs: what they need is installed, they go on beside the window, and their state is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer.util

from ...errors import LungCancerDxError
from ...names import capitalised
from .background import OneRun, Work
from .command import Report
from .dependencies import ensure_dependencies

_BAR_STEPS = 1000
_DETECT = "Find the nodules of this CT and score them and the case."


class Runs:
    """Starts runs, one at a time, and tells of them.

    Parameters
    ----------
    requirements_file
        What has to be installed before the first run.
    on_change
        Called where something has changed that buttons depend on.
    on_end
        Called once a run is over, before its message is shown.

    Attributes
    ----------
    is_showing
        Whether a result is being put into the scene, which is done to its end: a case without some outlines is none.
    done
        What is said once the run is over, where all went well.
    """

    def __init__(
        self, ui: Any, requirements_file: str, on_change: Callable[[], None], on_end: Callable[[], None]
    ) -> None:
        self._view = RunView(ui)
        self._run = OneRun(self._view.progress)
        self._requirements_file = requirements_file
        self._on_change, self._on_end = on_change, on_end
        self._installing = self.is_showing = False
        self.done = ""
        self.say = self._view.say

    @property
    def running(self) -> bool:
        return self._run.running

    def why_busy(self) -> str:
        """Why nothing else can be started; empty where it can."""
        if self.running:
            return "A run is in progress."
        return "Packages are being installed." if self._installing else ""

    def begin(
        self,
        message: str,
        work: Callable[[], Work],
        why_not: Callable[[], str],
        ensure: Callable[[str], None] = ensure_dependencies,
    ) -> None:
        """Start a run once all that it needs is installed; the user may do other things while that takes its time."""
        self.done = ""
        try:
            reason = why_not()
            if not reason:
                self._install(ensure)
                reason = why_not()
            if reason:
                self.say(reason)
            else:
                self._view.start(message)
                self._run.start(work(), self._end)
        except LungCancerDxError as error:
            self._end(str(error))
        self._on_change()

    def cancel(self) -> None:
        """Stop what runs, but not in the middle of what it puts into the scene."""
        if self.is_showing:
            self.say("The result is being shown")
        elif self.running:
            self.say("Stopping")
            self._run.cancel()

    def update(self, reason: str) -> None:
        """Tell why nothing can be started; empty where it can."""
        self._view.update(reason, self.running)

    def close(self) -> None:
        """Stop what runs without a word."""
        self.is_showing = False
        self._run.close()
        self._view.start("")

    def _install(self, ensure: Callable[[str], None]) -> None:
        self._installing = True
        self._on_change()
        try:
            ensure(self._requirements_file)
        finally:
            self._installing = False

    def _end(self, message: str) -> None:
        self.is_showing = False
        self._view.start(message or self.done)
        self._on_end()
        if message:
            slicer.util.errorDisplay(message, windowTitle="LungCancerDx")


class RunView:
    """Writes into the panel's widgets about runs."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._message = self._reason = ""
        ui.progressBar.setRange(0, _BAR_STEPS)

    def say(self, message: str) -> None:
        """Say something in one line."""
        self._message = message.splitlines()[0] if message else ""
        self._show_status()

    def start(self, message: str) -> None:
        """From the beginning."""
        self._ui.progressBar.value = 0
        self.say(message)

    def progress(self, report: Report) -> None:
        """How far a run has come."""
        self._ui.progressBar.value = round(_BAR_STEPS * report.fraction)
        left = "" if report.seconds_left is None else f", about {_duration(report.seconds_left)} left"
        self.say(f"{capitalised(report.stage)}{left}")

    def update(self, reason: str, running: bool) -> None:
        """Which buttons are on.

        Parameters
        ----------
        reason
            Why nothing can be started; empty where it can. It is said where nothing else is, and when it comes up.
        """
        if reason and not self._reason and not running:
            self._message = ""
        self._reason = reason
        self._ui.detectButton.enabled = not reason
        self._ui.detectButton.toolTip = reason or _DETECT
        self._ui.cancelButton.enabled = running
        self._ui.runRow.visible = running
        self._show_status()

    def _show_status(self) -> None:
        text = self._message or self._reason
        self._ui.statusLabel.text = text
        self._ui.statusLabel.visible = bool(text)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes >= 2 else f"{round(seconds)} s"
