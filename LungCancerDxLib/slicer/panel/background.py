"""A run of the command line beside the application, which stays usable meanwhile."""

from __future__ import annotations

import signal
import sys
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import qt

from .command import Report, ReportReader, environment_variables, kill_tree, python_executable, signal_group

_GRACE_MS = 800
_KEPT_BYTES = 16384
_DETAIL_LINES = 20


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Parameters
    ----------
    message
        For the user; empty where all is well.
    details
        The last lines of standard error.
    """

    kind: Literal["done", "failed", "cancelled"]
    message: str = ""
    details: str = ""


class BackgroundRun:
    """A run of the command line in a process of its own; started once.

    Parameters
    ----------
    arguments
        Of Python (see `command`).
    on_progress
        Called with each report, until the run is cancelled.
    on_end
        Called exactly once after `start`, but not after `close`.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        on_progress: Callable[[Report], None],
        on_end: Callable[[Outcome], None],
    ) -> None:
        self._arguments = list(arguments)
        self._on_progress = on_progress
        self._on_end = on_end
        self._reader = ReportReader()
        self._errors = b""
        self._running = False
        self._cancelled = False
        self._closed = False
        self._process = qt.QProcess()
        self._process.readyReadStandardOutput.connect(_weakly(self._drain))
        self._process.readyReadStandardError.connect(_weakly(self._drain))
        self._process.finished.connect(_weakly(self._finished))
        self._process.errorOccurred.connect(_weakly(self._error_occurred))
        self._grace = qt.QTimer()
        self._grace.setSingleShot(True)
        self._grace.setInterval(_GRACE_MS)
        self._grace.timeout.connect(_weakly(self._kill))

    @property
    def running(self) -> bool:
        return self._running

    def start(self) -> None:
        """Start the process; the application's event loop does the rest."""
        environment = qt.QProcessEnvironment.systemEnvironment()
        for name, value in environment_variables().items():
            environment.insert(name, value)
        self._process.setProcessEnvironment(environment)
        self._running = True
        self._process.start(python_executable(), self._arguments)

    def cancel(self) -> None:
        """Ask the process to clean up and end; within a second it and all that it started are gone."""
        if self._running and not self._cancelled:
            self._cancelled = True
            self._ask_to_end()
            self._grace.start()

    def close(self) -> None:
        """End the process, if it runs, before this returns; nothing more is reported."""
        self._closed = True
        if not self._running:
            return
        self._grace.stop()
        self._ask_to_end()
        if not self._process.waitForFinished(_GRACE_MS):
            self._kill()
            self._process.waitForFinished(_GRACE_MS)
        self._running = False

    def __del__(self) -> None:
        self.close()

    def _ask_to_end(self) -> None:
        self._process.closeWriteChannel()  # on Windows the only way to ask
        if sys.platform != "win32" and not signal_group(self._reader.process_group, signal.SIGTERM):
            self._process.terminate()

    def _kill(self) -> None:
        process = self._process.processId()
        if process > 0:
            kill_tree(process, self._reader.process_group)

    def _drain(self, *_: object) -> None:
        """Read what has come on both channels, so that the process never waits for us."""
        self._errors = (self._errors + self._process.readAllStandardError().data())[-_KEPT_BYTES:]
        self._hand_on(self._reader.feed(self._process.readAllStandardOutput().data()))

    def _hand_on(self, reports: list[Report]) -> None:
        for report in reports:
            if not (self._cancelled or self._closed):
                self._on_progress(report)

    def _error_occurred(self, *_: object) -> None:
        """Look at the next turn whether `finished` has followed, as after every error but a failed start.

        The error itself is not asked for: PythonQt may take `error` for the signal of that name.
        """
        qt.QTimer.singleShot(0, lambda: self._check_started())

    def _check_started(self) -> None:
        if self._running and self._process.state() == qt.QProcess.NotRunning:
            message = f"The computation could not be started: {python_executable()} cannot be run."
            self._end(Outcome("failed", message))

    def _finished(self, *_: object) -> None:
        self._drain()
        self._hand_on(self._reader.finish())
        if sys.platform != "win32":
            signal_group(self._reader.process_group, signal.SIGKILL)  # what it started and left behind
        self._end(self._outcome())

    def _end(self, outcome: Outcome) -> None:
        if self._running:
            self._running = False
            self._grace.stop()
            # Not within a signal of the process: the listener may drop this run, and the process with it.
            qt.QTimer.singleShot(0, lambda: self._hand_on_end(outcome))

    def _hand_on_end(self, outcome: Outcome) -> None:
        if not self._closed:
            self._on_end(outcome)

    def _outcome(self) -> Outcome:
        lines = [line for line in self._errors.decode(errors="replace").splitlines() if line.strip()]
        details = "\n".join(lines[-_DETAIL_LINES:])
        if self._cancelled:
            return Outcome("cancelled", "", details)
        crashed = self._process.exitStatus() == qt.QProcess.CrashExit
        code = self._process.exitCode()
        if code == 0 and not crashed:
            return Outcome("done", "", details)
        if self._reader.error is not None:
            return Outcome("failed", self._reader.error, details)
        last_line = lines[-1:] or list(self._reader.other_lines)[-1:]
        how = _crash_message(code) if crashed else f"The computation ended with exit code {code}."
        return Outcome("failed", " ".join([how, *last_line]), details)


def _crash_message(code: int) -> str:
    """From the number of the signal or, on Windows, of the exception."""
    if sys.platform == "win32":
        return f"The computation crashed (exception {code & 0xFFFFFFFF:#010x})."
    if code == signal.SIGKILL:
        return "The computation was killed by the system, most likely because the computer ran out of memory."
    return f"The computation crashed ({signal.strsignal(code) or f'signal {code}'})."


def _weakly(method: Callable[..., None]) -> Callable[..., None]:
    """A slot that does not keep its object, so that a run that is dropped ends."""
    reference = weakref.WeakMethod(method)

    def call(*arguments: object) -> None:
        found = reference()
        if found is not None:
            found(*arguments)

    return call


class OneRun:
    """The run that is in progress, if any: there is one at a time.

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
        """Start a run; `on_end` is called once it is over, unless it was closed."""

        def end(outcome: Outcome) -> None:
            self._run = None
            on_end(outcome)

        self._run = BackgroundRun(arguments, self._on_progress, end)
        self._run.start()

    def cancel(self) -> None:
        """Stop the run, if any; its end is reported."""
        if self._run is not None:
            self._run.cancel()

    def close(self) -> None:
        """Stop the run, if any, without a report."""
        if self._run is not None:
            self._run.close()
            self._run = None
