"""What an old checkpoint says about its tensors, checked against what the file can hold before anything is made of it.

A checkpoint names its storages (blocks of numbers) and describes tensors as views of them. Both descriptions come from
the file and are not to be believed: every size, stride and offset is checked first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from ..errors import ModelError

_MAX_DIMENSIONS = 8


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


def tensor_entry(arguments: object) -> TensorEntry:
    """Check what `_rebuild_tensor` (4 arguments) or `_rebuild_tensor_v2` (6 or 7, the further ones ignored) is given.

    Raises
    ------
    ModelError
        Where the arguments describe no tensor within its storage.
    """
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
