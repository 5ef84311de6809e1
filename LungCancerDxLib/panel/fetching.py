"""Downloading the published weights in the background."""

from __future__ import annotations

from collections.abc import Callable

from .background import BackgroundRun, Outcome
from .command import fetch_arguments
from .model_choice import PUBLISHED
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
        self._on_progress = on_progress
        self._on_end = on_end
        self._run: BackgroundRun | None = None

    @property
    def running(self) -> bool:
        return self._run is not None

    def start(self) -> None:
        """Begin the download; one that was cut off goes on where it was."""
        self._run = BackgroundRun(fetch_arguments(None), self._on_progress, self._end)
        self._run.start()

    def cancel(self) -> None:
        """Stop the download, if any."""
        if self._run is not None:
            self._run.cancel()

    def close(self) -> None:
        """Stop the download without a word."""
        if self._run is not None:
            self._run.close()
            self._run = None

    def _end(self, outcome: Outcome) -> None:
        self._run = None
        self._on_end(PUBLISHED if outcome.kind == "done" else None, outcome.words)
