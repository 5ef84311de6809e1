"""What ITK passes over in silence: a missing voxel size, other units, and NaN in NIfTI."""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import CTReadError

_HEADER_BYTES = 1 << 16  # no text header is longer
_BLOCK_BYTES = 1 << 22
_NIFTI1_BYTES, _NIFTI2_BYTES = 348, 540  # of the header, its own first number
_NIFTI_FLOATS = {"16": "f4", "64": "f8"}


def check_voxel_size(reader: sitk.ImageFileReader, path: Path) -> None:
    """Refuse a file that does not say its voxel size in mm: ITK would take 1 mm."""
    if is_nifti(reader):
        sizes = _nifti_voxel_size(next(_blocks(path)))
        stated: str | None = " ".join(f"{size:g}" for size in sizes)
        known = all(math.isfinite(size) and size > 0 for size in sizes)
    else:
        stated = _text_field(path, reader.GetImageIO())
        known = stated is not None and "nan" not in stated.lower()
    if not known:
        found = f"'{stated}'" if stated else "nothing"
        raise CTReadError(
            f"{path}: the voxel size is missing (the header says {found}), expected millimetres; export the scan again."
        )


def is_nifti(reader: sitk.ImageFileReader) -> bool:
    """Whether ITK read the header as NIfTI."""
    return reader.HasMetaDataKey("vox_offset")


def check_nifti_data(reader: sitk.ImageFileReader, path: Path) -> None:
    """Refuse a NIfTI file that is cut off or holds NaN: ITK makes zeros of both."""
    offset = int(float(reader.GetMetaData("vox_offset")))
    voxels = int(np.prod(reader.GetSize()))
    expected = offset + voxels * int(reader.GetMetaData("bitpix")) // 8
    number = _NIFTI_FLOATS.get(reader.GetMetaData("datatype"))
    found = broken = 0
    for block in _blocks(path):
        if found == 0 and number:
            number = _byte_order(block) + number
        if number:
            values = block[max(offset - found, 0) : max(expected - found, 0)]
            broken += int(np.count_nonzero(~np.isfinite(np.frombuffer(values, number))))
        found += len(block)
    if found < expected:
        raise CTReadError(f"{path}: truncated: {found} of {expected} bytes; copy or export the file again.")
    if broken:
        raise CTReadError(
            f"{path}: {broken} of {voxels} voxels are NaN or infinite, where Hounsfield units were expected; "
            f"export the scan again, with -1024 outside the field of view."
        )


def _nifti_voxel_size(header: bytes) -> tuple[float, ...]:
    """What pixdim[1..3] really hold, of NIfTI-1 or NIfTI-2; ITK shows 1 in place of 0."""
    order = _byte_order(header)
    if struct.unpack(order + "i", header[:4])[0] == _NIFTI2_BYTES:
        return struct.unpack(order + "3d", header[112:136])
    return struct.unpack(order + "3f", header[80:92])


def _byte_order(header: bytes) -> str:
    return "<" if struct.unpack("<i", header[:4])[0] in (_NIFTI1_BYTES, _NIFTI2_BYTES) else ">"


def _text_field(path: Path, image_io: str) -> str | None:
    """The line of an NRRD or MetaImage header that states the voxel size, if it is in mm."""
    with path.open("rb") as file:
        text = file.read(_HEADER_BYTES).split(b"\n\n")[0].split(b"ElementDataFile")[0].decode("latin1")
    if image_io == "NrrdImageIO":
        units = re.search(r"^space units:\s*(.+)$", text, re.MULTILINE)
        if units and set(re.findall(r'"([^"]*)"', units[1])) - {"mm", ""}:
            return None
        field = re.search(r"^(?:space directions|spacings):\s*(.+)$", text, re.MULTILINE)
    else:
        field = re.search(r"^Element(?:Spacing|Size)\s*=\s*(.+)$", text, re.MULTILINE)
    return field[1].strip() if field else None


def _blocks(path: Path) -> Iterator[bytes]:
    """The file's uncompressed bytes, in blocks of a multiple of 8."""
    with path.open("rb") as plain:
        compressed = plain.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if compressed else path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                yield block
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CTReadError(f"{path}: the compressed data is damaged ({error}); copy or export the file again.") from None
