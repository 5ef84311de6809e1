"""Tensors come out of every form of torch's files as they were saved."""

import argparse
import collections
import io
import random
import struct
import zipfile

import pytest
import torch

from LungCancerDxLib.errors import ModelError
from LungCancerDxLib.models.legacy_checkpoint import read_state_dict
from Testing.models.old_files import MACHINE, checkpoint, container, old_file, storage, stream, tensor


def numbers(*size):
    return torch.randn(size, generator=torch.Generator().manual_seed(7))


STATE = {"a.weight": numbers(3, 2, 2), "a.bias": numbers(3), "empty": torch.empty(0), "count": torch.tensor([5])}


def same(found, expected):
    return list(found) == list(expected) and all(
        found[name].dtype == value.dtype and torch.equal(found[name], value) for name, value in expected.items()
    )


def todays(state, zipped):
    """The same as torch writes it today, in either container."""
    file = io.BytesIO()
    saved = {"epoch": 1, "state_dict": state, "args": argparse.Namespace(remark="é" * 400)}
    torch.save(saved, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def refusal(content):
    with pytest.raises(ModelError) as caught:
        read_state_dict(content)
    return str(caught.value)


def test_a_file_of_python_2_is_read():
    assert same(read_state_dict(old_file(STATE)), STATE)


def test_the_mock_files_are_what_torch_itself_reads(tmp_path):
    """With the unsafe loader, on a file of our own making: the writer of these tests is true to the format."""
    (tmp_path / "file").write_bytes(old_file(STATE))
    loaded = torch.load(tmp_path / "file", encoding="latin1", weights_only=False)
    assert same(loaded["state_dict"], STATE)
    assert loaded["args"].lr_stage.tobytes() == struct.pack("<4q", 50, 100, 140, 160)


@pytest.mark.parametrize("zipped", [False, True])
def test_files_that_torch_writes_today_are_read(zipped):
    state = collections.OrderedDict(STATE, shared=STATE["a.weight"], turned=STATE["a.weight"].permute(2, 0, 1)[1:])
    state._metadata = collections.OrderedDict(version=1)  # type: ignore[attr-defined]
    assert same(read_state_dict(todays(state, zipped)), state)


def test_a_tensor_on_the_graphics_card_is_read_as_numbers():
    held = storage("FloatStorage", "1", 3, module="torch.cuda")
    content = container(checkpoint({"w": tensor(held, 1, (2,), (1,))}), {"1": (3, struct.pack("<3f", 1, 2, 3))})
    assert same(read_state_dict(content), {"w": torch.tensor([2.0, 3.0])})


def test_a_file_cut_off_anywhere_is_refused():
    content = old_file(STATE)
    for end in range(0, len(content), 7):
        assert refusal(content[:end])


def test_a_file_damaged_anywhere_is_read_or_refused():
    """Seeded fuzzing of all three forms: no other error comes out."""
    outcomes: collections.Counter[str] = collections.Counter()
    chance, seeds = random.Random(2017), [old_file(STATE), todays(STATE, False), todays(STATE, True)]
    for _ in range(1500):
        content = bytearray(chance.choice(seeds))
        for _ in range(chance.choice((1, 2, 20))):
            at = chance.randrange(len(content))
            content[at : at + chance.randrange(2)] = chance.choice(
                (b"", b"\xff", b"(", b".", b"u", b"R", b"\x86", b"K\x05")
            )
        try:
            read_state_dict(bytes(content))
            outcomes["read"] += 1
        except ModelError:
            outcomes["refused"] += 1
    assert outcomes["read"] > 0
    assert outcomes["refused"] > 0
    assert outcomes.total() == 1500


def test_a_file_with_more_than_it_should_is_refused():
    assert "something after its last storage" in refusal(old_file(STATE) + b"x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cut off or damaged"),
        (b"<!DOCTYPE html><html>", "cut off or damaged"),
        (bytes(1000), "cut off or damaged"),
        (b"x" * 257 + b"ustar" + b"x" * 250, "it is a tar file"),
        (stream(5) * 3, "another magic number"),
        (container(checkpoint({}), {}).replace(stream(1001), stream(1002)), "another version"),
        (container(checkpoint({}), {}, {**MACHINE, "little_endian": False}), "byte order"),
        (container(checkpoint({}), {"1": (0, b"")}), "another list of storages"),
        (container([1, 2], {}), "no 'state_dict'"),
        (container({"epoch": 1}, {}), "no 'state_dict'"),
        (container(checkpoint({"w": 1.5}), {}), "no 'state_dict' of tensors"),
        (container(checkpoint({1: 1.5}), {}), "no 'state_dict' of tensors"),
    ],
)
def test_what_is_no_checkpoint_is_refused_in_words(content, message):
    assert message in refusal(content)


def test_a_storage_of_another_size_than_announced_is_refused():
    held = storage("FloatStorage", "1", 2)
    value = checkpoint({"w": tensor(held, 0, (2,), (1,))})
    assert "another size" in refusal(container(value, {"1": (3, bytes(12))}))
    assert "cut off" in refusal(container(value, {"1": (2, bytes(4))}))


def archive(compression, **members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as made:
        for name, content in members.items():
            made.writestr(f"archive/{name.replace('_', '.', 1)}", content)
    return file.getvalue()


def test_zip_archives_that_torch_does_not_write_are_refused():
    assert "compressed files" in refusal(archive(zipfile.ZIP_DEFLATED, data_pkl=bytes(10**6)))
    assert "damaged zip archive" in refusal(archive(zipfile.ZIP_STORED, other=b""))
    assert "byte order" in refusal(archive(zipfile.ZIP_STORED, byteorder=b"big", data_pkl=stream({})))
    assert "zip" in refusal(archive(zipfile.ZIP_STORED, data_pkl=stream({}))[:-30])
    assert "far too many files" in refusal(archive(zipfile.ZIP_STORED, **{f"f{n}": b"" for n in range(5000)}))
    missing = stream({"state_dict": {"w": tensor(storage("FloatStorage", "0", 2), 0, (2,), (1,))}})
    assert "damaged zip archive" in refusal(archive(zipfile.ZIP_STORED, data_pkl=missing))
