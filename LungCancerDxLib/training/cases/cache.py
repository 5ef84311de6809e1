"""What is computed once for each case of a store: one `.npz` a case, in a folder beside the cases."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UsageError
from ...runtime.atomic import atomic_file
from .store import CaseStore

Arrays = dict[str, np.ndarray]
_STAMP = "stamp"


class CaseCache:
    """Arrays of cases, kept in `<store>/<kind>-<key>`: the key is of all that decides them but the case itself.

    A case that was prepared anew is computed anew. Each file is written whole or not at all, so that a computation that
    was stopped goes on where it was.
    """

    def __init__(self, store: CaseStore, kind: str, decided_by: dict[str, Any]) -> None:
        self.folder = store.folder / f"{kind}-{key_of(decided_by)}"
        self._store = store

    def get(self, number: int, compute: Callable[[], Arrays]) -> Arrays:
        """The arrays of a case, by its number in the store; computed where they are not there.

        Raises
        ------
        UsageError, OutputError
        """
        name = self._store.names[number]
        path, stamp = self.folder / f"{name}.npz", case_stamp(self._store.folder / f"{name}.npz")
        kept = _read(path)
        if kept is not None and int(kept.pop(_STAMP)) == stamp:
            return kept
        arrays = compute()
        with atomic_file(path) as staging, staging.open("wb") as file:
            np.savez_compressed(file, **arrays, **{_STAMP: np.array(stamp)})  # type: ignore[arg-type]
        return arrays


def key_of(content: dict[str, Any]) -> str:
    """A short name for something that goes into JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def case_stamp(path: Path) -> int:
    """A number that changes with a case's content, without reading more than the file's directory.

    Raises
    ------
    UsageError
        Where the case is missing or damaged.
    """
    try:
        with zipfile.ZipFile(path) as file:
            parts = sorted((part.filename, part.CRC) for part in file.infolist())
    except (OSError, zipfile.BadZipFile) as error:
        raise UsageError(f"The training case {path} cannot be read ({error}); make it anew.") from error
    return zlib.crc32(repr(parts).encode())


def _read(path: Path) -> Arrays | None:
    """The arrays of a file; None where it is missing or damaged, as then they are computed anew."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    return found if _STAMP in found else None
