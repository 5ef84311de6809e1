"""NIfTI, NRRD and MetaImage files, read by SimpleITK."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import CTReadError
from ..volume import CTVolume
from .hounsfield import to_hounsfield
from .itk_errors import reason
from .raw_header import check_nifti_data, check_voxel_size, is_nifti

IMAGE_IO = {
    ".nii.gz": "NiftiImageIO",
    ".nii": "NiftiImageIO",
    ".nrrd": "NrrdImageIO",
    ".nhdr": "NrrdImageIO",
    ".mhd": "MetaImageIO",
    ".mha": "MetaImageIO",
}
SHEAR_TOLERANCE = 1e-3  # cosine between two axes that still count as orthogonal
_COMPLEX = (sitk.sitkComplexFloat32, sitk.sitkComplexFloat64)


def image_extension(path: Path) -> str | None:
    """The extension by which the file is known to be an image (`.nii.gz` counts as one), else None."""
    return next((extension for extension in IMAGE_IO if path.name.lower().endswith(extension)), None)


def read_image_file(path: Path) -> CTVolume:
    """One NIfTI, NRRD or MetaImage file as a CTVolume (K, J, I), its place in LPS mm taken from the file.

    Raises CTReadError where the file is damaged, states no voxel size, is not a single-channel 3D image, or lies on a
    sheared grid.
    """
    reader = sitk.ImageFileReader()
    reader.SetImageIO(IMAGE_IO[image_extension(path) or ""])
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        _check_kind(reader, path)
        check_voxel_size(reader, path)
        if is_nifti(reader):
            check_nifti_data(reader, path)
        image = reader.Execute()
    except RuntimeError as error:
        raise _unreadable(path, error) from error
    if image.GetDimension() == 4:
        image = image[:, :, :, 0]
    return CTVolume(
        voxels=to_hounsfield(sitk.GetArrayViewFromImage(image), path),
        kji_to_lps=_affine(image, path),
        info={"path": str(path)},
        warnings=_orientation_warning(reader),
    )


def _check_kind(reader: sitk.ImageFileReader, path: Path) -> None:
    channels, size = reader.GetNumberOfComponents(), reader.GetSize()
    if channels > 1:
        found = f"{channels} values a voxel (a colour or vector image)"
    elif reader.GetPixelIDValue() in _COMPLEX:
        found = "complex values"
    elif len(size) < 3:
        found = f"a {len(size)}D image"
    elif len(size) > 3 and any(n > 1 for n in size[3:]):
        found = f"{int(np.prod(size[3:]))} volumes in one file"
    elif len(size) > 4:
        found = f"a {len(size)}D image"
    else:
        return
    raise CTReadError(f"{path}: found {found}, expected one 3D volume of Hounsfield units; export the CT as such.")


def _affine(image: sitk.Image, path: Path) -> np.ndarray:
    """(k, j, i, 1) to LPS mm, from ITK's origin, spacing and direction (which count i, j, k)."""
    direction = np.array(image.GetDirection()).reshape(3, 3)
    if np.abs(direction.T @ direction - np.eye(3)).max() > SHEAR_TOLERANCE:
        raise _sheared(path)
    affine = np.eye(4)
    affine[:3, :3] = (direction * image.GetSpacing())[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    return affine


def _orientation_warning(reader: sitk.ImageFileReader) -> tuple[str, ...]:
    is_nrrd = reader.GetImageIO() == "NrrdImageIO"
    silent_nrrd = is_nrrd and not reader.HasMetaDataKey("NRRD_space")
    silent_nifti = is_nifti(reader) and all(reader.GetMetaData(key) == "0" for key in ("qform_code", "sform_code"))
    if silent_nrrd or silent_nifti:
        return ("The file does not say how the patient lies in it: check left and right.",)
    return ()


def _unreadable(path: Path, error: RuntimeError) -> CTReadError:
    if "orthonormal" in str(error):
        return _sheared(path)
    return CTReadError(
        f"{path}: cannot be read ({reason(error)}); it may be damaged or incomplete, or its data file "
        f"(.raw, .zraw) may be missing. Copy or export it again."
    )


def _sheared(path: Path) -> CTReadError:
    return CTReadError(
        f"{path}: the voxel grid is sheared (its axes are not orthogonal, as after an uncorrected gantry tilt), "
        f"expected an orthogonal grid; resample the scan, or give the original DICOM folder."
    )
