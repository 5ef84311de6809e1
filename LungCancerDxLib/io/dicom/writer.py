"""A CT as a DICOM series, one file a slice: the same volume and name give the same bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian
from pydicom.valuerep import DSfloat

from ...volume import CTVolume


def derived_uid(*parts: object) -> str:
    """A DICOM UID that follows from its parts alone ("2.25." and 128 bits of their hash)."""
    return f"2.25.{int(_digest(parts)[:32], 16)}"


def derived_id(*parts: object) -> str:
    """32 hexadecimal digits that follow from the parts alone, as the Data Science Bowl names its patients."""
    return _digest(parts)[:32]


def _digest(parts: tuple[object, ...]) -> str:
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


_INTERCEPT = -1024.0
_WRITER_UID = derived_uid("LungCancerDx", "implementation")
_EMPTY = (  # asked for by the standard, and nothing to say: no dates, so that the bytes never change
    "PatientBirthDate",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyID",
    "Manufacturer",
    "PatientPosition",
    "PositionReferenceIndicator",
    "KVP",
    "AcquisitionNumber",
)


def write_dicom_series(volume: CTVolume, folder: Path, name: str, sex: str = "", age_years: float | None = None) -> str:
    """Write a volume as CT Image Storage files `0001.dcm`, ... from the feet to the head; returns the series UID.

    All UIDs follow from `name`, which is also the patient's; there are no dates, times or versions in the files.

    Raises
    ------
    OSError
        Where a file could not be written.
    """
    volume = volume.canonical()
    folder.mkdir(parents=True, exist_ok=True)
    series = _series(volume, name, sex, age_years)
    for k, pixels_hu in enumerate(volume.voxels):
        instance = _instance(series, volume, name, k)
        instance.PixelData = (pixels_hu.astype(np.int32) - int(_INTERCEPT)).astype("<u2").tobytes()
        instance.save_as(folder / f"{k + 1:04}.dcm", enforce_file_format=True)
    return str(series.SeriesInstanceUID)


def _series(volume: CTVolume, name: str, sex: str, age_years: float | None) -> Dataset:
    """Everything that all slices share."""
    spacing_mm = volume.spacing_mm_kji
    directions = volume.kji_to_lps[:3, :3] / spacing_mm
    shared = Dataset()
    for keyword in _EMPTY:
        setattr(shared, keyword, None)
    shared.SOPClassUID = CTImageStorage
    shared.Modality = "CT"
    shared.ImageType = ["DERIVED", "PRIMARY", "AXIAL"]
    shared.PatientName = shared.PatientID = name
    shared.PatientSex = sex
    if age_years is not None:
        shared.PatientAge = f"{round(age_years):03}Y"
    shared.StudyInstanceUID = derived_uid(name, "study")
    shared.SeriesInstanceUID = derived_uid(name, "series")
    shared.FrameOfReferenceUID = derived_uid(name, "frame of reference")
    shared.SeriesNumber = 1
    shared.ImageOrientationPatient = _decimals([*directions[:, 2], *directions[:, 1]])
    shared.PixelSpacing = _decimals(spacing_mm[1:])
    shared.SliceThickness = _decimals(spacing_mm[:1])[0]
    shared.Rows, shared.Columns = volume.shape_kji[1:]
    shared.SamplesPerPixel = 1
    shared.PhotometricInterpretation = "MONOCHROME2"
    shared.BitsAllocated = shared.BitsStored = 16
    shared.HighBit = 15
    shared.PixelRepresentation = 0
    shared.RescaleIntercept, shared.RescaleSlope = _decimals([_INTERCEPT, 1.0])
    shared.RescaleType = "HU"
    return shared


def _instance(series: Dataset, volume: CTVolume, name: str, k: int) -> Dataset:
    instance = Dataset(series)
    instance.SOPInstanceUID = derived_uid(name, "slice", k)
    instance.InstanceNumber = k + 1
    instance.ImagePositionPatient = _decimals((volume.kji_to_lps @ [k, 0, 0, 1])[:3])
    instance.file_meta = FileMetaDataset()
    instance.file_meta.MediaStorageSOPClassUID = CTImageStorage
    instance.file_meta.MediaStorageSOPInstanceUID = instance.SOPInstanceUID
    instance.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    instance.file_meta.ImplementationClassUID = UID(_WRITER_UID)
    instance.file_meta.ImplementationVersionName = "LUNGCANCERDX"
    return instance


def _decimals(values: object) -> list[DSfloat]:
    """Numbers as DICOM's decimal strings of 16 characters at most."""
    return [DSfloat(float(value) + 0.0, auto_format=True) for value in values]  # type: ignore[attr-defined]
