"""What the header of a CT slice, or of a frame of a multi-frame file, says: its series, place in the patient, size."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset

_UNIT_TOLERANCE = 1e-2  # of the length of a direction and the cosine between two, before they count as nonsense
_SEXES = {"F": "female", "M": "male"}
_YEARS_PER_UNIT = {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1}
_OLDEST_YEARS = 120  # older ones are placeholders
_BINARY = ("US", "UL", "SS", "SL", "FL", "FD")  # value representations that hold no text


class NotACTSlice(Exception):
    """A file that is no slice of a CT stack; the message names its kind in the plural (`PET images`)."""


@dataclass(frozen=True)
class Series:
    """What is kept of the series: nothing that identifies the patient.

    `patient` are the digests of the patient's ID, name and date of birth, empty where they are missing; the sex is
    "female", "male" or empty.
    """

    uid: str
    description: str
    kernel: str
    modality: str
    slice_thickness_mm: float | None
    study: str = ""
    frame_of_reference: str = ""
    image_type: tuple[str, ...] = ()
    body_part: str = ""
    rescale_type: str = ""
    patient: tuple[str, str, str] = ("", "", "")
    patient_age_years: float | None = None
    patient_sex: str = ""


@dataclass(frozen=True)
class PlainPixels:
    """Where in its file a slice begins, how many of the 16 bits count, and what makes Hounsfield units of them."""

    offset: int
    stored_bits: int
    signed: bool
    slope: int
    intercept: int


@dataclass(frozen=True)
class SliceHeader:
    """One slice: a file, or a frame of a multi-frame file.

    `orientation` holds the LPS directions of growing column index (i) and growing row index (j), six numbers;
    `position_lps_mm` is the centre of the first pixel; `pixel_mm` its size along j and i; `shape` is (rows, columns).
    `acquisition`, `temporal`, `cardiac_phase`, `event`, `time` (empty where missing) and `instance` may tell apart
    slices of several acquisitions. `has_intercept` tells whether it states its RescaleIntercept. `to_hu` is (slope,
    intercept) still to be applied to what the decoder gives, which turns the values of an `inverted` image
    (MONOCHROME1) round; `plain` is there where no decoder is needed.
    """

    path: Path
    series: Series
    position_lps_mm: tuple[float, ...]
    orientation: tuple[float, ...]
    pixel_mm: tuple[float, ...]
    shape: tuple[int, int]
    frame: int = 0
    stack: str = ""
    acquisition: str = ""
    temporal: str = ""
    cardiac_phase: str = ""
    event: str = ""
    time: str = ""
    instance: int | None = None
    has_intercept: bool = True
    to_hu: tuple[float, float] = (1.0, 0.0)
    inverted: bool = False
    plain: PlainPixels | None = None

    @property
    def normal_lps(self) -> np.ndarray:
        """Unit normal of the slice, the cross product of its two directions, shape (3,)."""
        normal = np.cross(self.orientation[:3], self.orientation[3:])
        return np.asarray(normal / np.linalg.norm(normal))

    @property
    def thickness(self) -> str:
        """Of the slice in mm, empty where unknown."""
        thickness_mm = self.series.slice_thickness_mm
        return "" if thickness_mm is None else f"{thickness_mm:g}"

    @property
    def plane(self) -> str:
        """The plane that the slice is nearest to."""
        return ("sagittal", "coronal", "axial")[int(np.argmax(np.abs(self.normal_lps)))]


def slice_positions_mm(slices: Sequence[SliceHeader]) -> np.ndarray:
    """Where parallel slices lie along the first one's normal, in mm, shape (n,)."""
    return np.asarray(np.array([s.position_lps_mm for s in slices]) @ slices[0].normal_lps)


def single_slice(dataset: Dataset, path: Path, plain: PlainPixels | None) -> SliceHeader:
    """The header of a file that holds one slice."""
    return SliceHeader(
        path=path,
        series=_series(dataset),
        position_lps_mm=_numbers(dataset, "ImagePositionPatient", 3),
        orientation=_directions(dataset),
        pixel_mm=_pixel_size(dataset),
        shape=(int(dataset.Rows), int(dataset.Columns)),
        acquisition=text(dataset, "AcquisitionNumber"),
        temporal=text(dataset, "TemporalPositionIdentifier"),
        cardiac_phase=text(dataset, "NominalPercentageOfCardiacPhase") or text(dataset, "TriggerTime"),
        event=text(dataset, "IrradiationEventUID"),
        time=text(dataset, "AcquisitionDateTime") or text(dataset, "AcquisitionTime"),
        instance=_whole(dataset, "InstanceNumber"),
        has_intercept=number(dataset, "RescaleIntercept") is not None,
        inverted=_is_inverted(dataset),
        plain=plain,
    )


def frame_slices(dataset: Dataset, path: Path) -> list[SliceHeader]:
    """The headers of all frames of a multi-frame file but localizers, in file order.

    The decoder (GDCM) applies the rescale of the first frame to all; `to_hu` turns that into the frame's own.
    """
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    if len(per_frame) != int(dataset.get("NumberOfFrames") or 1):
        raise NotACTSlice("multi-frame images without a position for each frame")
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    frames = [_Frame(own, shared) for own in per_frame]
    slices = [_frame_slice(dataset, path, n, frame, frames[0]) for n, frame in enumerate(frames)]
    return [s for s, frame in zip(slices, frames, strict=True) if not frame.is_localizer]


def texts(dataset: Dataset, keyword: str) -> list[str]:
    """The values of an element as they stand in the file, whatever they should be; empty where it is missing.

    pydicom's own conversion gives a whole file up for one number that is none.
    """
    element = dataset.get_item(keyword)
    value: object = None if element is None else element.value
    if isinstance(value, bytes):
        value = dataset.get(keyword) if dictionary_VR(keyword) in _BINARY else value.decode("latin1")
    if isinstance(value, str):
        value = value.split("\\")
    values = value if isinstance(value, Sequence) else [] if value is None else [value]
    stripped = [str(part).strip(" \0") for part in values]
    return stripped if any(stripped) else []


def text(dataset: Dataset, keyword: str) -> str:
    """The first value of an element, empty where it is missing."""
    return next(iter(texts(dataset, keyword)), "")


def number(dataset: Dataset, keyword: str) -> float | None:
    """The first value of an element, None where it is missing or no finite number."""
    found = texts(dataset, keyword)
    return _number(found[0]) if found else None


def check_rescale(dataset: Dataset) -> None:
    """Raises NotACTSlice where what makes Hounsfield units of the pixels is there and no number."""
    for keyword in ("RescaleSlope", "RescaleIntercept"):
        if texts(dataset, keyword) and number(dataset, keyword) is None:
            raise NotACTSlice(f"images with an unreadable {keyword}")


class _Frame:
    """The functional groups of one frame: its own first, else those shared by all frames."""

    def __init__(self, own: Dataset, shared: Dataset) -> None:
        self._own, self._shared = own, shared

    def group(self, name: str) -> Dataset:
        found: list[Dataset] = self._own.get(name) or self._shared.get(name) or [Dataset()]
        return found[0]

    @property
    def is_localizer(self) -> bool:
        return "LOCALIZER" in texts(self.group("CTImageFrameTypeSequence"), "FrameType")

    @property
    def rescale(self) -> tuple[float, float | None]:
        """Slope and intercept, the latter None where it is not stated."""
        group = self.group("PixelValueTransformationSequence")
        check_rescale(group)
        return number(group, "RescaleSlope") or 1.0, number(group, "RescaleIntercept")


def _frame_slice(dataset: Dataset, path: Path, n: int, frame: _Frame, first: _Frame) -> SliceHeader:
    content = frame.group("FrameContentSequence")
    measures = frame.group("PixelMeasuresSequence")
    (slope, intercept), (first_slope, first_intercept) = frame.rescale, first.rescale
    gain = slope / first_slope
    return SliceHeader(
        path=path,
        series=_series(dataset, frame),
        position_lps_mm=_numbers(frame.group("PlanePositionSequence"), "ImagePositionPatient", 3),
        orientation=_directions(frame.group("PlaneOrientationSequence")),
        pixel_mm=_pixel_size(measures),
        shape=(int(dataset.Rows), int(dataset.Columns)),
        frame=n,
        stack=text(content, "StackID"),
        acquisition=text(content, "FrameAcquisitionNumber"),
        temporal=text(content, "TemporalPositionIndex"),
        cardiac_phase=text(frame.group("CardiacSynchronizationSequence"), "NominalPercentageOfCardiacPhase"),
        time=text(content, "FrameAcquisitionDateTime"),
        instance=n + 1,
        has_intercept=intercept is not None,
        to_hu=(gain, (intercept or 0.0) - gain * (first_intercept or 0.0)),
        inverted=_is_inverted(dataset),
    )


def _series(dataset: Dataset, frame: _Frame | None = None) -> Series:
    """The series a file belongs to; a multi-frame file keeps much of it with its frames."""
    kernel = frame.group("CTReconstructionSequence") if frame else dataset
    thickness = frame.group("PixelMeasuresSequence") if frame else dataset
    values = frame.group("PixelValueTransformationSequence") if frame else dataset
    kind = texts(frame.group("CTImageFrameTypeSequence"), "FrameType") if frame else []
    return Series(
        uid=text(dataset, "SeriesInstanceUID"),
        description=_decoded(dataset, "SeriesDescription"),
        kernel="\\".join(texts(kernel, "ConvolutionKernel") or texts(dataset, "ConvolutionKernel")),
        modality=text(dataset, "Modality"),
        slice_thickness_mm=number(thickness, "SliceThickness"),
        study=text(dataset, "StudyInstanceUID"),
        frame_of_reference=text(dataset, "FrameOfReferenceUID"),
        image_type=tuple(part.upper() for part in kind or texts(dataset, "ImageType")),
        body_part=text(dataset, "BodyPartExamined").upper(),
        rescale_type=text(values, "RescaleType").upper(),
        patient=(
            _digest(text(dataset, "PatientID")),
            _digest(text(dataset, "PatientName")),
            _digest(text(dataset, "PatientBirthDate")),
        ),
        patient_age_years=patient_of_header(dataset)[0],
        patient_sex=patient_of_header(dataset)[1] or "",
    )


PATIENT_TAGS = ["PatientAge", "PatientSex", "PatientBirthDate", "StudyDate"]


def patient_of_header(dataset: Dataset) -> tuple[float | None, str | None]:
    """Age in years and sex ("female", "male"); None where the header does not tell."""
    return _age_years(dataset), _SEXES.get(text(dataset, "PatientSex").upper())


def _age_years(dataset: Dataset) -> float | None:
    """The patient's age as it stands there, or from the dates of study and birth; None where neither makes sense."""
    stated = re.fullmatch(r"(\d{1,3})([DWMY])", text(dataset, "PatientAge").upper())
    if stated:
        years = int(stated.group(1)) * _YEARS_PER_UNIT[stated.group(2)]
    else:
        dates = [re.fullmatch(r"\d{8}", text(dataset, keyword)) for keyword in ("StudyDate", "PatientBirthDate")]
        if not all(dates):
            return None
        study, birth = (int(date.group()) for date in dates if date)
        years = (study - birth) // 10000  # YYYYMMDD: whole years, birthdays included
    return float(years) if 0 < years <= _OLDEST_YEARS else None


def _is_inverted(dataset: Dataset) -> bool:
    return text(dataset, "PhotometricInterpretation") == "MONOCHROME1"


def _decoded(dataset: Dataset, keyword: str) -> str:
    """A text in the file's own character set."""
    try:
        return str(dataset.get(keyword) or "")
    except Exception:  # a value that pydicom cannot read
        return text(dataset, keyword)


def _digest(value: str) -> str:
    return hashlib.blake2b(value.casefold().encode(), digest_size=8).hexdigest() if value else ""


def _number(value: str) -> float | None:
    """A finite number, also one with a decimal comma."""
    try:
        found = float(value.replace(",", "."))
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _whole(dataset: Dataset, keyword: str) -> int | None:
    found = number(dataset, keyword)
    return None if found is None else int(found)


def _numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...]:
    """An element of `count` finite numbers; NotACTSlice where it is missing or otherwise."""
    values = texts(dataset, keyword)
    found = tuple(n for value in values if (n := _number(value)) is not None)
    if not values:
        raise NotACTSlice("images without position, orientation or pixel size")
    if len(found) != count or len(values) != count:
        raise NotACTSlice(f"images with an unreadable {keyword}")
    return found


def _pixel_size(dataset: Dataset) -> tuple[float, ...]:
    """Two lengths in mm, both above zero."""
    found = _numbers(dataset, "PixelSpacing", 2)
    if min(found) <= 0:
        raise NotACTSlice("images with an impossible pixel size")
    return found


def _directions(dataset: Dataset) -> tuple[float, ...]:
    """Two orthogonal unit vectors, six numbers."""
    found = _numbers(dataset, "ImageOrientationPatient", 6)
    row, column = np.array(found[:3]), np.array(found[3:])
    products = (row @ row - 1, column @ column - 1, row @ column)
    if np.abs(products).max() > _UNIT_TOLERANCE:
        raise NotACTSlice("images with an impossible orientation")
    return found
