"""The pickle in an old checkpoint, as plain data: nothing that it asks for is imported or run.

A stack machine of our own carries out the few instructions that checkpoints have. The names in them stand for plain
data of ours; the list is closed. It holds what the state dict needs and what the options of the 2017 command line drag
along: those files keep learning-rate stages as numpy arrays, which are taken note of and not read. Torch's own safe
loader refuses these pickles of Python 2, and Python's unpickler can be made to take any amount of memory.
"""

from __future__ import annotations

import io
import math
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import ModelError

MAX_INSTRUCTIONS = 50_000  # a checkpoint of ours has about 10 000
_MAX_CHARACTERS = 2**20
_MAX_DIMENSIONS = 8
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
}
_ORDERED_DICT, _OPTIONS = "collections.OrderedDict", "argparse.Namespace"
_TENSORS = ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2")
_NOT_READ = (
    *(f"numpy.{core}.multiarray.{maker}" for core in ("core", "_core") for maker in ("_reconstruct", "scalar")),
    "numpy.ndarray",
    "numpy.dtype",
    "_codecs.encode",  # how Python 3 writes bytes
)


class Name(str):
    """A name that the checkpoint uses: text, with nothing behind it."""


class NotRead:
    """Something in the options that is no part of the networks."""


class Options(dict[str, Any]):
    """The attributes of an `argparse.Namespace`."""


class Ordered(dict[Any, Any]):
    """An `OrderedDict`."""


_NAMES: dict[str, Name | torch.dtype] = {
    **{name: Name(name) for name in (_ORDERED_DICT, _OPTIONS, *_TENSORS, *_NOT_READ)},
    **{f"{module}.{name}": dtype for module in ("torch", "torch.cuda") for name, dtype in _DTYPES.items()},
}


@dataclass(frozen=True)
class StorageEntry:
    """A storage, or a part of one: `numel` elements from element `start` of the storage `key`.

    `whole_numel` is how many elements the storage itself has.
    """

    key: str
    dtype: torch.dtype
    whole_numel: int
    start: int
    numel: int


FindStorage = Callable[[tuple[Any, ...]], StorageEntry]
"""From a persistent id to the storage it means."""


@dataclass(frozen=True)
class TensorEntry:
    """A tensor as a strided view of a storage; offset and strides in elements."""

    storage: StorageEntry
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def of(self, storages: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """The tensor itself, a view of its storage (1-d tensors by key)."""
        whole = storages[self.storage.key]
        return whole.as_strided(self.size, self.stride, self.storage.start + self.offset)


def storage_entry(dtype: object, key: object, numel: object, view: object, available_bytes: int) -> StorageEntry:
    """Check the description of a storage.

    Parameters
    ----------
    view
        None, or (key of the view, first element, number of elements) where a part is meant.
    available_bytes
        What the file has at all.

    Raises
    ------
    ModelError
        Where the description is none or the file could not hold it.
    """
    if not isinstance(dtype, torch.dtype) or not isinstance(key, str):
        raise ModelError("a storage without a type or a key")
    whole = _count(numel, "a storage's number of elements")
    if whole * dtype.itemsize > available_bytes:
        raise ModelError(f"a storage of {whole} elements, more than the file can hold")
    start, length = 0, whole
    if view is not None:
        if not isinstance(view, tuple) or len(view) != 3:
            raise ModelError("a part of a storage that is not described by key, start and length")
        start, length = _count(view[1], "the start of a storage's part"), _count(view[2], "the length of a part")
        if start + length > whole:
            raise ModelError("a part that reaches beyond its storage")
    return StorageEntry(key, dtype, whole, start, length)


def _tensor_entry(arguments: object) -> TensorEntry:
    """Check the arguments of `_rebuild_tensor` (4) or `_rebuild_tensor_v2` (6 or 7, the further ones ignored)."""
    if not isinstance(arguments, tuple) or len(arguments) not in (4, 6, 7):
        raise ModelError("a tensor that is not described by storage, offset, size and strides")
    storage, offset, size, stride = arguments[:4]
    if not isinstance(storage, StorageEntry) or not isinstance(size, tuple) or not isinstance(stride, tuple):
        raise ModelError("a tensor that is not described by storage, offset, size and strides")
    if len(size) != len(stride) or len(size) > _MAX_DIMENSIONS:
        raise ModelError(f"a tensor with {len(size)} sizes and {len(stride)} strides")
    offset = _count(offset, "a tensor's offset")
    size = tuple(_count(n, "a tensor's size") for n in size)
    stride = tuple(_count(n, "a tensor's stride") for n in stride)
    elements = math.prod(size)
    reach = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) + 1 if elements else offset
    if elements > storage.numel or reach > storage.numel:
        raise ModelError("a tensor that reaches beyond its storage")
    return TensorEntry(storage, offset, size, stride)


def _count(value: object, what: str) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ModelError(f"{what} that is no count")
    return value


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
        For a pickle that asks for anything but plain data and tensors, is damaged, or is far too long. Its message
        completes "it holds ...".
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
            case "NONE" | "NEWTRUE" | "NEWFALSE" | "EMPTY_TUPLE":
                self._push(_CONSTANTS[opcode])
            case "INT" | "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                self._push(argument)
            case "BINSTRING" | "SHORT_BINSTRING" | "BINUNICODE":
                self._characters += len(argument)
                if self._characters > _MAX_CHARACTERS:
                    raise ModelError(f"a pickle with more than {_MAX_CHARACTERS} characters of text")
                self._push(argument)
            case "EMPTY_LIST" | "EMPTY_DICT":
                self._push([] if opcode == "EMPTY_LIST" else {})
            case "TUPLE":
                self._push(tuple(self._above_mark()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                self._push(tuple(self._pop(int(opcode[-1]))))
            case "APPEND" | "APPENDS":
                values = self._pop(1) if opcode == "APPEND" else self._above_mark()
                if type(self._stack[-1]) is not list:
                    raise ModelError("a pickle that appends to what is no list")
                self._stack[-1].extend(values)
            case "SETITEM" | "SETITEMS":
                values = self._pop(2) if opcode == "SETITEM" else self._above_mark()
                if not isinstance(self._stack[-1], dict):
                    raise ModelError("a pickle that sets items of what is no dict")
                _insert_items(self._stack[-1], zip(values[::2], values[1::2], strict=True))
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = self._stack[-1]
            case "BINGET" | "LONG_BINGET":
                self._push(self._memo[argument])
            case "GLOBAL":
                name = argument.replace(" ", ".", 1)
                if name not in _NAMES:
                    raise ModelError(f"a pickle that asks for '{name[:120]}', which no checkpoint needs")
                self._push(_NAMES[name])
            case "BINPERSID":
                (identity,) = self._pop(1)
                if self._find_storage is None or type(identity) is not tuple:
                    raise ModelError("a reference to something outside the pickle")
                self._push(self._find_storage(identity))
            case "REDUCE":
                self._push(_reduced(*self._pop(2)))
            case "NEWOBJ":
                name, arguments = self._pop(2)
                if not isinstance(name, Name) or name != _OPTIONS or arguments != ():
                    raise ModelError("a new object of a kind that no checkpoint has")
                self._push(Options())
            case "BUILD":
                (state,) = self._pop(1)
                _set_state(self._stack[-1], state)
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


def _reduced(name: object, arguments: object) -> Any:
    """What the call of a name stands for; ModelError for calls that no checkpoint has."""
    if not isinstance(name, Name) or not isinstance(arguments, tuple):
        raise ModelError("a call of something that is no name")
    if name in _TENSORS:
        return _tensor_entry(arguments)
    if name in _NOT_READ:
        return NotRead()
    if name != _ORDERED_DICT or len(arguments) > 1:
        raise ModelError(f"a call of '{name}', which no checkpoint has")
    ordered = Ordered()
    for pairs in arguments:  # Python 2 hands the items over, Python 3 sets them afterwards
        if not isinstance(pairs, list) or not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
            raise ModelError("an ordered dict that is not made of pairs")
        _insert_items(ordered, pairs)
    return ordered


def _set_state(target: object, state: object) -> None:
    """Set the attributes of an object made before. An ordered dict's (versions of modules) are not needed."""
    if isinstance(target, NotRead):
        return
    if not isinstance(target, (Options, Ordered)) or not isinstance(state, dict):
        raise ModelError("attributes of something that has none")
    if isinstance(target, Options):
        _insert_items(target, state.items())


def _insert_items(table: dict[Any, Any], items: Any) -> None:
    """Keys are text or whole numbers: hashing nested tuples can take for ever or overflow the machine's stack."""
    for key, value in items:
        if type(key) not in (str, int):
            raise ModelError("a dict with a key that is neither text nor a number")
        table[key] = value
