"""Tensors and storages that lie about themselves end in a ModelError, at little cost."""

import pytest

from LungCancerDxLib.errors import ModelError
from LungCancerDxLib.models.legacy_checkpoint import read_state_dict
from Testing.models.hostile import GIB, refusal, watched
from Testing.models.old_files import Raw, checkpoint, container, name, pickled, storage, stream, tensor

__all__ = ["watched"]

pytestmark = pytest.mark.usefixtures("watched")


def whole(held, numel=4, offset=0, size=(2, 2), stride=(2, 1)):
    value = checkpoint({"w": tensor(held, offset, size, stride)})
    return container(value, {"1": (numel, bytes(4 * numel))})


GOOD = storage("FloatStorage", "1", 4)


def test_the_tensor_that_the_next_tests_spoil_is_good():
    assert read_state_dict(whole(GOOD))["w"].shape == (2, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"offset": 1},
        {"offset": -1},
        {"offset": 2**62},
        {"offset": 1.0},
        {"offset": None},
        {"offset": True},
        {"size": (5,), "stride": (1,)},
        {"size": (-2, -2)},
        {"size": (2,)},
        {"size": [2, 2]},
        {"size": (True, 2)},
        {"size": (2**40, 2**40)},
        {"size": (2**40, 0), "stride": (2**70, 1)},
        {"size": (GIB,), "stride": (0,)},  # a tensor of a GiB elements in four
        {"size": (1,) * 9, "stride": (1,) * 9},
        {"stride": (3, 1)},
        {"stride": (-1, 1)},
        {"stride": (2**62, 2**62)},
        {"stride": None},
    ],
)
def test_a_tensor_reaching_out_of_its_storage_is_refused(wrong):
    with pytest.raises(ModelError):
        read_state_dict(whole(GOOD, **wrong))


@pytest.mark.parametrize(
    "held",
    [
        storage("FloatStorage", "1", GIB),
        storage("FloatStorage", "1", -4),
        storage("FloatStorage", "1", 2**70),
        storage("FloatStorage", "1", None),
        storage("FloatStorage", "1", 4, ("2", 3, 4)),
        storage("FloatStorage", "1", 4, ("2", -1, 2)),
        storage("FloatStorage", "1", 4, ("2", 0, 3)),
        storage("FloatStorage", "1", 4, "part"),
        storage("FloatStorage", ("1",), 4),
        storage("DoubleStorage", "1", 4),
        storage("UntypedStorage", "1", 4),
        Raw(pickled(("storage", "FloatStorage", "1", "cpu", 4, None)) + b"Q"),
        Raw(pickled(("module", name("torch", "FloatStorage"), "file", "source")) + b"Q"),
        Raw(pickled("1") + b"Q"),
        Raw(pickled([]) + b"Q"),
        Raw(pickled({}) + b"Q"),
        Raw(b"N"),
    ],
)
def test_a_storage_that_lies_is_refused(held):
    with pytest.raises(ModelError):
        read_state_dict(whole(held))


def test_many_storages_together_cannot_claim_more_than_the_file_has():
    value = {str(n): tensor(storage("FloatStorage", str(n), 2000), 0, (1,), (1,)) for n in range(500)}
    with pytest.raises(ModelError, match="more than the file can hold"):
        read_state_dict(container(checkpoint(value), {}))


def test_one_storage_described_in_two_ways_is_refused():
    value = [tensor(GOOD, 0, (1,), (1,)), tensor(storage("FloatStorage", "1", 3), 0, (1,), (1,))]
    with pytest.raises(ModelError, match="described twice"):
        read_state_dict(container(checkpoint({}, args=value), {"1": (4, bytes(16))}))


def test_a_reference_outside_the_object_itself_is_refused():
    assert "a reference to something outside the pickle" in refusal(stream(GOOD))
