"""The few named errors of the project.

Each message says what was found, what was expected and what to do; the command line prints it as it is and
leaves with `exit_code`.
"""

from __future__ import annotations

from pathlib import Path


class LungCancerDxError(Exception):
    """Any failure that has a clear cause outside the code."""

    exit_code = 1


class UsageError(LungCancerDxError):
    """The request itself cannot be met: an unknown option value, a point outside the scan, an output folder in use."""

    exit_code = 2


class CTReadError(LungCancerDxError):
    """The input is no chest CT, label map or result that can be read; the message names the file and the cure."""

    exit_code = 3


def cannot_be_opened(path: Path, error: OSError) -> CTReadError:
    """The error of a file or folder that the system refuses: the one that it names or, without, the one given."""
    return CTReadError(
        f"{error.filename or path}: cannot be opened ({error.strerror or error}); check that you may read it."
    )


class NoLungsError(LungCancerDxError):
    """The CT was read, but no lung was found in it."""

    exit_code = 3


class ModelError(LungCancerDxError):
    """A model bundle is missing, damaged or foreign."""

    exit_code = 4


class OutOfMemoryError(LungCancerDxError):
    """Not enough memory, after every fallback."""

    exit_code = 5


class OutputError(LungCancerDxError):
    """The results could not be written (disk full, permission); nothing is left half-written."""

    exit_code = 6


class Cancelled(LungCancerDxError):
    """The user stopped the work."""

    exit_code = 130
