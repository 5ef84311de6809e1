"""Background runs, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .background import BackgroundRun, Outcome
from .reports import Report


class OneRun:
    """Holds the run that is in progress, if any.

    Parameters
    ----------
    on_progress
        Called with each report of a run.
    """

    def __init__(self, on_progress: Callable[[Report], None]) -> None:
        self._on_progress = on_progress
        self._run: BackgroundRun | None = None

    @property
    def running(self) -> bool:
        return self._run is not None

    def start(self, arguments: Sequence[str], on_end: Callable[[Outcome], None]) -> None:
        """Start a run; `on_end` is called once it is over, not where it was closed."""

        def end(outcome: Outcome) -> None:
            self._run = None
            on_end(outcome)

        self._run = BackgroundRun(arguments, self._on_progress, end)
        self._run.start()

    def cancel(self) -> None:
        """Stop the run, if any; its end is told."""
        if self._run is not None:
            self._run.cancel()

    def close(self) -> None:
        """Stop the run, if any, without a word."""
        if self._run is not None:
            self._run.close()
            self._run = None
