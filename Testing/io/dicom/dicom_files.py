"""Small synthetic CT scans, and ways to write them as DICOM series, multi-frame files and image files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    RLELossless,
    generate_uid,
)

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def chest_voxels(shape_kji: tuple[int, int, int] = (24, 32, 40), seed: int = 0) -> np.ndarray:
    """int16 HU: a body of tissue in air with two lungs and a little noise, different on each side (K, J, I)."""
    k, j, i = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape_kji], indexing="ij")
    voxels = np.full(shape_kji, -1000.0)
    voxels[(j / 0.8) ** 2 + (i / 0.9) ** 2 < 1] = 40
    for side, size in ((-0.4, 0.3), (0.42, 0.25)):
        voxels[(k / 0.9) ** 2 + (j / 0.5) ** 2 + ((i - side) / size) ** 2 < 1] = -850
    noise = np.random.default_rng(seed).integers(-20, 20, shape_kji)
    return (voxels + noise).astype(np.int16)


def slice_dataset(pixels_hu: np.ndarray, position_lps_mm: Sequence[float], **tags: object) -> Dataset:
    """A CT slice (J, I) with slope 1 and intercept -1024; `tags` override or, where None, remove any element."""
    dataset = _dataset(CTImageStorage, pixels_hu.shape)
    slope, intercept = float(tags.get("RescaleSlope", 1.0)), float(tags.get("RescaleIntercept", -1024.0))
    values: dict[str, object] = {
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "ImagePositionPatient": list(position_lps_mm),
        "ImageOrientationPatient": list(AXIAL),
        "PixelSpacing": [3.0, 2.0],
        "RescaleSlope": slope,
        "RescaleIntercept": intercept,
        "PixelData": np.rint((pixels_hu - intercept) / slope).astype(np.int16).tobytes(),
    }
    for name, value in {**values, **tags}.items():
        if value is not None:
            setattr(dataset, name, value)
    return dataset


def write_dicom(path: Path, dataset: Dataset, rle: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if rle:
        dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_series(
    folder: Path,
    voxels: np.ndarray,
    positions: Sequence[Sequence[float]] | None = None,
    spacing_mm: float = 3.0,
    name: str = "{:03d}.dcm",
    rle: bool = False,
    **tags: object,
) -> list[Path]:
    """A series of one file a slice, `spacing_mm` apart from (-40, -50, -60) towards the head; tags may be functions
    of the slice's number."""
    if positions is None:
        positions = [(-40.0, -50.0, -60.0 + spacing_mm * k) for k in range(len(voxels))]
    common = {"SeriesInstanceUID": generate_uid(), **tags}
    paths = []
    for k, (pixels, position) in enumerate(zip(voxels, positions, strict=True)):
        own = {tag: value(k) if callable(value) else value for tag, value in common.items()}
        dataset = slice_dataset(pixels, position, **{"InstanceNumber": k + 1, **own})
        paths.append(write_dicom(folder / name.format(k), dataset, rle))
    return paths


def write_multiframe(
    path: Path,
    voxels: np.ndarray,
    spacing_mm: float = 3.0,
    rescales: Sequence[tuple[float, float]] | None = None,
    order: Sequence[int] | None = None,
) -> Path:
    """An Enhanced CT file; `rescales` (slope, intercept) for each frame, `order` in which slices lie in the file."""
    order = range(len(voxels)) if order is None else order
    rescales = [(1.0, -1024.0)] * len(voxels) if rescales is None else rescales
    dataset = _dataset(EnhancedCTImageStorage, voxels.shape[1:])
    dataset.NumberOfFrames = len(voxels)
    dataset.SeriesInstanceUID = generate_uid()
    dataset.SharedFunctionalGroupsSequence = [
        _items(
            PlaneOrientationSequence=_items(ImageOrientationPatient=list(AXIAL)),
            PixelMeasuresSequence=_items(PixelSpacing=[3.0, 2.0], SliceThickness=spacing_mm),
        )
    ]
    dataset.PerFrameFunctionalGroupsSequence = [
        _items(
            PlanePositionSequence=_items(ImagePositionPatient=[-40.0, -50.0, -60.0 + spacing_mm * k]),
            PixelValueTransformationSequence=_items(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="HU"),
        )
        for k, (slope, intercept) in zip(order, rescales, strict=True)
    ]
    stored = [np.rint((voxels[k] - b) / m) for k, (m, b) in zip(order, rescales, strict=True)]
    dataset.PixelData = np.stack(stored).astype(np.int16).tobytes()
    return write_dicom(path, dataset)


def write_compressed(path: Path, pixels_hu: np.ndarray, z_mm: float, compressor: str = "JPEG") -> Path:
    """A CT slice (J, I) compressed by GDCM without loss: "JPEG" or "JPEG2000"."""
    image = sitk.GetImageFromArray(pixels_hu[None])
    image.SetSpacing((2.0, 3.0, 3.0))
    tags = {
        "0008|0016": CTImageStorage,
        "0008|0060": "CT",
        "0020|000d": "1.2.3",
        "0020|000e": "1.2.3.4",
        "0020|0032": f"-40\\-50\\{z_mm}",
        "0020|0037": "1\\0\\0\\0\\1\\0",
        "0028|1052": "-1024",
        "0028|1053": "1",
    }
    for tag, value in tags.items():
        image.SetMetaData(tag, value)
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.KeepOriginalImageUIDOn()
    writer.UseCompressionOn()
    writer.SetCompressor(compressor)
    writer.SetFileName(str(path))
    writer.Execute(image)
    return path


def sitk_image(voxels: np.ndarray, spacing_mm_ijk: Sequence[float] = (2.0, 3.0, 3.0)) -> sitk.Image:
    """The image of `write_series`: voxels (K, J, I) with its first voxel at (-40, -50, -60) LPS mm."""
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(spacing_mm_ijk)
    image.SetOrigin((-40.0, -50.0, -60.0))
    return image


def _dataset(sop_class: str, shape_ji: Sequence[int]) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = UID(sop_class)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID = "1.2.3"
    dataset.Modality = "CT"
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "SECRET-42"
    dataset.Rows, dataset.Columns = (int(n) for n in shape_ji)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    return dataset


def _items(**values: object) -> Dataset:
    """A sequence item; values that are items themselves become sequences of one."""
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value if not isinstance(value, Dataset) else [value])
    return item
