"""NIfTI, NRRD and MetaImage files, read and written by SimpleITK."""

from __future__ import annotations

import gzip
import math
import re
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import CTReadError
from ..volume import CTVolume
from .checks import to_hounsfield

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
_HEADER_BYTES = 1 << 16  # no text header is longer
_BLOCK_BYTES = 1 << 22
_NIFTI1_BYTES, _NIFTI2_BYTES = 348, 540  # of the header, its own first number
_NIFTI_FLOATS = {"16": "f4", "64": "f8"}


def image_extension(path: Path) -> str | None:
    """The extension by which the file is known to be an image (`.nii.gz` counts as one), else None."""
    return next((extension for extension in IMAGE_IO if path.name.lower().endswith(extension)), None)


def read_image_file(path: Path) -> CTVolume:
    """One NIfTI, NRRD or MetaImage file as a CTVolume (K, J, I), its place in LPS mm taken from the file.

    Raises CTReadError where the file is damaged, states no voxel size, is not a single-channel 3D image, or lies on a
    sheared grid.
    """
    with image_reader(path, IMAGE_IO[image_extension(path) or ""]) as reader:
        try:
            reader.ReadImageInformation()
            _check_kind(reader, path)
            _check_voxel_size(reader, path)
            if _is_nifti(reader):
                _check_nifti_data(reader, path)
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


@contextmanager
def image_reader(path: Path, image_io: str) -> Iterator[Any]:
    """A SimpleITK reader of one file in one format (SimpleITK has no types)."""
    with itk_path(path) as name:
        reader: Any = sitk.ImageFileReader()  # type: ignore[no-untyped-call]
        reader.SetImageIO(image_io)
        reader.SetFileName(name)
        yield reader


def read_array(path: Path) -> np.ndarray:
    """The voxels (K, J, I) of an image file; `RuntimeError` where it cannot be read."""
    with itk_path(path) as name:
        array: np.ndarray = sitk.GetArrayFromImage(sitk.ReadImage(name))
        return array


@contextmanager
def itk_path(path: Path) -> Iterator[str]:
    """The path as SimpleITK takes it, which ends the process at bytes that are not UTF-8: they are linked to then."""
    if _is_utf8(str(path)):
        yield str(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        if _is_utf8(path.name):  # what a header names beside it is found too
            link, target = Path(folder) / "folder", path.parent.absolute()
            name = link / path.name
        else:
            name = link = Path(folder) / f"image{image_extension(path) or ''}"
            target = path.absolute()
        link.symlink_to(target)
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
        with itk_path(path) as name:
            sitk.WriteImage(image, name, useCompression=compressed)
        whole = np.array_equal(read_array(path), array)
    except RuntimeError as error:
        raise OSError(f"{path.name} could not be written: {error}") from error
    if not whole:
        raise OSError(f"{path.name} could not be written whole")


def reason(error: RuntimeError) -> str:
    """The last words of a SimpleITK error, without source lines and memory addresses."""
    text = re.sub(r"\s+", " ", re.split(r"(?i)itk(?:::)? ?error:", str(error))[-1])
    return re.sub(r"\(0x[0-9a-f]+\)|\S*/ITK/\S*|\S+\.cxx:\d+:?", "", text).strip(" .")


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


def _orientation_warning(reader: Any) -> tuple[str, ...]:
    is_nrrd = reader.GetImageIO() == "NrrdImageIO"
    silent_nrrd = is_nrrd and not reader.HasMetaDataKey("NRRD_space")
    silent_nifti = _is_nifti(reader) and all(reader.GetMetaData(key) == "0" for key in ("qform_code", "sform_code"))
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


def _check_voxel_size(reader: Any, path: Path) -> None:
    """Refuse a file that does not say its voxel size in mm: ITK would take 1 mm."""
    if _is_nifti(reader):
        sizes = _nifti_voxel_size(next(_blocks(path)))
        stated: str | None = " ".join(f"{size:g}" for size in sizes)
        known = all(math.isfinite(size) and size > 0 for size in sizes)
    else:
        stated = _text_field(path, reader.GetImageIO())
        known = stated is not None and "nan" not in stated.lower()
    if not known:
        found = f"'{stated}'" if stated else "nothing"
        raise CTReadError(
            f"{path}: the voxel size is missing (the header says {found}), expected millimetres; export the scan again."
        )


def _is_nifti(reader: Any) -> bool:
    """Whether ITK read the header as NIfTI."""
    return bool(reader.HasMetaDataKey("vox_offset"))


def _check_nifti_data(reader: Any, path: Path) -> None:
    """Refuse a NIfTI file that is cut off or holds NaN: ITK makes zeros of both."""
    offset = int(float(reader.GetMetaData("vox_offset")))
    voxels = int(np.prod(reader.GetSize()))
    expected = offset + voxels * int(reader.GetMetaData("bitpix")) // 8
    number = _NIFTI_FLOATS.get(reader.GetMetaData("datatype"))
    found = broken = 0
    for block in _blocks(path):
        if found == 0 and number:
            number = _byte_order(block) + number
        if number:
            values = block[max(offset - found, 0) : max(expected - found, 0)]
            broken += int(np.count_nonzero(~np.isfinite(np.frombuffer(values, number))))
        found += len(block)
    if found < expected:
        raise CTReadError(f"{path}: truncated: {found} of {expected} bytes; copy or export the file again.")
    if broken:
        raise CTReadError(
            f"{path}: {broken} of {voxels} voxels are NaN or infinite, where Hounsfield units were expected; "
            f"export the scan again, with -1024 outside the field of view."
        )


def _nifti_voxel_size(header: bytes) -> tuple[float, ...]:
    """What pixdim[1..3] really hold, of NIfTI-1 or NIfTI-2; ITK shows 1 in place of 0."""
    order = _byte_order(header)
    if struct.unpack(order + "i", header[:4])[0] == _NIFTI2_BYTES:
        return struct.unpack(order + "3d", header[112:136])
    return struct.unpack(order + "3f", header[80:92])


def _byte_order(header: bytes) -> str:
    return "<" if struct.unpack("<i", header[:4])[0] in (_NIFTI1_BYTES, _NIFTI2_BYTES) else ">"


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


def _blocks(path: Path) -> Iterator[bytes]:
    """The file's uncompressed bytes, in blocks of a multiple of 8."""
    with path.open("rb") as plain:
        compressed = plain.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if compressed else path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                yield block
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CTReadError(f"{path}: the compressed data is damaged ({error}); copy or export the file again.") from None
