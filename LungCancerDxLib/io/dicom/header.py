"""What the header of a CT slice, or of a frame of a multi-frame file, says: its series, place in the patient, size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

_UNIT_TOLERANCE = 1e-2  # of the length of a direction and the cosine between two, before they count as nonsense


class NotACTSlice(Exception):
    """A file that is no slice of a CT stack; the message names its kind in the plural (`PET images`)."""


@dataclass(frozen=True)
class Series:
    """What is kept of the series: nothing that identifies the patient."""

    uid: str
    description: str
    kernel: str
    modality: str
    slice_thickness_mm: float | None


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
    `acquisition`, `temporal` and `instance` are numbers that may tell apart slices at the same place.
    `to_hu` is (slope, intercept) still to be applied to what the decoder gives; `plain` is there where no decoder is
    needed.
    """

    path: Path
    series: Series
    position_lps_mm: tuple[float, ...]
    orientation: tuple[float, ...]
    pixel_mm: tuple[float, ...]
    shape: tuple[int, int]
    frame: int = 0
    stack: str = ""
    acquisition: int | None = None
    temporal: int | None = None
    instance: int | None = None
    to_hu: tuple[float, float] = (1.0, 0.0)
    plain: PlainPixels | None = None

    @property
    def normal_lps(self) -> np.ndarray:
        """Unit normal of the slice, the cross product of its two directions, shape (3,)."""
        normal = np.cross(self.orientation[:3], self.orientation[3:])
        return np.asarray(normal / np.linalg.norm(normal))

    @property
    def plane(self) -> str:
        """The plane that the slice is nearest to."""
        return ("sagittal", "coronal", "axial")[int(np.argmax(np.abs(self.normal_lps)))]


def slice_positions_mm(slices: Sequence[SliceHeader]) -> np.ndarray:
    """Where parallel slices lie along the first one's normal, in mm, shape (n,)."""
    return np.array([s.position_lps_mm for s in slices]) @ slices[0].normal_lps


def single_slice(dataset: Dataset, path: Path, plain: PlainPixels | None) -> SliceHeader:
    """The header of a file that holds one slice."""
    return SliceHeader(
        path=path,
        series=_series(dataset),
        position_lps_mm=_numbers(dataset.get("ImagePositionPatient"), 3),
        orientation=_directions(dataset.get("ImageOrientationPatient")),
        pixel_mm=_pixel_size(dataset.get("PixelSpacing")),
        shape=(int(dataset.Rows), int(dataset.Columns)),
        acquisition=_whole(dataset.get("AcquisitionNumber")),
        temporal=_whole(dataset.get("TemporalPositionIdentifier")),
        instance=_whole(dataset.get("InstanceNumber")),
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


def texts(value: object) -> list[str]:
    """A DICOM value of one or several strings as a list."""
    if value is None or value == "":
        return []
    return [value] if isinstance(value, str) else [str(part) for part in value]  # type: ignore[attr-defined]


class _Frame:
    """The functional groups of one frame: its own first, else those shared by all frames."""

    def __init__(self, own: Dataset, shared: Dataset) -> None:
        self._own, self._shared = own, shared

    def group(self, name: str) -> Dataset:
        found: list[Dataset] = self._own.get(name) or self._shared.get(name) or [Dataset()]
        return found[0]

    @property
    def is_localizer(self) -> bool:
        return "LOCALIZER" in texts(self.group("CTImageFrameTypeSequence").get("FrameType"))

    @property
    def rescale(self) -> tuple[float, float]:
        """Slope and intercept."""
        group = self.group("PixelValueTransformationSequence")
        return _number(group.get("RescaleSlope")) or 1.0, _number(group.get("RescaleIntercept")) or 0.0


def _frame_slice(dataset: Dataset, path: Path, n: int, frame: _Frame, first: _Frame) -> SliceHeader:
    content = frame.group("FrameContentSequence")
    measures = frame.group("PixelMeasuresSequence")
    kernel = frame.group("CTReconstructionSequence").get("ConvolutionKernel")
    (slope, intercept), (first_slope, first_intercept) = frame.rescale, first.rescale
    gain = slope / first_slope
    return SliceHeader(
        path=path,
        series=_series(dataset, kernel=kernel, slice_thickness=measures.get("SliceThickness")),
        position_lps_mm=_numbers(frame.group("PlanePositionSequence").get("ImagePositionPatient"), 3),
        orientation=_directions(frame.group("PlaneOrientationSequence").get("ImageOrientationPatient")),
        pixel_mm=_pixel_size(measures.get("PixelSpacing")),
        shape=(int(dataset.Rows), int(dataset.Columns)),
        frame=n,
        stack=str(content.get("StackID", "")),
        acquisition=_whole(content.get("FrameAcquisitionNumber")),
        temporal=_whole(content.get("TemporalPositionIndex")),
        instance=n + 1,
        to_hu=(gain, intercept - gain * first_intercept),
    )


def _series(dataset: Dataset, kernel: object = None, slice_thickness: object = None) -> Series:
    """The series a file belongs to; a multi-frame file keeps kernel and thickness (mm) with its frames."""
    return Series(
        uid=str(dataset.get("SeriesInstanceUID", "")),
        description=str(dataset.get("SeriesDescription") or ""),
        kernel="\\".join(texts(kernel or dataset.get("ConvolutionKernel"))),
        modality=str(dataset.get("Modality") or ""),
        slice_thickness_mm=_number(slice_thickness or dataset.get("SliceThickness")),
    )


def _number(value: object) -> float | None:
    return None if value is None or value == "" else float(value)  # type: ignore[arg-type]


def _whole(value: object) -> int | None:
    return None if value is None or value == "" else int(value)  # type: ignore[call-overload]


def _numbers(value: object, count: int) -> tuple[float, ...]:
    """A DICOM value of `count` finite numbers; NotACTSlice where it is missing or otherwise."""
    found = tuple(float(part) for part in value) if value else ()  # type: ignore[attr-defined]
    if len(found) != count or not np.isfinite(found).all():
        raise NotACTSlice("images without position, orientation or pixel size")
    return found


def _pixel_size(value: object) -> tuple[float, ...]:
    """Two lengths in mm, both above zero."""
    found = _numbers(value, 2)
    if min(found) <= 0:
        raise NotACTSlice("images with an impossible pixel size")
    return found


def _directions(value: object) -> tuple[float, ...]:
    """Two orthogonal unit vectors, six numbers."""
    found = _numbers(value, 6)
    row, column = np.array(found[:3]), np.array(found[3:])
    products = (row @ row - 1, column @ column - 1, row @ column)
    if np.abs(products).max() > _UNIT_TOLERANCE:
        raise NotACTSlice("images with an impossible orientation")
    return found
