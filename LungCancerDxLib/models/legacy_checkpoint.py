"""State dicts out of torch's own checkpoint files, without torch's loader and without running anything.

Two containers are read. Until torch 1.6 a checkpoint was a row of pickles (magic number, version, the writer's machine,
the object, the storages' keys) followed by each storage: its number of elements and its bytes. Since then it is a zip
archive with the object in `data.pkl` and each storage in a file of its own, stored, not compressed.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

import torch

from ..errors import ModelError
from .legacy_pickle import StorageEntry, TensorEntry, read_pickle, storage_entry

MAX_FILE_BYTES = 2**26  # the published files have about 22 MB

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL_VERSION = 1001
_COUNT_BYTES = 8
_TAR_MARK = slice(257, 262)
_ZIP_START, _ZIP_DIRECTORY_ENTRY = b"PK\x03\x04", b"PK\x01\x02"
_MAX_ZIP_ENTRIES = 4096


def read_state_dict(content: bytes) -> dict[str, torch.Tensor]:
    """The tensors under "state_dict" of a checkpoint, by name, as they were saved.

    Raises
    ------
    ModelError
        For anything that is no such checkpoint; its message completes "the file cannot be read: ...".
    """
    if content[_TAR_MARK] == b"ustar":
        raise ModelError(
            "it is a tar file, as only the first versions of torch wrote it; save it anew with a later one"
        )
    try:
        if content.startswith(_ZIP_START):
            checkpoint, storages = _read_zip(content)
        else:
            checkpoint, storages = _read_row_of_pickles(content)
        state = checkpoint.get("state_dict") if isinstance(checkpoint, dict) else None
        if not isinstance(state, dict) or not all(
            isinstance(name, str) and isinstance(entry, TensorEntry) for name, entry in state.items()
        ):
            raise ModelError("no 'state_dict' of tensors")
        return {name: entry.of(storages) for name, entry in state.items()}
    except ModelError as error:
        raise ModelError(f"it holds {error}") from None


def _read_row_of_pickles(content: bytes) -> tuple[object, dict[str, torch.Tensor]]:
    stream = io.BytesIO(content)
    magic, version, machine = (read_pickle(stream) for _ in range(3))
    if type(magic) is not int or magic != _MAGIC_NUMBER:
        raise ModelError("another magic number than torch's")
    if type(version) is not int or version != _PROTOCOL_VERSION:
        raise ModelError("another version of torch's format than 1001")
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise ModelError("numbers in another byte order than little endian")
    entries = _Entries(len(content))
    checkpoint = read_pickle(stream, entries.find)
    keys = read_pickle(stream)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ModelError("no list of storages")
    if len(set(keys)) != len(keys) or set(keys) != set(entries.by_key):
        raise ModelError("another list of storages than its tensors name")
    storages = {}
    for key in keys:
        entry = entries.by_key[key]
        if stream.read(_COUNT_BYTES) != entry.whole_numel.to_bytes(_COUNT_BYTES, "little"):
            raise ModelError("a storage of another size than its tensors say, or is cut off")
        storages[key] = _storage(entry, stream.read)
    if stream.read(1):
        raise ModelError("something after its last storage")
    return checkpoint, storages


def _read_zip(content: bytes) -> tuple[object, dict[str, torch.Tensor]]:
    if content.count(_ZIP_DIRECTORY_ENTRY) > _MAX_ZIP_ENTRIES:
        raise ModelError("far too many files in a zip archive")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {info.filename.partition("/")[2]: info for info in archive.infolist()}
            if any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
                raise ModelError("compressed files, which torch does not write")
            byte_order = members.get("byteorder")
            if byte_order is not None and archive.read(byte_order) != b"little":
                raise ModelError("numbers in another byte order than little endian")
            entries = _Entries(len(content))
            checkpoint = read_pickle(io.BytesIO(archive.read(members["data.pkl"])), entries.find)
            storages = {}
            for key, entry in entries.by_key.items():
                with archive.open(members[f"data/{key}"]) as stream:
                    storages[key] = _storage(entry, stream.read)
            return checkpoint, storages
    except ModelError:
        raise
    except Exception as error:  # zipfile answers damage with errors of many kinds
        raise ModelError(f"a damaged zip archive ({str(error)[:120]})") from None


def _storage(entry: StorageEntry, read: Callable[[int], bytes]) -> torch.Tensor:
    size = entry.whole_numel * entry.dtype.itemsize
    numbers = read(size)
    if len(numbers) != size:
        raise ModelError("a storage that is cut off")
    return torch.frombuffer(bytearray(numbers), dtype=entry.dtype) if size else torch.empty(0, dtype=entry.dtype)


class _Entries:
    """The storages that a pickle names, each described once and for all."""

    def __init__(self, available_bytes: int) -> None:
        self.by_key: dict[str, StorageEntry] = {}
        self._bytes_left = available_bytes

    def find(self, identity: tuple[Any, ...]) -> StorageEntry:
        """The storage of a persistent id: ("storage", type, key, location, numel[, part])."""
        if len(identity) not in (5, 6) or type(identity[0]) is not str or identity[0] != "storage":
            raise ModelError("a reference to something else than a storage")
        _, dtype, key, _, numel, *part = identity
        entry = storage_entry(dtype, key, numel, part[0] if part else None, self._bytes_left)
        known = self.by_key.get(entry.key)
        if known is None:
            self.by_key[entry.key] = entry
            self._bytes_left -= entry.whole_numel * entry.dtype.itemsize
        elif (known.dtype, known.whole_numel) != (entry.dtype, entry.whole_numel):
            raise ModelError("a storage that is described twice, and differently")
        return entry
