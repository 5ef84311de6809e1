"""Finding the CT slices among whatever files a folder holds, by their headers alone."""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage

from ...errors import cannot_be_opened
from ...names import listed
from ..image_file import image_extension
from .header import (
    PATIENT_TAGS,
    NotACTSlice,
    SliceHeader,
    check_rescale,
    frame_slices,
    number,
    single_slice,
    text,
    texts,
)
from .pixels import plain_pixels

DAMAGED = "files with a damaged header"
ARCHIVES = "archives, which must be unpacked first"
FOREIGN = "foreign files (not DICOM)"
IMAGES = "image files, which must be given themselves"
BROKEN_LINKS = "links to files that are not here, whose content must be fetched first"
_LOCALIZERS = "localizers"
_OTHER_IMAGES = (_LOCALIZERS, "colour images")  # what may share a series with slices and is none of them
_THREADS = 8  # reading headers waits for the disk
_AT_A_TIME = 256
_START_BYTES = 264
_ARCHIVE_STARTS = (b"PK\x03\x04", b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf\x27\x1c", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
_TAGS = [
    "ImageType",
    "Modality",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesDescription",
    "FrameOfReferenceUID",
    "BodyPartExamined",
    "PatientID",
    "PatientName",
    *PATIENT_TAGS,
    "SpecificCharacterSet",
    "SliceThickness",
    "ConvolutionKernel",
    "AcquisitionNumber",
    "AcquisitionDateTime",
    "AcquisitionTime",
    "IrradiationEventUID",
    "TemporalPositionIdentifier",
    "NominalPercentageOfCardiacPhase",
    "TriggerTime",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SamplesPerPixel",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "SOPClassUID",
    "PhotometricInterpretation",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
]
_MODALITY_NAMES = {"PT": "PET", "NM": "nuclear medicine", "US": "ultrasound", "CR": "X-ray", "DX": "X-ray"}


@dataclass(frozen=True)
class LeftOut:
    """A file that gave no slice: its kind (in the plural), its series as far as the header tells, and whether the file
    is empty, damaged or cut off, so that nothing can be known of it."""

    path: Path
    kind: str
    series_uid: str = ""
    unreadable: bool = False


def files_under(folder: Path) -> list[Path]:
    """All files of a folder, the folders in it and those that it links to, sorted; broken links among them.

    Raises CTReadError where a folder cannot be opened.
    """

    def refuse(error: OSError) -> None:
        raise cannot_be_opened(folder, error)

    seen = {os.path.realpath(folder)}
    found: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        inside = {os.path.realpath(os.path.join(parent, name)): name for name in sorted(folders, reverse=True)}
        folders[:] = [name for path, name in inside.items() if path not in seen]
        seen.update(inside)
        found += [Path(parent, name) for name in names]
    return sorted(path for path in found if path.is_file() or path.is_symlink())


def scan(paths: Iterable[Path]) -> tuple[list[SliceHeader], list[LeftOut]]:
    """The CT slices in some files, and the files without.

    Raises CTReadError where a file cannot be opened.
    """
    slices: list[SliceHeader] = []
    left_out: list[LeftOut] = []
    with ThreadPoolExecutor(_THREADS) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # what pydicom says of odd values; checked here where it matters
        for found in pool.map(_ct_slices, paths):
            if isinstance(found, LeftOut):
                left_out.append(found)
            else:
                slices += found
    return slices, left_out


def kinds(left_out: Sequence[LeftOut]) -> str:
    """What the files without a slice are, and how many of each kind."""
    counts = Counter(file.kind for file in left_out)
    return ", ".join(f"{kind}: {count}" for kind, count in counts.most_common())


def lost_slices(left_out: Sequence[LeftOut], stack: Sequence[SliceHeader]) -> tuple[list[Path], list[Path]]:
    """The files that look like slices of a stack and could not be used, and those of which nobody knows.

    The former are images of its series, and what is empty, damaged or cut off beside its slices under a name like
    theirs; the latter the same in other folders.
    """
    series = {s.series.uid for s in stack} - {""}
    looks = {_look(s.path) for s in stack}
    folders = {s.path.parent for s in stack}
    lost, unknown = [], []
    for file in left_out:
        if file.series_uid in series and file.kind not in _OTHER_IMAGES:
            lost.append(file.path)
        elif file.unreadable and not file.series_uid and _look(file.path) in looks:
            if file.path.parent in folders:
                lost.append(file.path)
            elif file.kind != FOREIGN:
                unknown.append(file.path)
    return lost, unknown


def listed_files(files: Sequence[Path]) -> str:
    """The names of the first files, and how many more there are."""
    return listed(list(dict.fromkeys(file.name for file in files)))


def _look(path: Path) -> str:
    """What the name of a slice has in common with those of the others: its ending, else what is no number."""
    name, ending = path.name.lower(), path.suffix.lower()
    if name.startswith(".") or re.fullmatch(r"\.[a-z]+", ending):
        return name if name.startswith(".") else ending
    return re.sub(r"[0-9a-f]{8,}|\d+(\.\d+)*", "#", name)


def _ct_slices(path: Path) -> list[SliceHeader] | LeftOut:
    """The CT slices of one file, or what it is where it holds none."""
    dataset = Dataset()
    try:
        if not path.is_file():
            return LeftOut(path, BROKEN_LINKS, unreadable=True)
        with path.open("rb") as file:
            if other := _not_dicom(file):
                other = IMAGES if image_extension(path) else other
                return LeftOut(path, other, unreadable=other not in (ARCHIVES, IMAGES))
            dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=_TAGS)
            _check_ct_image(dataset)
            if "PerFrameFunctionalGroupsSequence" in dataset or (number(dataset, "NumberOfFrames") or 1) > 1:
                return frame_slices(dataset, path) or LeftOut(path, _LOCALIZERS)
            return [single_slice(dataset, path, plain_pixels(dataset, file))]
    except NotACTSlice as kind:
        return LeftOut(path, str(kind), text(dataset, "SeriesInstanceUID"), _is_cut_off(dataset))
    except Exception as error:  # a damaged or foreign file can fail in any way, and must not hide the scan beside it
        if isinstance(error, OSError) and error.errno is not None:  # the system's own, not one that pydicom makes up
            raise cannot_be_opened(path, error) from error
        return LeftOut(path, DAMAGED, text(dataset, "SeriesInstanceUID"), unreadable=True)


def slices_in(paths: Iterable[Path]) -> Iterator[tuple[Path, int]]:
    """The files that hold CT slices, and how many each, some files at a time.

    Raises CTReadError where a file cannot be opened.
    """
    paths = iter(paths)
    while some := list(islice(paths, _AT_A_TIME)):
        yield from Counter(header.path for header in scan(some)[0]).items()


def _not_dicom(file: BinaryIO) -> str:
    """What a file is that does not begin as DICOM does; else empty.

    DICOM begins with the letters DICM after 128 bytes or, without these, with group 2 or (old files) group 8 at once.
    """
    start = file.read(_START_BYTES)
    file.seek(0)
    if start[128:132] == b"DICM" or start[:2] in (b"\x02\x00", b"\x08\x00"):
        return ""
    if not any(start):
        return "files of zeros" if start else "empty files"
    return ARCHIVES if start.startswith(_ARCHIVE_STARTS) or start[257:262] == b"ustar" else FOREIGN


def _check_ct_image(dataset: Dataset) -> None:
    modality = text(dataset, "Modality")
    if "Rows" not in dataset or "Columns" not in dataset:
        raise NotACTSlice("DICOM files without an image")
    if modality not in ("CT", ""):
        raise NotACTSlice(f"{_MODALITY_NAMES.get(modality, modality)} images")
    if int(dataset.get("SamplesPerPixel") or 1) != 1:
        raise NotACTSlice("colour images")
    if "LOCALIZER" in texts(dataset, "ImageType"):
        raise NotACTSlice(_LOCALIZERS)
    stored, high = number(dataset, "BitsStored"), number(dataset, "HighBit")
    if stored and high and high != stored - 1:
        raise NotACTSlice("images with a retired layout of their bits (HighBit)")
    check_rescale(dataset)


def _is_cut_off(dataset: Dataset) -> bool:
    """Whether a header without an image is that of a CT slice, as far as it tells."""
    meta = getattr(dataset, "file_meta", Dataset())
    storage = text(dataset, "SOPClassUID") or text(meta, "MediaStorageSOPClassUID")
    return "Rows" not in dataset and storage in ("", CTImageStorage, EnhancedCTImageStorage)
