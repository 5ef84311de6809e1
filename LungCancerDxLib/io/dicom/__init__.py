"""DICOM: find the slices, choose the stack, leave out repeats, build the volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...errors import CTReadError
from ...volume import CTVolume
from ..checks import check_chest_ct
from .acquisitions import without_repeats
from .files import LeftOut, files_under, kinds, listed_files, lost_slices, scan
from .geometry import volume_of
from .header import SliceHeader
from .series import choose_stack

_MAX_LOST_SHARE = 0.1  # of the slices of a series


def read_dicom_folder(folder: Path) -> CTVolume:
    """The chest CT under a folder, whatever else lies in it (see `series.choose_stack`).

    Raises CTReadError where there is none, or where its slices do not make a volume.
    """
    files = files_under(folder)
    if not files:
        raise CTReadError(f"{folder}: the folder is empty; give the folder that holds the DICOM files of a chest CT.")
    slices, left_out = scan(files)
    if not slices:
        raise CTReadError(
            f"{folder}: no CT slices in this folder; found {kinds(left_out)}. Give the folder that holds the DICOM "
            f"files of a chest CT; give a NIfTI, NRRD or MetaImage scan as a file."
        )
    return _read(slices, left_out, folder)


def read_dicom_file(path: Path) -> CTVolume:
    """One multi-frame DICOM file. Raises CTReadError for any other, a single slice among them."""
    slices, left_out = scan([path])
    if not slices:
        raise CTReadError(
            f"{path}: no CT in this file; found {left_out[0].kind}. Give a DICOM folder, a multi-frame DICOM file, "
            f"or a NIfTI, NRRD or MetaImage file of a chest CT."
        )
    if len(slices) == 1:
        raise CTReadError(f"{path}: a single slice of a series; give the folder that holds the whole series.")
    return _read(slices, left_out, path)


def _read(slices: Sequence[SliceHeader], left_out: Sequence[LeftOut], path: Path) -> CTVolume:
    """The volume of the chosen stack. What was chosen and lost is told, also where the volume cannot be made."""
    stack, choice = choose_stack(slices, path)
    messages = (*_lost(left_out, stack, path), *choice)
    try:
        stack, repeats = without_repeats(stack, path)
        volume = volume_of(stack, path)
        check_chest_ct(volume, path)
    except CTReadError as error:
        raise CTReadError(" ".join([str(error), *messages])) from error
    return replace(volume, warnings=messages + repeats + volume.warnings)


def _lost(left_out: Sequence[LeftOut], stack: Sequence[SliceHeader], path: Path) -> tuple[str, ...]:
    """Warnings on files that could not be used; CTReadError where too many slices of the stack are among them."""
    lost, unknown = lost_slices(left_out, stack)
    if len(lost) > _MAX_LOST_SHARE * (len(lost) + len(stack)):
        raise CTReadError(
            f"{path}: {len(lost)} of {len(lost) + len(stack)} slices cannot be read, as their files are empty, damaged "
            f"or cut off: {listed_files(lost)}. Copy or export the series again."
        )
    found = {"slices whose files": lost, "files elsewhere that": unknown}
    return tuple(
        f"Left out {what} are empty, damaged or cut off: {len(files)} ({listed_files(files)})."
        for what, files in found.items()
        if files
    )
