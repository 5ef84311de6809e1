"""Read the pickle of an old checkpoint without running anything in it.

A pickle is a program for a small stack machine that may call whatever it names; Python's own unpickler runs it. This
reader is another machine for the same programs: it knows the few instructions that a saved checkpoint consists of and
has no way to import or call anything. Names stand for plain data (see `pickle_names`); any other name or instruction
ends the reading, and the message says which.

Strings written by Python 2 are read as latin-1, of any length.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from typing import Any

from ..errors import ModelError
from .pickle_names import called, fill, given_state, made_new, meaning
from .stored_tensor import StorageEntry

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
