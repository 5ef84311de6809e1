"""Arrays on disk come back as they were, or not at all."""

import numpy as np
import pytest

from LungCancerDxLib.errors import OutputError
from LungCancerDxLib.runtime.npz import kept_npz, read_npz, write_npz

ARRAYS = {"proposals": np.arange(10.0).reshape(2, 5), "warnings": np.array(["cut off"], dtype=str)}


@pytest.mark.parametrize("compressed", [True, False])
def test_arrays_come_back_as_they_were(tmp_path, compressed):
    write_npz(tmp_path / "new" / "arrays.npz", ARRAYS, compressed=compressed)
    read = read_npz(tmp_path / "new" / "arrays.npz", ARRAYS)
    assert read.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read[name], array)


@pytest.mark.slow
@pytest.mark.parametrize("compressed", [True, False])
def test_a_file_with_any_byte_flipped_is_read_right_or_not_at_all(tmp_path, compressed):
    """Every byte of a small file, so that every kind of damage to a zip file is met."""
    path = tmp_path / "arrays.npz"
    write_npz(path, ARRAYS, compressed=compressed)
    whole = path.read_bytes()
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :])
        kept = kept_npz(path, ARRAYS)
        if kept is not None:
            for name, array in kept.items():
                np.testing.assert_array_equal(array, ARRAYS[name])


@pytest.mark.parametrize("content", [None, b"", b"hello"])
def test_what_is_no_such_file_says_so(tmp_path, content):
    if content is not None:
        (tmp_path / "arrays.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"\w"):
        read_npz(tmp_path / "arrays.npz", ["proposals"])
    assert kept_npz(tmp_path / "arrays.npz", ["proposals"]) is None


def test_a_file_without_one_of_the_arrays_is_not_read(tmp_path):
    write_npz(tmp_path / "arrays.npz", ARRAYS)
    with pytest.raises(ValueError, match="nodules"):
        read_npz(tmp_path / "arrays.npz", [*ARRAYS, "nodules"])


def test_a_file_that_cannot_be_written_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="could not be written"):
        write_npz(tmp_path / "file" / "arrays.npz", ARRAYS)
