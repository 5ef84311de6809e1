"""Folders and files that appear whole or not at all, and what is in work."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import OutputError, UsageError

_in_work: set[Path] = set()
_SHOWN = 50  # characters of a name, of four bytes at most
_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{8}(\.part|\.old)?(\.stopped)?")


def check_target(target: Path, replaceable: Sequence[str] = (), overwrite: bool = True) -> None:
    """Refuse a target folder that could not be written, before any work is done.

    Parameters
    ----------
    replaceable
        Names of the files of an earlier result that may be replaced, the one that marks it first; by default nothing
        may. A folder with any other file in it is never replaced.
    overwrite
        Whether they may be replaced now; False where the option --overwrite that allows it was not given.

    Raises
    ------
    UsageError
        Where something is there already that may not be replaced.
    OutputError
        Where nothing can be written.
    """
    try:
        _refuse_occupied(target, replaceable, overwrite)
        existing = target.absolute().parent
        while not existing.exists():
            existing = existing.parent
        Path(tempfile.mkdtemp(dir=existing)).rmdir()  # what os.access says does not hold everywhere
    except OSError as error:
        raise OutputError(f"Nothing can be written to {target} ({error.strerror}). Choose another folder.") from error


@contextmanager
def atomic_folder(target: Path, replaceable: Sequence[str] = ()) -> Iterator[Path]:
    """A new folder to fill; it takes the target's name when the block ends well and vanishes when it does not.

    Raises
    ------
    UsageError, OutputError
        See `check_target`; also `OutputError` for any failure to write within the block.
    """
    check_target(target, replaceable)
    target = target.resolve()
    with cleanup_on_exit(_staging(target)) as staging:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            staging.mkdir()
            yield staging
            _refuse_occupied(target, replaceable, overwrite=True)  # again: others may have written there meanwhile
            _take_the_place_of(target, staging)
        except OSError as error:
            raise OutputError(
                f"The result could not be written to {target} ({error.strerror or error}); nothing was left behind. "
                "Make room on the disk or choose another folder."
            ) from error


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A path to write to; it takes the place of `path` when the block ends well and vanishes when it does not.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with cleanup_on_exit(_staging(path, ".part")) as staging:
            yield staging
            with staging.open("rb+") as written:  # Windows flushes only what may be written to
                os.fsync(written.fileno())
            os.replace(staging, path)
    except OSError as error:
        raise OutputError(
            f"{path} could not be written ({error.strerror or error}); what was there before is untouched. Make room "
            "on the disk or choose another folder."
        ) from error


@contextmanager
def atomic_files(folder: Path) -> Iterator[Path]:
    """A folder to fill; its files take their place in `folder` when the block ends well, all or none, and vanish else.

    Raises
    ------
    OutputError
        Where they cannot be written.
    """
    try:
        with cleanup_on_exit(_staging(folder / "new", ".part")) as staging:
            staging.mkdir()
            yield staging
            _replace_all(sorted(staging.iterdir()), folder)
    except OSError as error:
        raise OutputError(
            f"The files could not be written to {folder} ({error.strerror or error}); what was there is untouched. "
            "Make room on the disk, allow writing there, and close what shows them."
        ) from error


def _replace_all(files: Sequence[Path], folder: Path) -> None:
    """Put files into a folder, in the place of others of their names; where one cannot be, these are put back."""
    with cleanup_on_exit(_staging(folder / "old", ".part")) as aside:
        aside.mkdir()
        done: list[Path] = []
        try:
            for path in files:
                target = folder / path.name
                if target.exists():
                    shutil.copy2(target, aside / path.name)
                os.replace(path, target)
                done.append(target)
        except OSError:
            for target in done:
                before = aside / target.name
                with suppress(OSError):  # the others first
                    os.replace(before, target) if before.exists() else target.unlink()
            raise


@contextmanager
def cleanup_on_exit(path: Path) -> Iterator[Path]:
    """A file or folder that is removed when the block ends, if still there, or when the process is stopped."""
    _in_work.add(path)
    try:
        yield path
    finally:
        _remove(path)
        _in_work.discard(path)


def remove_unfinished() -> None:
    """Remove everything still in work: for a process that is about to be stopped while another thread may write."""
    for path in list(_in_work):
        doomed = path.with_name(f"{path.name}.stopped")
        try:
            path.rename(doomed)  # so that nothing more is written into it
        except OSError:
            doomed = path
        _remove(doomed)


def remove_leftovers(folder: Path) -> None:
    """Remove what was in work in this folder when its process was killed; nobody else may be writing there now."""
    if folder.is_dir():
        for path in folder.iterdir():
            if _LEFTOVER.fullmatch(path.name):
                _remove(path)


def _staging(target: Path, ending: str = "") -> Path:
    """A hidden name beside the target, as `remove_leftovers` knows it; no longer than a file's name may be."""
    return target.with_name(f".{target.name[:_SHOWN]}.{uuid.uuid4().hex[:8]}{ending}")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _refuse_occupied(target: Path, replaceable: Sequence[str], overwrite: bool) -> None:
    if target.is_dir():
        there = sorted(path.name for path in target.iterdir())
        if there:
            if not replaceable or not overwrite:
                cure = ", or pass --overwrite to replace an earlier result" if replaceable else ""
                raise UsageError(f"The output folder {target} exists and is not empty. Choose another folder{cure}.")
            foreign = [name for name in there if name not in replaceable]
            if foreign or replaceable[0] not in there:
                why = f"it has {foreign[0]}" if foreign else f"it has no {replaceable[0]}"
                raise UsageError(
                    f"The output folder {target} exists and holds something else than an earlier result ({why}). "
                    "Choose another folder."
                )
        if target.is_mount() or target.resolve() == Path.cwd():
            raise UsageError(
                f"The output folder {target} is the current folder or a mount point, which cannot be made anew. "
                "Choose a new folder in it."
            )
    elif target.exists():
        raise UsageError(f"The output {target} exists and is a file; expected a folder that does not exist yet.")


def _take_the_place_of(target: Path, staging: Path) -> None:
    if not target.exists():
        staging.rename(target)
        return
    old = staging.with_name(f"{staging.name}.old")
    target.rename(old)
    try:
        staging.rename(target)
    except OSError:
        old.rename(target)
        raise
    with cleanup_on_exit(old):
        pass
