"""NIfTI files (1 and 2), whose headers may contradict themselves: voxel size, place and sides stand there three times.

ITK takes one of them without a word, and refuses a shear that rounding leaves; so nibabel reads, and all are compared.
"""

from __future__ import annotations

import logging
import zlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.openers import ImageOpener
from nibabel.spatialimages import HeaderDataError

from ..errors import CTReadError
from ..volume import CTVolume, corners_apart_mm
from .checks import NO_ORIENTATION, SHEAR_TOLERANCE, check_size, to_hounsfield
from .compressed import check_gzip_file
from .tilt import shift_slices, tilt_warning

SAME_SIZE = 0.01  # as a share, between two voxel sizes
SAME_PLACE_MM = 1.0  # of the corners, between two places
_SINGLE_FILE = (b"n+1", b"n+2")  # the magic of header and voxels in one
_SCANNER = 1  # the code of a form that says where the patient lay in the scanner
_UNITS_MM = {1: 1e3, 3: 1e-3}  # metres and micrometres; everything else is in mm
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_DAMAGED = (ImageFileError, HeaderDataError, EOFError, OSError, ValueError, OverflowError, zlib.error)

logging.getLogger("nibabel").setLevel(logging.CRITICAL)  # what a user must know is a warning or an error of ours


def read_nifti(path: Path) -> CTVolume:
    """A NIfTI file as a CTVolume (K, J, I); a tilted scan's shear is undone with a warning.

    Raises CTReadError where the file is damaged, contradicts itself, states no voxel size, or is not a single-channel
    3D image.
    """
    try:
        image: Any = nibabel.load(path)
        with ImageOpener(str(path)) as file:
            header = image.header_class.from_fileobj(file, check=False)  # as it is, not as nibabel mends it
        _check_single_volume(header, path)
        affine, warnings = _affine(header, path)
        check_size(header.get_data_shape()[2::-1], np.linalg.norm(affine[:3, :3], axis=0), path)
        if header["magic"].item() in _SINGLE_FILE and header["vox_offset"] < header.single_vox_offset:
            raise ValueError(f"its voxels would begin at byte {header['vox_offset']:.0f}, within the header")
        if path.suffix.lower() == ".gz":
            check_gzip_file(path)
        stored = np.asanyarray(image.dataobj).reshape(image.shape[:3])
    except CTReadError:
        raise
    except _DAMAGED as error:
        raise CTReadError(
            f"{path}: cannot be read, damaged or truncated ({' '.join(str(error).split())}); copy or export it again."
        ) from error
    volume = CTVolume(to_hounsfield(stored.T, path), affine, {"path": str(path.absolute())}, warnings)
    return _unsheared(volume, path)


def _check_single_volume(header: Any, path: Path) -> None:
    shape, dtype = (*header.get_data_shape(), 1, 1)[: max(header["dim"][0] + 1, 5)], header.get_data_dtype()
    if dtype.kind not in "iuf":
        found = "complex values" if dtype.kind == "c" else "a colour image"
    elif header["dim"][0] < 3 or min(shape) < 1:
        found = f"a {header['dim'][0]}D image"
    elif max(shape[4:]) > 1:
        found = f"{int(np.prod(shape[4:]))} values a voxel (a vector image)"
    elif shape[3] > 1:
        found = f"{shape[3]} volumes in one file"
    else:
        return
    raise CTReadError(f"{path}: found {found}, expected one 3D volume of Hounsfield units; export the CT as such.")


def _affine(header: Any, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """(k, j, i, 1) to LPS mm as the header's forms say, and warnings where they had to be weighed."""
    unit_mm = _UNITS_MM.get(int(header["xyzt_units"]) & 7, 1.0)
    sizes_mm = np.abs(header["pixdim"][1:4].astype(float)) * unit_mm
    if not (np.isfinite(sizes_mm).all() and (sizes_mm > 0).all()):
        stated = " ".join(f"{size:g}" for size in header["pixdim"][1:4])
        raise CTReadError(
            f"{path}: the voxel size is missing (the header says '{stated}'), expected millimetres; export the scan "
            "again."
        )
    header["pixdim"][1:4] = np.abs(header["pixdim"][1:4])
    if header["pixdim"][0] not in (-1, 1):  # the side to which slices follow: 1 where it is not told, by the standard
        header["pixdim"][0] = 1
    qform, sform = _form(header.get_qform, unit_mm), _form(header.get_sform, unit_mm)
    if sform is not None:
        own_mm = np.linalg.norm(sform[:3, :3], axis=0)
        apart_mm = abs(np.linalg.det(sform)) / np.linalg.norm(np.cross(*sform[:3, :2].T))  # of tilted slices, upright
        shares = np.abs([*(own_mm / sizes_mm), apart_mm / sizes_mm[2]]) - 1
        if np.abs([*shares[:2], min(shares[2:], key=abs)]).max() > SAME_SIZE:
            raise _contradiction(
                path, f"says voxels of {_listed(sizes_mm)} mm (pixdim) and of {_listed(own_mm)} mm (sform)"
            )
    warnings: tuple[str, ...] = ()
    if qform is not None and sform is not None:
        chosen, warnings = _weighed(qform, sform, header, path)
    elif sform is not None:
        chosen = sform
    else:
        chosen, warnings = (np.diag([*sizes_mm, 1.0]), (NO_ORIENTATION,)) if qform is None else (qform, ())
    return chosen[:, [2, 1, 0, 3]], warnings


def _weighed(qform: np.ndarray, sform: np.ndarray, header: Any, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """The form to take of two."""
    apart_mm = corners_apart_mm(qform, sform, header.get_data_shape()[:3])
    if apart_mm <= SAME_PLACE_MM or (_shear(sform) > SHEAR_TOLERANCE and _same_sides(qform, sform)):
        return sform, ()  # a qform holds no shear
    if not _same_sides(qform, sform):
        raise _contradiction(path, "says two orientations (qform, sform), which disagree on the patient's sides")
    scanner = [code == _SCANNER for code in (header["qform_code"], header["sform_code"])]
    if scanner[0] == scanner[1]:
        raise _contradiction(path, f"says two places (qform, sform), {apart_mm:.1f} mm apart")
    name, form = ("qform", qform) if scanner[0] else ("sform", sform)
    return form, (f"The file says two places, {apart_mm:.1f} mm apart; that in the scanner ({name}) was taken.",)


def _unsheared(volume: CTVolume, path: Path) -> CTVolume:
    """The volume on an orthogonal grid, where only its slices drift sideways."""
    steps = volume.kji_to_lps[:3, :3].T
    if _shear(volume.kji_to_lps) <= SHEAR_TOLERANCE:
        return volume
    pixel_mm = volume.spacing_mm_kji[1:]
    along = steps[1:] / pixel_mm[:, None]
    if abs(along[0] @ along[1]) > SHEAR_TOLERANCE:
        raise CTReadError(
            f"{path}: the voxel grid is sheared (its axes are not orthogonal), expected an orthogonal grid; resample "
            "the scan, or give the original DICOM folder."
        )
    normal = np.cross(along[1], along[0])
    normal *= np.sign(normal @ steps[0])
    numbers = np.arange(volume.shape_kji[0])
    offsets_mm = numbers[:, None] * (along @ steps[0])
    warnings = tilt_warning(offsets_mm, numbers * (normal @ steps[0]), pixel_mm, path)
    voxels, origin_px = shift_slices(volume.voxels, offsets_mm / pixel_mm) if warnings else (volume.voxels, np.zeros(2))
    affine = volume.kji_to_lps.copy()
    affine[:3, 0] = normal * (normal @ steps[0])
    affine[:3, 3] += origin_px @ steps[1:]
    return CTVolume(voxels, affine, volume.info, volume.warnings + warnings)


def _form(form_of_header: Any, unit_mm: float) -> np.ndarray | None:
    """(i, j, k, 1) to LPS mm; None where the header has no such form."""
    try:
        form, code = form_of_header(coded=True)
    except (HeaderDataError, ValueError, np.linalg.LinAlgError):  # a quaternion that turns nothing
        return None
    if code <= 0 or form is None or not np.isfinite(form).all() or np.linalg.det(form) == 0:
        return None
    return np.asarray(_RAS_TO_LPS @ np.diag([unit_mm, unit_mm, unit_mm, 1.0]) @ form)


def _shear(form: np.ndarray) -> float:
    """The largest cosine between two axes."""
    directions = form[:3, :3] / np.linalg.norm(form[:3, :3], axis=0)
    return float(np.abs(directions.T @ directions - np.eye(3)).max())


def _same_sides(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two forms have the same handedness, and each axis points to the same side of the patient."""
    toward = [np.argmax(np.abs(form[:3, :3]), axis=0) for form in (one, other)]
    signs = [np.sign(form[axes, range(3)]) for form, axes in zip((one, other), toward, strict=True)]
    same = np.sign(np.linalg.det(one)) == np.sign(np.linalg.det(other))
    return bool(same and np.array_equal(*toward) and np.array_equal(*signs))


def _listed(sizes_mm: np.ndarray) -> str:
    return " x ".join(f"{size:.4g}" for size in sizes_mm)


def _contradiction(path: Path, what: str) -> CTReadError:
    return CTReadError(
        f"{path}: the header contradicts itself: it {what}. Convert the original scan again, or give its DICOM folder."
    )
