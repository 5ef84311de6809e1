"""Checkpoints written as torch 0.1 on Python 2 wrote them in 2017: every instruction by hand.

Strings are byte strings of Python 2 (SHORT_BINSTRING, BINSTRING from 256 bytes on), ordered dicts are called with their
items, the options are an `argparse.Namespace` with learning-rate stages as numpy arrays, and the object is followed by
the storages' keys and the raw storages.
"""

import math
import struct
from dataclasses import dataclass
from typing import Any

import torch

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
MACHINE = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
LONG_TEXT = "a remark of more than 255 bytes, with \xe9 in it. " * 12
STORAGES = {torch.float32: "FloatStorage", torch.int64: "LongStorage", torch.float64: "DoubleStorage"}


@dataclass
class Raw:
    """Instructions that leave one value on the stack."""

    code: bytes


def stream(value: Any) -> bytes:
    """A whole pickle of protocol 2."""
    return b"\x80\x02" + pickled(value) + b"."


def pickled(value: Any) -> bytes:
    """The instructions that leave the value on the stack."""
    match value:
        case Raw():
            return value.code
        case None | True | False:
            return {None: b"N", True: b"\x88", False: b"\x89"}[value]
        case int() if 0 <= value < 256:
            return b"K" + bytes([value])
        case int() if -(2**31) <= value < 2**31:
            return b"J" + struct.pack("<i", value)
        case int():
            number = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            return b"\x8a" + bytes([len(number)]) + number
        case float():
            return b"G" + struct.pack(">d", value)
        case str() | bytes():
            text = value.encode("latin-1") if isinstance(value, str) else value
            return (b"U" + bytes([len(text)]) if len(text) < 256 else b"T" + struct.pack("<i", len(text))) + text
        case tuple() if len(value) < 4:
            return b"".join(map(pickled, value)) + [b")", b"\x85", b"\x86", b"\x87"][len(value)]
        case tuple():
            return b"(" + b"".join(map(pickled, value)) + b"t"
        case list():
            return b"](" + b"".join(map(pickled, value)) + b"e"
        case dict():
            return b"}(" + b"".join(pickled(key) + pickled(item) for key, item in value.items()) + b"u"
    raise TypeError(type(value))


def name(module: str, attribute: str) -> Raw:
    return Raw(f"c{module}\n{attribute}\n".encode())


def call(function: Raw, *arguments: Any) -> Raw:
    return Raw(function.code + pickled(arguments) + b"R")


def namespace(**options: Any) -> Raw:
    return Raw(name("argparse", "Namespace").code + b")\x81" + pickled(options) + b"b")


def numpy_array(*numbers: int) -> Raw:
    """As numpy 1.12 wrote an array of int64: made empty, then given shape, type and bytes."""
    kind = Raw(call(name("numpy", "dtype"), "i8", 0, 1).code + pickled((3, "<", None, None, None, -1, -1, 0)) + b"b")
    made = call(name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray"), (0,), "b")
    content = struct.pack(f"<{len(numbers)}q", *numbers)
    return Raw(made.code + pickled((1, (len(numbers),), kind, False, content)) + b"b")


def storage(kind: str, key: str, numel: Any, view: Any = None, module: str = "torch") -> Raw:
    return Raw(pickled(("storage", name(module, kind), key, "cpu", numel, view)) + b"Q")


def tensor(held: Raw, offset: Any, size: Any, stride: Any) -> Raw:
    return call(name("torch._utils", "_rebuild_tensor"), held, offset, size, stride)


def strides(size: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(math.prod(size[axis + 1 :]) for axis in range(len(size)))


def checkpoint(state: Any, **changes: Any) -> dict[str, Any]:
    """The four entries of a checkpoint of 2017, `args` with all that their command line kept."""
    options = namespace(
        lr=0.01,
        model1="net_detector_3",
        resume=LONG_TEXT,
        lr_stage=numpy_array(50, 100, 140, 160),
        lr_preset=[0.01, 0.001],
        epochs=None,
        debug=False,
        seed=Raw(b"I4294967296\n"),  # how Python 2 writes an int of more than 32 bits
    )
    return {"epoch": 160, "save_dir": "results/\xe9", "state_dict": state, "args": options, **changes}


def container(value: Any, storages: dict[str, tuple[int, bytes]], machine: Any = MACHINE) -> bytes:
    """The whole file; storages by key: number of elements and bytes."""
    head = b"".join(stream(part) for part in (MAGIC_NUMBER, 1001, machine, value, list(storages)))
    return head + b"".join(struct.pack("<q", numel) + numbers for numel, numbers in storages.values())


def old_file(state: dict[str, torch.Tensor], prefix: str = "", **changes: Any) -> bytes:
    """A checkpoint of a state dict; the first tensor's storage is a view of a larger one, as sharing made them."""
    pairs, storages = [], {}
    for n, (key, value) in enumerate(state.items()):
        numbers, numel, view = value.contiguous().numpy().tobytes(), value.numel(), None
        memo = str(94000000000000 + n * 128)
        if n == 0:
            view = (memo + "7", 2, numel)
            numbers, numel = b"\7" * 2 * value.element_size() + numbers, numel + 2
        storages[memo] = (numel, numbers)
        held = storage(STORAGES[value.dtype], memo, numel, view)
        size = tuple(value.shape)
        pairs.append([prefix + key, tensor(held, 0, size, strides(size))])
    ordered = call(name("collections", "OrderedDict"), pairs)
    return container(checkpoint(ordered, **changes), storages)
