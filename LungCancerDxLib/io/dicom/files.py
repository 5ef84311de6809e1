"""Finding the CT slices among whatever files a folder holds, by their headers alone."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset

from ...errors import CTReadError
from .header import NotACTSlice, SliceHeader, frame_slices, single_slice, texts
from .pixels import plain_pixels

DAMAGED = "files with a damaged header"
_THREADS = 8  # reading headers waits for the disk
_TAGS = [
    "ImageType",
    "Modality",
    "SeriesDescription",
    "SliceThickness",
    "ConvolutionKernel",
    "SeriesInstanceUID",
    "AcquisitionNumber",
    "TemporalPositionIdentifier",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SamplesPerPixel",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "SOPClassUID",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
]
_MODALITY_NAMES = {"PT": "PET", "NM": "nuclear medicine", "US": "ultrasound", "CR": "X-ray", "DX": "X-ray"}


def files_under(folder: Path) -> list[Path]:
    """All files of a folder and the folders in it, sorted."""
    paths = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return sorted(path for path in paths if path.is_file())


def scan(paths: Iterable[Path]) -> tuple[list[SliceHeader], Counter[str]]:
    """The CT slices in some files, and how many files of each other kind were left out (`{"PET images": 30}`).

    Raises CTReadError where a file cannot be opened.
    """
    slices: list[SliceHeader] = []
    left_out: Counter[str] = Counter()
    with ThreadPoolExecutor(_THREADS) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what pydicom says of odd values; checked here where it matters
        for found in pool.map(_ct_slices, paths):
            if isinstance(found, str):
                left_out[found] += 1
            else:
                slices += found
    return slices, left_out


def _ct_slices(path: Path) -> list[SliceHeader] | str:
    """The CT slices of one file, or its kind where it holds none."""
    try:
        with path.open("rb") as file:
            if not _looks_like_dicom(file):
                return "foreign files (not DICOM)"
            dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=_TAGS)
            _check_ct_image(dataset)
            if "PerFrameFunctionalGroupsSequence" in dataset or int(dataset.get("NumberOfFrames") or 1) > 1:
                return frame_slices(dataset, path) or "localizers"
            return [single_slice(dataset, path, plain_pixels(dataset, file))]
    except NotACTSlice as kind:
        return str(kind)
    except OSError as error:
        raise CTReadError(
            f"{path}: cannot be opened ({error.strerror or error}); check that you may read it."
        ) from error
    except Exception:  # a damaged or foreign file can fail in any way, and must not hide the scan beside it
        return DAMAGED


def _looks_like_dicom(file: BinaryIO) -> bool:
    """Whether a file begins as DICOM does: the letters DICM after 128 bytes, or (old files) group 8 at once."""
    start = file.read(132)
    file.seek(0)
    return start[128:] == b"DICM" or start[:2] == b"\x08\x00"


def _check_ct_image(dataset: Dataset) -> None:
    modality = str(dataset.get("Modality") or "")
    if "Rows" not in dataset or "Columns" not in dataset:
        raise NotACTSlice("DICOM files without an image")
    if modality not in ("CT", ""):
        raise NotACTSlice(f"{_MODALITY_NAMES.get(modality, modality)} images")
    if int(dataset.get("SamplesPerPixel") or 1) != 1:
        raise NotACTSlice("colour images")
    if "LOCALIZER" in texts(dataset.get("ImageType")):
        raise NotACTSlice("localizers")
