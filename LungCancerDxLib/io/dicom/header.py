"""What the header of one CT slice says: its series, its place in the patient, its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from .plain_pixels import PlainPixels

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
        return normal / np.linalg.norm(normal)

    @property
    def plane(self) -> str:
        return ("sagittal", "coronal", "axial")[int(np.argmax(np.abs(self.normal_lps)))]


def distances_mm(slices: Sequence[SliceHeader]) -> np.ndarray:
    """Places of parallel slices along the first one's normal, in mm, shape (n,)."""
    return np.array([s.position_lps_mm for s in slices]) @ slices[0].normal_lps


def series_of(dataset: Dataset, kernel: object = None, slice_thickness: object = None) -> Series:
    """The series a file belongs to; a multi-frame file keeps kernel and thickness (mm) with its frames."""
    return Series(
        uid=str(dataset.get("SeriesInstanceUID", "")),
        description=str(dataset.get("SeriesDescription") or ""),
        kernel="\\".join(texts(kernel or dataset.get("ConvolutionKernel"))),
        modality=str(dataset.get("Modality") or ""),
        slice_thickness_mm=number(slice_thickness or dataset.get("SliceThickness")),
    )


def single_slice(dataset: Dataset, path: Path, plain: PlainPixels | None) -> SliceHeader:
    """The header of a file that holds one slice."""
    return SliceHeader(
        path=path,
        series=series_of(dataset),
        position_lps_mm=numbers(dataset.get("ImagePositionPatient"), 3),
        orientation=directions(dataset.get("ImageOrientationPatient")),
        pixel_mm=pixel_size(dataset.get("PixelSpacing")),
        shape=(int(dataset.Rows), int(dataset.Columns)),
        acquisition=whole(dataset.get("AcquisitionNumber")),
        temporal=whole(dataset.get("TemporalPositionIdentifier")),
        instance=whole(dataset.get("InstanceNumber")),
        plain=plain,
    )


def texts(value: object) -> list[str]:
    """A DICOM value of one or several strings as a list."""
    if value is None or value == "":
        return []
    return [value] if isinstance(value, str) else [str(part) for part in value]  # type: ignore[attr-defined]


def number(value: object) -> float | None:
    return None if value is None or value == "" else float(value)  # type: ignore[arg-type]


def whole(value: object) -> int | None:
    return None if value is None or value == "" else int(value)  # type: ignore[call-overload]


def numbers(value: object, count: int) -> tuple[float, ...]:
    """A DICOM value of `count` finite numbers; NotACTSlice where it is missing or otherwise."""
    found = tuple(float(part) for part in value) if value else ()  # type: ignore[attr-defined]
    if len(found) != count or not np.isfinite(found).all():
        raise NotACTSlice("images without position, orientation or pixel size")
    return found


def pixel_size(value: object) -> tuple[float, ...]:
    """Two lengths in mm, both above zero."""
    found = numbers(value, 2)
    if min(found) <= 0:
        raise NotACTSlice("images with an impossible pixel size")
    return found


def directions(value: object) -> tuple[float, ...]:
    """Two orthogonal unit vectors, six numbers."""
    found = numbers(value, 6)
    row, column = np.array(found[:3]), np.array(found[3:])
    products = (row @ row - 1, column @ column - 1, row @ column)
    if np.abs(products).max() > _UNIT_TOLERANCE:
        raise NotACTSlice("images with an impossible orientation")
    return found
