"""Downloading the published weights in the background."""

from __future__ import annotations

from collections.abc import Callable

from .background import Outcome
from .command import fetch_arguments
from .model_choice import PUBLISHED
from .one_run import OneRun
from .reports import Report


class Fetching:
    """Fetches the published weights.

    Parameters
    ----------
    on_progress
        Called with each report of the download.
    on_end
        Called with the name of the new model, None where there is none, and words for the user where it failed.
    """

    def __init__(self, on_progress: Callable[[Report], None], on_end: Callable[[str | None, str], None]) -> None:
        self.run = OneRun(on_progress)
        self._on_end = on_end

    def start(self) -> None:
        """Begin the download; one that was cut off goes on where it was."""
        self.run.start(fetch_arguments(None), self._end)

    def _end(self, outcome: Outcome) -> None:
        self._on_end(PUBLISHED if outcome.kind == "done" else None, outcome.words)
