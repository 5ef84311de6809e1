"""DICOM slices to Hounsfield units, several files at a time.

Slices as nearly all scanners write them, uncompressed 16 bit numbers, are read without a decoder; the others are
decoded by GDCM.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ...errors import CTReadError
from ..checks import to_hounsfield
from ..image_file import image_reader, reason
from .header import PlainPixels, SliceHeader, number

_THREADS = 4
_UNKNOWN_LENGTH = 0xFFFFFFFF  # how DICOM marks compressed pixel data
_DEFER_BYTES = 1024  # longer elements are not read when only their length is asked
_BITS = 16
_LARGEST_RESCALE = 2**14  # so that 16 bit numbers stay within 32 bits
_PIXEL_DATA = b"\xe0\x7f\x10\x00"


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
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
    stored_bits, high_bit = dataset.get("BitsStored"), dataset.get("HighBit")
    if (
        syntax not in (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
        or dataset.get("SOPClassUID") != CTImageStorage
        or dataset.get("BitsAllocated") != _BITS
        or stored_bits not in range(1, _BITS + 1)
        or high_bit != stored_bits - 1
        or dataset.get("PixelRepresentation") not in (0, 1)
        or not (slope and _is_whole(slope) and intercept is not None and _is_whole(intercept))
    ):
        return None
    begin = file.tell()
    header = file.read(8 if syntax == ImplicitVRLittleEndian else 12)
    length = int.from_bytes(header[-4:], "little")
    if not header.startswith(_PIXEL_DATA) or length < int(dataset.Rows) * int(dataset.Columns) * _BITS // 8:
        return None
    return PlainPixels(begin + len(header), stored_bits, dataset.PixelRepresentation == 1, int(slope), int(intercept))


def decoded(slices: Sequence[SliceHeader]) -> Iterator[tuple[int, np.ndarray]]:
    """Each slice's place in `slices` and its int16 HU (rows, columns); a multi-frame file is decoded once.

    Raises CTReadError where a file is truncated or cannot be decoded.
    """
    by_file: dict[Path, list[int]] = defaultdict(list)
    for n, header in enumerate(slices):
        by_file[header.path].append(n)
    with ThreadPoolExecutor(_THREADS) as pool:
        first_of_each = [slices[numbers[0]] for numbers in by_file.values()]
        for numbers, frames in zip(by_file.values(), pool.map(_frames, first_of_each), strict=True):
            for n in numbers:
                yield n, _hounsfield(slices[n], frames)


def stacked(slices: Sequence[SliceHeader]) -> np.ndarray:
    """All slices (of one size) as one int16 HU array (K, J, I), in the order given."""
    voxels = np.empty((len(slices), *slices[0].shape), np.int16)
    for n, pixels in decoded(slices):
        voxels[n] = pixels
    return voxels


def _is_whole(value: float) -> bool:
    return value.is_integer() and abs(value) <= _LARGEST_RESCALE


def _hounsfield(header: SliceHeader, frames: np.ndarray) -> np.ndarray:
    if header.frame >= len(frames) or frames.shape[1:] != header.shape:
        raise CTReadError(
            f"{header.path}: the pixels decoded ({frames.shape}) do not fit the header "
            f"({header.shape}, frame {header.frame + 1}); export the scan again."
        )
    pixels, (slope, intercept) = frames[header.frame], header.to_hu
    if (slope, intercept) != (1.0, 0.0):
        pixels = pixels * slope + intercept
    return to_hounsfield(pixels, header.path)


def _frames(header: SliceHeader) -> np.ndarray:
    """The frames of a slice's file (frames, rows, columns)."""
    pixels = None if header.plain is None else _read_plain(header.path, header.shape, header.plain)
    return _decode_file(header.path, header.inverted) if pixels is None else pixels[None]


def _read_plain(path: Path, shape: tuple[int, int], plain: PlainPixels) -> np.ndarray | None:
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


def _decode_file(path: Path, inverted: bool = False) -> np.ndarray:
    """The frames of a file (frames, rows, columns) with the rescale of the header, or of its first frame, applied."""
    try:
        with (
            _as_monochrome2(path) if inverted else nullcontext(path) as file,
            image_reader(file, "GDCMImageIO") as reader,
        ):
            frames: np.ndarray = sitk.GetArrayFromImage(reader.Execute())
            _check_length(file, path)
    except (RuntimeError, TypeError, ValueError, LookupError, AttributeError) as error:  # of damaged headers
        raise CTReadError(
            f"{path}: the pixels cannot be decoded ({reason(error)}): the slice is truncated, damaged, or compressed "
            f"in an unknown way. Copy or export the series again."
        ) from error
    return frames


@contextmanager
def _as_monochrome2(path: Path) -> Iterator[Path]:
    """A copy of a file whose pixels GDCM leaves as they are; those of MONOCHROME1 it would turn round."""
    dataset = pydicom.dcmread(path, force=True)
    dataset.PhotometricInterpretation = "MONOCHROME2"
    with TemporaryDirectory() as folder:
        copy = Path(folder, "slice.dcm")
        dataset.save_as(copy)
        yield copy


def _check_length(file: Path, path: Path) -> None:
    """GDCM fills what pixel data lacks with zeros, silently; so look for their end, which the header tells.

    `path` names the file in a message. Raises CTReadError.
    """
    tags = ["Rows", "Columns", "NumberOfFrames", "BitsAllocated", "PixelData"]
    dataset = pydicom.dcmread(file, force=True, defer_size=_DEFER_BYTES, specific_tags=tags)
    if "PixelData" not in dataset:  # pydicom has not found the mark at the end of compressed ones
        raise CTReadError(f"{path}: truncated: its compressed pixels have no end; copy or export the series again.")
    element = dataset.get_item("PixelData")
    if isinstance(element, DataElement):  # pydicom has decoded it already
        found = _UNKNOWN_LENGTH if element.is_undefined_length else len(element.value or b"")
    else:
        found = element.length
    pixels = int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("NumberOfFrames") or 1)
    expected = pixels * int(dataset.BitsAllocated) // 8
    if found < expected:
        raise CTReadError(
            f"{path}: truncated: {found} bytes of pixels, expected {expected}; copy or export the series again."
        )
