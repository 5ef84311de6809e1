"""NIfTI files (1 and 2), whose headers may contradict themselves: voxel size, place and sides stand there three times.

ITK takes one of them without a word, and refuses a shear that rounding leaves; so the file is read here.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import CTReadError
from ..volume import CTVolume, index_to_world
from .checks import to_hounsfield
from .tilt import shift_slices, tilt_warning

NO_ORIENTATION = "The file does not say how the patient lies in it: check left and right."
SAME_SIZE = 0.01  # as a share, between two voxel sizes
SAME_PLACE_MM = 1.0  # of the corners, between two places
SHEAR_TOLERANCE = 1e-3  # cosine between two axes that still count as orthogonal
_SCANNER = 1  # the code of a form that says where the patient lay in the scanner
_TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
_OTHER_TYPES = {32: "complex values", 1792: "complex values", 128: "a colour image", 2304: "a colour image"}
_UNITS_MM = {1: 1e3, 3: 1e-3}  # metres and micrometres; everything else is in mm
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# Where each version has dim, datatype, pixdim, vox_offset, scl_slope and scl_inter, units, both codes, quaternion and
# offset, sform; and how each is packed.
_LAYOUTS: dict[int, tuple[tuple[int, str], ...]] = {
    348: (
        (40, "8h"),
        (70, "h"),
        (76, "8f"),
        (108, "f"),
        (112, "2f"),
        (123, "B"),
        (252, "2h"),
        (256, "6f"),
        (280, "12f"),
    ),
    540: (
        (16, "8q"),
        (12, "h"),
        (104, "8d"),
        (168, "q"),
        (176, "2d"),
        (500, "i"),
        (344, "2i"),
        (352, "6d"),
        (400, "12d"),
    ),
}


@dataclass(frozen=True)
class _Header:
    shape_ijk: tuple[int, ...]
    number: str
    pixdim: tuple[float, ...]
    offset: int
    scale: tuple[float, float]
    unit_mm: float
    codes: tuple[int, int]
    quaternion: tuple[float, ...]
    rows: tuple[float, ...]


def read_nifti(path: Path) -> CTVolume:
    """A NIfTI file as a CTVolume (K, J, I); a tilted scan's shear is undone with a warning.

    Raises CTReadError where the file is damaged, contradicts itself, states no voxel size, or is not a single-channel
    3D image.
    """
    header, content = _read(path)
    affine, warnings = _affine(header, path)
    voxels = to_hounsfield(_values(header, content), path)
    volume = CTVolume(voxels, affine, {"path": str(path)}, warnings)
    return _unsheared(volume, path)


def _read(path: Path) -> tuple[_Header, bytes]:
    """The header, and the bytes of all voxels."""
    try:
        with path.open("rb") as plain:
            compressed = plain.read(2) == b"\x1f\x8b"
        with gzip.open(path) if compressed else path.open("rb") as file:
            start = file.read(max(_LAYOUTS))
            header = _header(start, path)
            begin = max(header.offset, 0)
            size = math.prod(header.shape_ijk) * np.dtype(header.number).itemsize
            content = (start + file.read(begin + size + 1 - len(start)))[begin : begin + size]
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CTReadError(f"{path}: the compressed data is damaged ({error}); copy or export the file again.") from None
    except OSError as error:
        raise CTReadError(
            f"{path}: cannot be opened ({error.strerror or error}); check that you may read it."
        ) from error
    if len(content) < size:
        raise CTReadError(
            f"{path}: truncated: {begin + len(content)} of {begin + size} bytes; copy or export the file again."
        )
    return header, content


def _header(start: bytes, path: Path) -> _Header:
    order, layout = next(
        ((order, _LAYOUTS[size]) for order in "<>" for size in _LAYOUTS if start[:4] == struct.pack(f"{order}i", size)),
        ("", ()),
    )
    if not layout or len(start) < layout[-1][0] + 128:
        raise CTReadError(f"{path}: cannot be read (no NIfTI header); it may be damaged. Copy or export it again.")
    fields: list[Any] = [struct.unpack_from(order + packed, start, place) for place, packed in layout]
    dim, (datatype,), pixdim, (offset,), scale, (unit,), codes, quaternion, rows = fields
    count, shape = dim[0], tuple(size if n < dim[0] else 1 for n, size in enumerate(dim[1:]))
    if datatype in _OTHER_TYPES:
        found = _OTHER_TYPES[datatype]
    elif not 3 <= count <= 7 or min(shape) < 1:
        found = f"a {count}D image"
    elif max(shape[4:]) > 1:
        found = f"{int(np.prod(shape[4:]))} values a voxel (a vector image)"
    elif shape[3] > 1:
        found = f"{shape[3]} volumes in one file"
    elif datatype not in _TYPES:
        found = f"numbers of the unknown type {datatype}"
    else:
        unit_mm, number = _UNITS_MM.get(unit & 7, 1.0), order + _TYPES[datatype]
        return _Header(shape[:3], number, pixdim, int(offset), scale, unit_mm, codes, quaternion, rows)
    raise CTReadError(f"{path}: found {found}, expected one 3D volume of Hounsfield units; export the CT as such.")


def _values(header: _Header, content: bytes) -> np.ndarray:
    """(K, J, I) with the header's rescale applied."""
    stored = np.frombuffer(content, header.number).reshape(header.shape_ijk[::-1])
    slope, intercept = header.scale
    if not np.isfinite([slope, intercept]).all() or slope == 0 or (slope, intercept) == (1, 0):
        return stored
    return np.asarray(stored * np.float32(slope) + np.float32(intercept))


def _affine(header: _Header, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """(k, j, i, 1) to LPS mm as the header's forms say, and warnings where they had to be weighed."""
    sizes_mm = np.abs(header.pixdim[1:4]) * header.unit_mm
    if not (np.isfinite(sizes_mm).all() and (sizes_mm > 0).all()):
        stated = " ".join(f"{size:g}" for size in header.pixdim[1:4])
        raise CTReadError(
            f"{path}: the voxel size is missing (the header says '{stated}'), expected millimetres; export the scan "
            "again."
        )
    qform, sform = _qform(header, sizes_mm), _sform(header)
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


def _weighed(qform: np.ndarray, sform: np.ndarray, header: _Header, path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """The form to take of two."""
    apart_mm = _corners_apart_mm(qform, sform, header.shape_ijk)
    if apart_mm <= SAME_PLACE_MM or (_shear(sform) > SHEAR_TOLERANCE and _same_sides(qform, sform)):
        return sform, ()  # a qform holds no shear
    if not _same_sides(qform, sform):
        raise _contradiction(path, "says two orientations (qform, sform), which disagree on the patient's sides")
    scanner = [code == _SCANNER for code in header.codes]
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
    offsets_mm = np.arange(volume.shape_kji[0])[:, None] * (along @ steps[0])
    length_mm = (volume.shape_kji[0] - 1) * float(normal @ steps[0])
    warnings = tilt_warning(offsets_mm, length_mm, pixel_mm, path)
    voxels, origin_px = shift_slices(volume.voxels, offsets_mm / pixel_mm) if warnings else (volume.voxels, np.zeros(2))
    affine = volume.kji_to_lps.copy()
    affine[:3, 0] = normal * (normal @ steps[0])
    affine[:3, 3] += origin_px @ steps[1:]
    return CTVolume(voxels, affine, volume.info, volume.warnings + warnings)


def _qform(header: _Header, sizes_mm: np.ndarray) -> np.ndarray | None:
    """(i, j, k, 1) to LPS mm; None where the header has none."""
    b, c, d, *offset = header.quaternion
    squares = b * b + c * c + d * d
    if header.codes[0] <= 0 or not np.isfinite(header.quaternion).all() or squares > 1 + SAME_SIZE:
        return None
    a = np.sqrt(max(1 - squares, 0.0))
    turn = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    form = np.eye(4)
    form[:3, :3] = turn * sizes_mm * [1, 1, -1 if header.pixdim[0] < 0 else 1]
    form[:3, 3] = np.multiply(offset, header.unit_mm)
    return _RAS_TO_LPS @ form


def _sform(header: _Header) -> np.ndarray | None:
    """(i, j, k, 1) to LPS mm; None where the header has none."""
    form = np.eye(4)
    form[:3] = np.reshape(header.rows, (3, 4)) * header.unit_mm
    if header.codes[1] <= 0 or not np.isfinite(form).all() or np.linalg.det(form) == 0:
        return None
    return _RAS_TO_LPS @ form


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


def _corners_apart_mm(one: np.ndarray, other: np.ndarray, shape_ijk: Sequence[int]) -> float:
    corners = np.array(list(product(*[(0, n - 1) for n in shape_ijk])))
    return float(np.linalg.norm(index_to_world(one, corners) - index_to_world(other, corners), axis=1).max())


def _listed(sizes_mm: np.ndarray) -> str:
    return " x ".join(f"{size:.4g}" for size in sizes_mm)


def _contradiction(path: Path, what: str) -> CTReadError:
    return CTReadError(
        f"{path}: the header contradicts itself: it {what}. Convert the original scan again, or give its DICOM folder."
    )
