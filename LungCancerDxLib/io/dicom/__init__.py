"""DICOM: find the slices, choose the stack, leave out repeats, build the volume."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...errors import CTReadError
from ...volume import CTVolume
from .files import DAMAGED, files_under, scan
from .geometry import volume_of
from .header import SliceHeader
from .series import choose_stack, without_repeats


def read_dicom_folder(folder: Path) -> CTVolume:
    """The largest axial CT series under a folder, whatever else lies in it.

    Raises CTReadError where there is none, or where its slices do not make a volume.
    """
    files = files_under(folder)
    if not files:
        raise CTReadError(f"{folder}: the folder is empty; give the folder that holds the DICOM files of a chest CT.")
    slices, left_out = scan(files)
    if not slices:
        raise CTReadError(
            f"{folder}: no CT slices in this folder; found {_counted(left_out)}. Give the folder that holds the DICOM "
            f"files of a chest CT; give a NIfTI, NRRD or MetaImage scan as a file."
        )
    volume = _read(slices, folder)
    if left_out[DAMAGED]:
        return replace(volume, warnings=(f"Left out {DAMAGED}: {left_out[DAMAGED]}.", *volume.warnings))
    return volume


def read_dicom_file(path: Path) -> CTVolume:
    """One multi-frame DICOM file. Raises CTReadError for any other, a single slice among them."""
    slices, left_out = scan([path])
    if not slices:
        raise CTReadError(
            f"{path}: no CT in this file; found {', '.join(left_out)}. Give a DICOM folder, a multi-frame DICOM file, "
            f"or a NIfTI, NRRD or MetaImage file of a chest CT."
        )
    if len(slices) == 1:
        raise CTReadError(f"{path}: a single slice of a series; give the folder that holds the whole series.")
    return _read(slices, path)


def _read(slices: Sequence[SliceHeader], path: Path) -> CTVolume:
    stack, choice = choose_stack(slices, path)
    stack, repeats = without_repeats(stack, path)
    volume = volume_of(stack, path)
    return replace(volume, warnings=choice + repeats + volume.warnings)


def _counted(left_out: Counter[str]) -> str:
    return ", ".join(f"{kind}: {count}" for kind, count in left_out.most_common())
