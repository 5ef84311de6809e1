"""NIfTI, NRRD and MetaImage files: written by SimpleITK; read by it too, but NIfTI scans by nibabel (io/nifti.py)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import CTReadError
from ..volume import CTVolume
from .checks import NO_ORIENTATION, SHEAR_TOLERANCE, check_chest_ct, to_hounsfield
from .compressed import check_compressed_voxels

_NIFTI = "NiftiImageIO"
IMAGE_IO = {
    ".nii.gz": _NIFTI,
    ".nii": _NIFTI,
    ".nrrd": "NrrdImageIO",
    ".nhdr": "NrrdImageIO",
    ".mhd": "MetaImageIO",
    ".mha": "MetaImageIO",
}
_WITH_DATA_FILE = (".mhd", ".nhdr")  # their voxels lie in another file beside
_COMPLEX = (sitk.sitkComplexFloat32, sitk.sitkComplexFloat64)
_HEADER_BYTES = 1 << 16  # no text header is longer
_SIDED_SPACES = re.compile(r"(left|right)-(anterior|posterior)-superior(-time)?|(LP|LA|RA)ST?", re.IGNORECASE)


def image_extension(path: Path) -> str | None:
    """The extension by which the file is known to be an image (`.nii.gz` counts as one), else None."""
    return next((extension for extension in IMAGE_IO if path.name.lower().endswith(extension)), None)


def scan_id(path: Path) -> str:
    """A scan's name: its file's or folder's, there or not, without the ending of an image or `.dcm`."""
    path = Path(os.path.abspath(path))  # a link has its own name
    ending = image_extension(path) or (".dcm" if path.suffix.lower() == ".dcm" else "")
    return path.name[: len(path.name) - len(ending)]


def read_image_file(path: Path) -> CTVolume:
    """One NIfTI, NRRD or MetaImage file as a CTVolume (K, J, I), its place in LPS mm taken from the file.

    Raises CTReadError where the file is damaged, states no voxel size, is not a single-channel 3D image, lies on a
    sheared grid, or is no chest CT; OSError where it cannot be opened.
    """
    from .nifti import read_nifti  # here: in Slicer nibabel is installed with the first run

    image_io = IMAGE_IO[image_extension(path) or ""]
    with path.open("rb"):  # where the system refuses that, its reason is told, not that of a library
        pass
    volume = read_nifti(path) if image_io == _NIFTI else _read_by_itk(path, image_io)
    check_chest_ct(volume, path)
    return volume


@contextmanager
def image_reader(path: Path, image_io: str) -> Iterator[Any]:
    """A SimpleITK reader of one file in one format (SimpleITK has no types)."""
    with utf8_path(path) as name:
        reader: Any = sitk.ImageFileReader()  # type: ignore[no-untyped-call]
        reader.SetImageIO(image_io)
        reader.SetFileName(name)
        yield reader


def read_array(path: Path) -> np.ndarray:
    """The voxels (K, J, I) of an image file; `RuntimeError` where it cannot be read."""
    with utf8_path(path) as name:
        array: np.ndarray = sitk.GetArrayFromImage(sitk.ReadImage(name))
        return array


def read_label_map(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The labels (K, J, I) int32 of an image file and its affine (4, 4) to LPS mm.

    Raises
    ------
    CTReadError
        Where it cannot be read or is no 3D image of whole numbers.
    """
    try:
        with utf8_path(path) as name:
            image: Any = sitk.ReadImage(name)
    except RuntimeError as error:
        raise _unreadable(path, error) from error
    labels = sitk.GetArrayFromImage(image)
    if labels.ndim != 3 or not (np.issubdtype(labels.dtype, np.integer) or (labels == np.rint(labels)).all()):
        raise CTReadError(f"{path}: found {labels.dtype} {labels.shape}; expected a 3D label map of whole numbers.")
    return labels.astype(np.int32), _affine(image, path)


@contextmanager
def utf8_path(path: Path) -> Iterator[str]:
    """The path of a file or folder for SimpleITK, which ends the process at bytes that are not UTF-8, and for MRML.

    Where it has such bytes, it is one of a link to it.
    """
    if _is_utf8(str(path)):
        yield str(path)
        return
    with TemporaryDirectory() as temporary:
        folder = Path(temporary, "folder")
        if _is_utf8(path.name):  # what a header names beside it is found too
            folder.symlink_to(path.parent.absolute())
            yield str(folder / path.name)
            return
        folder.mkdir()
        name = folder / f"image{image_extension(path) or ''}"
        name.symlink_to(path.absolute())
        for beside in path.parent.iterdir() if name.suffix in _WITH_DATA_FILE else ():
            if beside != path:
                (folder / beside.name).symlink_to(beside.absolute())
        yield str(name)


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def write_volume(volume: CTVolume, path: Path, compressed: bool = True) -> None:
    """A CT to an image file (NRRD, NIfTI, MetaImage).

    Raises
    ------
    OSError
        Where the file could not be written whole.
    """
    write_image(volume.voxels, volume, path, compressed)


def write_image(array: np.ndarray, volume: CTVolume, path: Path, compressed: bool = True) -> None:
    """An array (K, J, I) on a volume's grid, such as a label map, to an image file.

    It is read back, because ITK can lose the end of a file without a word.

    Raises
    ------
    OSError
        Where the file could not be written whole.
    """
    image: Any = sitk.GetImageFromArray(array)
    image.SetSpacing([float(s) for s in volume.spacing_mm_kji[::-1]])
    image.SetOrigin([float(x) for x in volume.kji_to_lps[:3, 3]])
    image.SetDirection([float(d) for d in (volume.kji_to_lps[:3, :3] / volume.spacing_mm_kji)[:, ::-1].ravel()])
    try:
        with utf8_path(path) as name:
            sitk.WriteImage(image, name, useCompression=compressed)
        whole = np.array_equal(read_array(path), array)
    except RuntimeError as error:
        raise OSError(f"{path.name} could not be written: {error}") from error
    if not whole:
        raise OSError(f"{path.name} could not be written whole")


def reason(error: Exception) -> str:
    """The last words of a SimpleITK error, without source lines and memory addresses."""
    text = re.sub(r"\s+", " ", re.split(r"(?i)itk(?:::)? ?error:", str(error))[-1])
    return re.sub(r"\(0x[0-9a-f]+\)|\S*/ITK/\S*|\S+\.cxx:\d+:?", "", text).strip(" .")


def _read_by_itk(path: Path, image_io: str) -> CTVolume:
    """One NRRD or MetaImage file."""
    with image_reader(path, image_io) as reader:
        try:
            reader.ReadImageInformation()
            _check_kind(reader, path)
            _check_voxel_size(path, image_io)
            check_compressed_voxels(path)
            image = reader.Execute()
        except (RuntimeError, ValueError) as error:
            raise _unreadable(path, error) from error
    if image.GetDimension() == 4:
        image = image[:, :, :, 0]
    space = reader.GetMetaData("NRRD_space") if reader.HasMetaDataKey("NRRD_space") else ""
    silent = image_io == "NrrdImageIO" and not _SIDED_SPACES.fullmatch(space)
    return CTVolume(
        voxels=to_hounsfield(sitk.GetArrayViewFromImage(image), path),
        kji_to_lps=_affine(image, path),
        info={"path": str(path.absolute())},
        warnings=(NO_ORIENTATION,) if silent else (),
    )


def _check_kind(reader: Any, path: Path) -> None:
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


def _affine(image: Any, path: Path) -> np.ndarray:
    """(k, j, i, 1) to LPS mm, from ITK's origin, spacing and direction (which count i, j, k)."""
    direction = np.array(image.GetDirection()).reshape(3, 3)
    if np.abs(direction.T @ direction - np.eye(3)).max() > SHEAR_TOLERANCE:
        raise _sheared(path)
    affine = np.eye(4)
    affine[:3, :3] = (direction * image.GetSpacing())[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    return affine


def _unreadable(path: Path, error: Exception) -> CTReadError:
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


def _check_voxel_size(path: Path, image_io: str) -> None:
    """Refuse a file that does not say its voxel size in mm: ITK would take 1 mm."""
    stated = _text_field(path, image_io)
    if stated is None or "nan" in stated.lower():
        found = f"'{stated}'" if stated else "nothing"
        raise CTReadError(
            f"{path}: the voxel size is missing (the header says {found}), expected millimetres; export the scan again."
        )


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
