"""Slices as nearly all scanners write them: uncompressed 16 bit numbers, read without a decoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

_BITS = 16
_LARGEST_RESCALE = 2**14  # so that 16 bit numbers stay within 32 bits
_PIXEL_DATA = b"\xe0\x7f\x10\x00"


@dataclass(frozen=True)
class PlainPixels:
    """Where in its file a slice begins, how many of the 16 bits count, and what makes Hounsfield units of them."""

    offset: int
    stored_bits: int
    signed: bool
    slope: int
    intercept: int


def plain_pixels(dataset: Dataset, file: BinaryIO) -> PlainPixels | None:
    """How to read the pixels that follow in the file; None for whatever is better left to the decoder.

    Parameters
    ----------
    dataset
        The header of a single CT slice.
    file
        Where the header ends.
    """
    syntax = getattr(dataset.file_meta, "TransferSyntaxUID", None) if hasattr(dataset, "file_meta") else None
    slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
    stored_bits, high_bit = dataset.get("BitsStored"), dataset.get("HighBit")
    if (
        syntax not in (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
        or dataset.get("SOPClassUID") != CTImageStorage
        or dataset.get("BitsAllocated") != _BITS
        or stored_bits not in range(1, _BITS + 1)
        or high_bit != stored_bits - 1
        or dataset.get("PixelRepresentation") not in (0, 1)
        or not (_is_whole(slope) and _is_whole(intercept) and slope)
    ):
        return None
    begin = file.tell()
    header = file.read(8 if syntax == ImplicitVRLittleEndian else 12)
    length = int.from_bytes(header[-4:], "little")
    if not header.startswith(_PIXEL_DATA) or length < int(dataset.Rows) * int(dataset.Columns) * _BITS // 8:
        return None
    return PlainPixels(begin + len(header), stored_bits, dataset.PixelRepresentation == 1, int(slope), int(intercept))


def _is_whole(number: object) -> bool:
    return isinstance(number, float) and number.is_integer() and abs(number) <= _LARGEST_RESCALE


def read_plain(path: Path, shape: tuple[int, int], plain: PlainPixels) -> np.ndarray | None:
    """The int32 Hounsfield units (rows, columns) of a slice; None where the file ends too early."""
    count = shape[0] * shape[1]
    stored = np.fromfile(path, "<i2" if plain.signed else "<u2", count, offset=plain.offset)
    if len(stored) < count:
        return None
    unused = _BITS - plain.stored_bits
    if unused:  # they may hold anything, and shifting out repeats the sign
        stored = stored << unused >> unused
    hu = stored.reshape(shape).astype(np.int32)
    if plain.slope != 1:
        hu *= plain.slope
    hu += plain.intercept
    return hu
