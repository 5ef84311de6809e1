"""Questions about a CT in the scene, answered by a background run: one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import slicer

from ...case import CaseResult
from ...errors import LungCancerDxError
from ...io.result_folder import read_result
from ...options import ScoreOptions
from ..scene import check_linear
from .background import BackgroundRun, Outcome
from .command import Report, fetch_arguments, score_arguments
from .models import PUBLISHED
from .parameters import Parameters
from .request import ScoringRequest, Workspace, write_points


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


_NOT_SHOWN = "The result could not be shown; the Python console says why."


class Scoring:
    """Scores CTs in the background.

    Parameters
    ----------
    on_progress
        Called with each report of the run.
    on_answer
        Called with the question and its case, label maps included; what it raises ends the run in words.
    on_end
        Called after each run, answered or not, with words for the user; empty where all is well or the user cancelled.
    """

    def __init__(
        self,
        on_progress: Callable[[Report], None],
        on_answer: Callable[[ScoringRequest, CaseResult], None],
        on_end: Callable[[str], None],
    ) -> None:
        self.run = OneRun(on_progress)
        self._on_answer = on_answer
        self._on_end = on_end
        self._workspace = Workspace(slicer.app.temporaryPath)

    def ask(self, question: ScoringRequest, parameters: Parameters) -> None:
        """Start a run.

        Raises
        ------
        LungCancerDxError
            Where the CT cannot be handed over.
        """
        check_linear(question.ct_node)
        try:
            files = self._workspace.files_of(question.ct_node)
            if question.points_lps_mm:
                write_points(question.points_lps_mm, files.points)
        except OSError as error:
            raise LungCancerDxError(f"The CT could not be written for the background run: {error}") from error
        options = ScoreOptions(
            cache=files.cache,
            model=question.model or None,
            device=parameters.device,
            precision=question.precision,
            max_memory_gb=parameters.maxMemoryGb or None,
            points=files.points if question.points_lps_mm else None,
            classify=question.classify,
        )

        def end(outcome: Outcome) -> None:
            words = _NOT_SHOWN
            try:
                words = self._answer(question, files.result, outcome)
            finally:
                self._on_end(words)

        self.run.start(score_arguments(files.ct, files.result, options), end)

    def close(self) -> None:
        """Stop the run and remove all files."""
        self.run.close()
        self._workspace.clear()

    def _answer(self, question: ScoringRequest, folder: Path, outcome: Outcome) -> str:
        """Hand over what a run found; words where it found nothing."""
        if outcome.kind != "done":
            return outcome.words
        try:
            result = read_result(folder)
            self._on_answer(question, replace(result, input={**result.input, "path": _origin(question.ct_node)}))
        except LungCancerDxError as error:
            return str(error)
        return ""


def _origin(ct_node: slicer.vtkMRMLScalarVolumeNode) -> str:
    """Where a CT came from: its file, or its name in the scene."""
    storage = ct_node.GetStorageNode()
    return (storage.GetFileName() if storage is not None else None) or ct_node.GetName()


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
