"""Hostile pickles end in a ModelError: nothing is run or imported, and little time and memory is taken."""

import io
import os
import pickle
import struct

import pytest

from LungCancerDxLib.errors import ModelError
from LungCancerDxLib.models.legacy_checkpoint import read_state_dict
from LungCancerDxLib.models.legacy_pickle import MAX_INSTRUCTIONS, read_pickle
from Testing.models.hostile import GIB, HOSTILE_MODULE, program, refusal, refusal_alone, watched
from Testing.models.old_files import Raw, call, checkpoint, container, name, namespace, pickled, stream

__all__ = ["watched"]

pytestmark = pytest.mark.usefixtures("watched")

TOUCH = pickled("touch sentinel")
MAKERS = [
    ("os", "system"),
    ("posix", "system"),
    ("nt", "system"),
    ("subprocess", "Popen"),
    ("subprocess", "check_output"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("__builtin__", "eval"),
    ("builtins", "getattr"),
    ("operator", "methodcaller"),
    ("torch", "load"),
    ("torch.hub", "load"),
    ("torch._utils", "_import_dotted_name"),
    ("torch.utils.data", "DataLoader"),
    ("numpy", "load"),
    ("numpy.core.multiarray", "fromfile"),
    ("argparse", "FileType"),
    ("collections", "OrderedDict.fromkeys"),
    ("collections.OrderedDict", "__reduce__"),
    ("_codecs", "decode"),
    (HOSTILE_MODULE, "anything"),
]


@pytest.mark.parametrize(("module", "attribute"), MAKERS)
def test_a_foreign_name_is_refused_by_name_however_it_is_used(module, attribute):
    function, quoted = name(module, attribute).code, f"'{module}.{attribute}'"
    for code in (
        function,
        function + TOUCH + b"\x85R",  # REDUCE
        function + TOUCH + b"\x85\x81",  # NEWOBJ
        namespace().code + function + b"b",  # BUILD
    ):
        assert quoted in refusal(program(code))


@pytest.mark.parametrize(
    ("code", "opcode"),
    [
        (b"(" + TOUCH + b"ios\nsystem\n", "INST"),
        (b"(cos\nsystem\n" + TOUCH + b"o", "MARK|GLOBAL"),
        (pickled("os") + pickled("system") + b"\x93" + TOUCH + b"\x85R", "STACK_GLOBAL"),
        (b"\x82\x01" + TOUCH + b"\x85R", "EXT1"),
        (b"Pos.system\n", "PERSID"),
        (name("argparse", "Namespace").code + b")}\x92", "NEWOBJ_EX"),
        (b"\x8f", "EMPTY_SET"),
        (b"\x97", "NEXT_BUFFER"),
        (b"\x96" + struct.pack("<Q", 3) + b"abc", "BYTEARRAY8"),
        (b"K\x012.", "DUP"),
        (b"V\\u0041\n", "UNICODE"),
        (b"\x8b" + struct.pack("<i", 3) + b"abc", "LONG4"),
    ],
)
def test_an_instruction_that_no_checkpoint_has_is_refused(code, opcode):
    with pytest.raises(ModelError, match=rf"instruction ({opcode})|asks for 'os.system'"):
        read_pickle(io.BytesIO(program(code)))
    assert refusal(program(code))


@pytest.mark.parametrize("protocol", [0, 1, 3, 4, 5])
def test_what_python_makes_of_a_hostile_object_is_refused_in_every_protocol(protocol):
    class Hostile:
        def __reduce__(self):
            return os.system, ("touch sentinel",)

    assert refusal(pickle.dumps(Hostile(), protocol=protocol))
    assert refusal(pickle.dumps({"state_dict": [Hostile()]}, protocol=protocol))


@pytest.mark.parametrize(
    "code",
    [
        TOUCH + b")R",  # a call of text
        call(name("collections", "OrderedDict"), Raw(name("argparse", "Namespace").code)).code,
        call(name("argparse", "Namespace"), "x").code,
        call(name("collections", "OrderedDict"), [[1, 2, 3]]).code,
        call(name("collections", "OrderedDict"), [], []).code,
        name("collections", "OrderedDict").code + b")\x81",
        name("argparse", "Namespace").code + pickled(("x",)) + b"\x81",
        namespace().code + pickled(({}, {"__class__": 1})) + b"b",
        name("argparse", "Namespace").code + pickled({"__setstate__": 1}) + b"b",  # attributes of the name itself
        name("torch", "FloatStorage").code + pickled({"x": 1}) + b"b",
        name("torch", "FloatStorage").code + pickled((GIB,)) + b"R",
        pickled([]) + pickled({"append": 1}) + b"b",
        pickled({}) + b"K\x01a",
        pickled([]) + b"K\x01K\x02s",
    ],
)
def test_a_permitted_name_is_good_for_nothing_else(code):
    assert refusal(program(code))


def test_attributes_are_only_noted():
    made = read_pickle(io.BytesIO(stream(namespace(__class__="x", __dict__="y", lr=1.5))))
    assert made == {"__class__": "x", "__dict__": "y", "lr": 1.5}
    assert type(made).__name__ == "Options"


HUGE = struct.pack("<i", 2**31 - 1)


@pytest.mark.parametrize(
    "code",
    [
        b"T" + HUGE + b"abc",  # texts that say they are long
        b"X" + struct.pack("<I", 2**32 - 1) + b"abc",
        b"\x8d" + struct.pack("<Q", 2**63 - 1) + b"abc",
        b"\x8e" + struct.pack("<Q", 2**63 - 1) + b"abc",
        b"\x8b" + HUGE + b"abc",
        b"T" + struct.pack("<i", -5),
        b"\x8b" + struct.pack("<i", -5),
        b"I" + b"9" * 10**6 + b"\n",
        b"\x95" + struct.pack("<Q", 2**62),
        b"h\x07",  # nothing is remembered there
        b"q\x07",
        b"",
        b"R",
        b"(",
        b"t",
        b"u",
        b"a",
        b"b",
        b"\x87",
        b"}(K\x01u",
    ],
)
def test_lengths_that_lie_and_values_that_are_missing_are_damage(code):
    assert refusal(program(code))


def test_a_far_place_in_the_memory_of_the_pickle_costs_nothing():
    assert read_pickle(io.BytesIO(program(b"K\x01r" + struct.pack("<I", 2**32 - 1)))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("piece", [b"]", b"(", b"N", b"K\x01q\x00", b"N\x85", b"]q\x00h\x00a", b"}U\x01a", b"\x80\x02"])
def test_a_pickle_without_end_is_stopped(piece):
    assert f"more than {MAX_INSTRUCTIONS} instructions" in refusal_alone(program(piece * MAX_INSTRUCTIONS))


def test_text_without_end_is_stopped():
    assert refusal_alone(program((b"T" + struct.pack("<i", 10**5) + b"x" * 10**5 + b"0") * 12))
    assert "characters of text" in refusal_alone(program((b"T" + struct.pack("<i", 10**5) + b"x" * 10**5) * 12))


@pytest.mark.slow
@pytest.mark.parametrize("one", [b"\x85", b"q\x00h\x00\x86"])
def test_nested_or_multiplied_tuples_are_never_hashed(one):
    """As a key they would overflow the machine's stack, or take 2 ** 100 steps."""
    depth = 40_000 if one == b"\x85" else 100
    key = pickled(1) + one * depth
    assert "a key that is neither text nor a number" in refusal_alone(program(b"}" + key + b"K\x01s"))


@pytest.mark.parametrize("piece", [b"\x85", b"q\x00h\x00\x86"])
def test_deep_nesting_alone_is_harmless(piece):
    content = container(checkpoint({}, args=Raw(pickled(1) + piece * 10_000)), {})
    assert read_state_dict(content) == {}


@pytest.mark.slow
def test_deep_nesting_of_lists_and_options_is_harmless():
    lists = Raw(b"]" * 10_000 + b"a" * 9_999)
    options = Raw(namespace().code * 3_000 + b"b" * 2_999)
    assert read_state_dict(container(checkpoint({}, args=[lists, options]), {})) == {}


def test_a_list_within_itself_is_harmless():
    assert read_state_dict(container(checkpoint({}, args=Raw(b"]q\x00h\x00a")), {})) == {}
