"""State dicts out of torch's own checkpoint files, without torch's loader and without running anything.

Two containers are read. Until torch 1.6 a checkpoint was a row of pickles (magic number, version, the writer's machine,
the object, the storages' keys) followed by each storage: its number of elements and its bytes. Since then it is a zip
archive with the object in `data.pkl` and each storage in a file of its own, stored, not compressed.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Callable
from typing import Any

import torch

from ..errors import ModelError
from .legacy_values import StorageEntry, TensorEntry, called, fill, given_state, made_new, meaning, storage_entry

FindStorage = Callable[[tuple[Any, ...]], StorageEntry]
"""From a persistent id to the storage it means."""

MAX_INSTRUCTIONS = 50_000  # a checkpoint of ours has about 10 000
_MAX_CHARACTERS = 2**20
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY = {"EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_DICT": dict}


def read_pickle(stream: io.BytesIO, find_storage: FindStorage | None = None) -> Any:
    """The value of the pickle that starts here; the stream is left right after it.

    Parameters
    ----------
    stream
        In memory, so that no length written in the file makes more memory than the file has.
    find_storage
        None where the pickle may not refer to storages.

    Raises
    ------
    ModelError
        For a pickle that asks for anything but plain data and tensors, is damaged, or is far too long. Its words
        complete "it holds ...".
    """
    machine = _Machine(find_storage)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if count >= MAX_INSTRUCTIONS:
                raise ModelError(f"a pickle of more than {MAX_INSTRUCTIONS} instructions")
            machine.do(opcode.name, argument)
    except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise ModelError(f"a pickle that is cut off or damaged ({str(error)[:120]})") from None
    return machine.result


class _Machine:
    """The stack machine."""

    def __init__(self, find_storage: FindStorage | None) -> None:
        self.result: Any = None
        self._find_storage = find_storage
        self._stack: list[Any] = []
        self._below_marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._characters = 0

    def do(self, opcode: str, argument: Any) -> None:
        """Carry out one instruction."""
        match opcode:
            case "PROTO":
                if argument != 2:
                    raise ModelError(f"a pickle of protocol {argument}, expected 2")
            case "STOP":
                (self.result,) = self._pop(1)
            case "MARK":
                self._below_marks.append(self._stack)
                self._stack = []
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                self._push(_CONSTANTS[opcode])
            case "INT" | "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                self._push(argument)
            case "BINSTRING" | "SHORT_BINSTRING" | "BINUNICODE":
                self._characters += len(argument)
                if self._characters > _MAX_CHARACTERS:
                    raise ModelError(f"a pickle with more than {_MAX_CHARACTERS} characters of text")
                self._push(argument)
            case "EMPTY_LIST" | "EMPTY_TUPLE" | "EMPTY_DICT":
                self._push(_EMPTY[opcode]())
            case "TUPLE":
                self._push_after_mark(tuple)
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                self._push(tuple(self._pop(int(opcode[-1]))))
            case "APPEND":
                self._append(self._pop(1))
            case "APPENDS":
                self._append(self._above_mark())
            case "SETITEM":
                self._set_items(self._pop(2))
            case "SETITEMS":
                self._set_items(self._above_mark())
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = self._stack[-1]
            case "BINGET" | "LONG_BINGET":
                self._push(self._memo[argument])
            case "GLOBAL":
                self._push(meaning(*argument.split(" ", 1)))
            case "BINPERSID":
                self._push(self._stored(*self._pop(1)))
            case "REDUCE":
                self._push(called(*self._pop(2)))
            case "NEWOBJ":
                self._push(made_new(*self._pop(2)))
            case "BUILD":
                (state,) = self._pop(1)
                given_state(self._stack[-1], state)
            case _:
                raise ModelError(f"a pickle with the instruction {opcode}, which no checkpoint has")

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise IndexError("a value is missing")
        values = self._stack[-count:]
        del self._stack[-count:]
        return values

    def _above_mark(self) -> list[Any]:
        values, self._stack = self._stack, self._below_marks.pop()
        return values

    def _push_after_mark(self, kind: type) -> None:
        values = self._above_mark()
        self._push(kind(values))

    def _append(self, values: list[Any]) -> None:
        if type(self._stack[-1]) is not list:
            raise ModelError("a pickle that appends to what is no list")
        self._stack[-1].extend(values)

    def _set_items(self, values: list[Any]) -> None:
        if not isinstance(self._stack[-1], dict):
            raise ModelError("a pickle that sets items of what is no dict")
        fill(self._stack[-1], zip(values[::2], values[1::2], strict=True))

    def _stored(self, identity: Any) -> StorageEntry:
        if self._find_storage is None or type(identity) is not tuple:
            raise ModelError("a reference to something outside the pickle")
        return self._find_storage(identity)


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
        For anything that is no such checkpoint; its words complete "the file cannot be read: ...".
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
        return _tensors(checkpoint, storages)
    except ModelError as error:
        raise ModelError(f"it holds {error}") from None


def _tensors(checkpoint: object, storages: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    state = checkpoint.get("state_dict") if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(entry, TensorEntry) for name, entry in state.items()
    ):
        raise ModelError("no 'state_dict' of tensors")
    return {name: entry.of(storages) for name, entry in state.items()}


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
