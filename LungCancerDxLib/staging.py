"""Folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import OutputError, UsageError

_in_work: set[Path] = set()


def check_target(target: Path, replaceable_if: str | None = None) -> None:
    """Refuse a target folder that could not be written, before any work is done.

    Parameters
    ----------
    replaceable_if
        A file whose presence marks an earlier result that may be replaced; None: nothing may.

    Raises
    ------
    UsageError
        Where something is there already that may not be replaced.
    OutputError
        Where nothing can be written.
    """
    if target.is_dir():
        occupied = any(target.iterdir())
        if occupied and not (replaceable_if and (target / replaceable_if).is_file()):
            may = " (--overwrite replaces an earlier result only)" if replaceable_if else "; or pass --overwrite"
            raise UsageError(f"The output folder {target} exists and is not empty. Choose another folder{may}.")
    elif target.exists():
        raise UsageError(f"The output {target} exists and is a file; expected a folder that does not exist yet.")
    existing = target.absolute()
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise OutputError(f"Nothing can be written to {target}: no permission in {existing}. Choose another folder.")


@contextmanager
def whole_folder(target: Path, replaceable_if: str | None = None) -> Iterator[Path]:
    """A new folder to fill; it takes the target's name when the block ends well and vanishes when it does not.

    Raises
    ------
    UsageError, OutputError
        See `check_target`; also `OutputError` for any failure to write within the block.
    """
    check_target(target, replaceable_if)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise OutputError(f"Nothing can be written to {target} ({error.strerror}). Choose another folder.") from error
    _in_work.add(staging)
    try:
        yield staging
        staging.chmod(0o755)
        _take_the_place_of(target, staging)
    except OSError as error:
        raise OutputError(
            f"The result could not be written to {target} ({error.strerror or error}); nothing was left behind. Make "
            "room on the disk or choose another folder."
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        _in_work.discard(staging)


def remove_unfinished() -> None:
    """Remove every folder still in work: for a process that is about to be stopped."""
    for staging in list(_in_work):
        shutil.rmtree(staging, ignore_errors=True)


def _take_the_place_of(target: Path, staging: Path) -> None:
    if target.exists():
        old = staging.with_name(staging.name + ".old")
        target.rename(old)
        staging.rename(target)
        shutil.rmtree(old)
    else:
        staging.rename(target)
