"""Arrays by name in a `.npz` file: written whole or not at all, read whole or not at all."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from .atomic import atomic_file

Arrays = dict[str, np.ndarray]

_DAMAGE = (OSError, ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)


def write_npz(path: Path, arrays: Mapping[str, np.ndarray], *, compressed: bool = True) -> None:
    """Write arrays in place of what is there.

    Raises
    ------
    OutputError
        Where the file cannot be written.
    """
    save = np.savez_compressed if compressed else np.savez
    with atomic_file(path) as staging, staging.open("wb") as file:
        save(file, **arrays)  # type: ignore[arg-type]


def read_npz(path: Path, names: Iterable[str]) -> Arrays:
    """The arrays of these names.

    Raises
    ------
    ValueError
        Where the file is missing or damaged, or lacks one of them.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names}
    except _DAMAGE as error:  # all that a damaged zip file may raise
        raise ValueError(str(error) or type(error).__name__) from error


def kept_npz(path: Path, names: Iterable[str]) -> Arrays | None:
    """The arrays of these names from a cache; None where they are to be computed anew."""
    try:
        return read_npz(path, names)
    except ValueError:
        return None
