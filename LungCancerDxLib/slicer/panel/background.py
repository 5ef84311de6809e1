"""Runs of the command line beside the application, which stays usable meanwhile."""

from __future__ import annotations

import signal
import sys
import weakref
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Literal

import qt

from ...errors import LungCancerDxError
from .command import Report, ReportReader, environment_variables, kill_tree, python_executable, signal_group

_GRACE_MS = 800
_KEPT_BYTES = 16384
_DETAIL_LINES = 20
_NOT_SHOWN = "The result could not be shown; the Python console says why."


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


Work = Generator[Sequence[str] | None, Outcome, None]
"""What a run does, in steps short enough for a window that stays alive: `yield` gives the event loop a turn, and
`outcome = yield arguments` waits for a process of Python with these arguments."""


class OneRun:
    """The run that is in progress, if any: there is one at a time.

    Parameters
    ----------
    on_progress
        Called with each report of the run's process.
    """

    def __init__(self, on_progress: Callable[[Report], None]) -> None:
        self._on_progress = on_progress
        self._on_end: Callable[[str], None] = lambda message: None
        self._work: Work | None = None
        self._process: BackgroundRun | None = None
        self._next = qt.QTimer()
        self._next.setSingleShot(True)
        self._next.setInterval(0)
        self._next.timeout.connect(self._step)

    @property
    def running(self) -> bool:
        return self._work is not None

    def start(self, work: Work, on_end: Callable[[str], None]) -> None:
        """Start a run.

        Parameters
        ----------
        on_end
            Called once it is over, unless it was closed, with a message for the user: empty where all is well or the
            user cancelled, else the `LungCancerDxError` that the work raised.
        """
        self._work, self._on_end = work, on_end
        self._next.start()

    def cancel(self) -> None:
        """Stop the run, if any; its end is reported."""
        if self._process is not None:
            self._process.cancel()
        elif self._work is not None:
            self._work.close()
            self._finish("")

    def close(self) -> None:
        """Stop the run, if any, without a report."""
        self._next.stop()
        if self._process is not None:
            self._process.close()
        if self._work is not None:
            self._work.close()
        self._process = self._work = None

    def _process_ended(self, outcome: Outcome) -> None:
        self._process = None
        self._step(outcome)

    def _step(self, outcome: Outcome | None = None) -> None:
        """Do the next step, with the outcome of the process where one was waited for."""
        if self._work is None:
            return
        message: str | None = _NOT_SHOWN
        try:
            arguments = next(self._work) if outcome is None else self._work.send(outcome)
            message = None
        except StopIteration:
            message = ""
        except LungCancerDxError as error:
            message = str(error)
        finally:
            if message is not None:
                self._finish(message)
        if message is None and arguments is None:
            self._next.start()
        elif message is None and arguments is not None:
            self._process = BackgroundRun(arguments, self._on_progress, self._process_ended)
            self._process.start()

    def _finish(self, message: str) -> None:
        self._next.stop()
        self._work = None
        self._on_end(message)
