"""What the names in an old checkpoint stand for: plain data of ours, and nothing that could be run.

The list is closed. It holds what the state dict needs and what the options of the 2017 command line drag along: those
files keep learning-rate stages as numpy arrays, which are taken note of and not read.
"""

from __future__ import annotations

from typing import Any

import torch

from ..errors import ModelError
from .stored_tensor import tensor_entry

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


def meaning(module: str, attribute: str) -> Name | torch.dtype:
    """What a name stands for; ModelError for any that is not on the list."""
    name = f"{module}.{attribute}"
    if name not in _NAMES:
        raise ModelError(f"a pickle that asks for '{name[:120]}', which no checkpoint needs")
    return _NAMES[name]


def called(name: object, arguments: object) -> Any:
    """What the call of a name stands for; ModelError for calls that no checkpoint has."""
    if not isinstance(name, Name) or not isinstance(arguments, tuple):
        raise ModelError("a call of something that is no name")
    if name in _TENSORS:
        return tensor_entry(arguments)
    if name in _NOT_READ:
        return NotRead()
    if name != _ORDERED_DICT or len(arguments) > 1:
        raise ModelError(f"a call of '{name}', which no checkpoint has")
    made = Ordered()
    for pairs in arguments:  # Python 2 hands the items over, Python 3 sets them afterwards
        if not isinstance(pairs, list) or not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
            raise ModelError("an ordered dict that is not made of pairs")
        fill(made, pairs)
    return made


def made_new(name: object, arguments: object) -> Options:
    """The new object of a class: only the options are one."""
    if not isinstance(name, Name) or name != _OPTIONS or not isinstance(arguments, tuple) or arguments:
        raise ModelError("a new object of a kind that no checkpoint has")
    return Options()


def given_state(target: object, state: object) -> None:
    """Set the attributes of an object made before. An ordered dict's (versions of modules) are not needed."""
    if isinstance(target, NotRead):
        return
    if not isinstance(target, (Options, Ordered)) or not isinstance(state, dict):
        raise ModelError("attributes of something that has none")
    if isinstance(target, Options):
        fill(target, state.items())


def fill(table: dict[Any, Any], items: Any) -> None:
    """Keys are text or whole numbers: hashing nested tuples can take for ever or overflow the machine's stack."""
    for key, value in items:
        if type(key) not in (str, int):
            raise ModelError("a dict with a key that is neither text nor a number")
        table[key] = value
