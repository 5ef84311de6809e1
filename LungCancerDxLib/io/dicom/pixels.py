"""DICOM slices to Hounsfield units, several files at a time: plain ones read, the others decoded by GDCM."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk

from ...errors import CTReadError
from ..checks import to_hounsfield
from ..image_file import reason
from .header import SliceHeader
from .plain_pixels import read_plain

_THREADS = 4
_UNKNOWN_LENGTH = 0xFFFFFFFF  # how DICOM marks compressed pixel data
_DEFER_BYTES = 1024  # longer elements are not read when only their length is asked


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
    pixels = None if header.plain is None else read_plain(header.path, header.shape, header.plain)
    return _decode_file(header.path) if pixels is None else pixels[None]


def _decode_file(path: Path) -> np.ndarray:
    """The frames of a file (frames, rows, columns) with the rescale of the header, or of its first frame, applied."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(str(path))
    try:
        frames = sitk.GetArrayFromImage(reader.Execute())
    except RuntimeError as error:
        raise CTReadError(
            f"{path}: the pixels cannot be decoded ({reason(error)}): the slice is truncated, damaged, or compressed "
            f"in an unknown way. Copy or export the series again."
        ) from error
    _check_length(path)
    return frames


def _check_length(path: Path) -> None:
    """GDCM fills what uncompressed pixel data lacks with zeros, silently; so compare its length with the header."""
    tags = ["Rows", "Columns", "NumberOfFrames", "BitsAllocated", "PixelData"]
    dataset = pydicom.dcmread(path, force=True, defer_size=_DEFER_BYTES, specific_tags=tags)
    if "PixelData" not in dataset:
        return
    found = getattr(dataset.get_item("PixelData"), "length", _UNKNOWN_LENGTH)
    pixels = int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("NumberOfFrames") or 1)
    expected = pixels * int(dataset.BitsAllocated) // 8
    if found < expected:
        raise CTReadError(
            f"{path}: truncated: {found} bytes of pixels, expected {expected}; copy or export the series again."
        )
