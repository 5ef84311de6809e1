"""Which scans there are: of a folder, a list, LUNA16 or the Data Science Bowl, and how the paper joins the two."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import CTReadError, UsageError, cannot_be_opened
from ..io.image_file import image_extension, scan_id
from ..io.tables import read_table, read_text
from ..options import expanded_path
from .dsb2017 import SOURCE as DSB2017
from .dsb2017 import is_dsb2017, read_dsb2017
from .luna16 import SOURCE as LUNA16
from .luna16 import is_luna16, read_luna16
from .scan import CohortScan, Dataset, natural_order


@dataclass(frozen=True)
class Entry:
    """A scan to work on: its id, which names its result, and what `io.read_ct` takes."""

    id: str
    path: Path


_Numbered = list[tuple[int, Entry]]  # with their lines in a list, 0 in a folder
_LONGEST_ID = 200  # bytes, of the 255 that the name of a folder may have


def read_dataset(folder: Path) -> Dataset | None:
    """LUNA16 or the Data Science Bowl 2017, known by their tables; None where the folder is neither.

    Raises
    ------
    CTReadError
    """
    if is_luna16(folder):
        return read_luna16(folder)
    return read_dsb2017(folder) if is_dsb2017(folder) else None


def list_scans(path: Path) -> tuple[Entry, ...]:
    """The scans of a cohort in natural order of their ids; no image is read.

    Parameters
    ----------
    path
        A LUNA16 or Data Science Bowl folder, known by its tables; any other folder, in which every image file, every
        multi-frame DICOM file and every sub-folder is a scan (or, where it has none, the folder itself); a CSV file
        with a column path and perhaps id; or a text file with a path a line. Paths in a list may be relative to it;
        where nothing is there, the run says so. Without an id of its own a scan has its file's or folder's name, see
        `io.image_file.scan_id`.

    Raises
    ------
    CTReadError
        Where there is no scan, it may not be looked for, or a list is ill-formed or none.
    UsageError
        Where two scans have the same id, or an id cannot name a folder; the message names the line. Where DICOM slices
        lie beside other scans.
    """
    try:
        if path.is_dir():
            entries = _of_folder(path)
        elif path.is_file():
            entries = _of_csv(path) if path.suffix.lower() == ".csv" else _of_text(path)
        else:
            raise CTReadError(f"{path}: no such file or folder; expected a folder of scans or a list of their paths.")
    except OSError as error:
        raise cannot_be_opened(path, error) from error
    if not entries:
        raise CTReadError(f"{path}: no scan in it; expected a folder of scans or a list of their paths.")
    _check_ids(path, entries)
    return tuple(sorted((entry for _, entry in entries), key=lambda entry: natural_order(entry.id)))


def _of_folder(folder: Path) -> _Numbered:
    folder = folder.resolve()
    if dataset := read_dataset(folder):
        return [(0, Entry(scan.id, scan.path)) for scan in dataset.scans]
    inside = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    found = [(0, _entry_of(path)) for path in inside if path.is_dir() or image_extension(path)]
    if not found:
        return [(0, Entry(scan_id(folder), folder))] * bool(inside)
    return found + [(0, Entry(scan_id(path), path)) for path in _multi_frame_files(folder, inside)]


def _multi_frame_files(folder: Path, inside: Iterable[Path]) -> list[Path]:
    """The files that hold a scan each, of those in a folder beside other scans; UsageError for loose slices."""
    from ..io.dicom.files import slices_in

    found = []
    for path, frames in slices_in(path for path in inside if path.is_file()):
        if frames == 1:
            raise UsageError(
                f"{folder}: found DICOM slices ({path.name}, ...) beside other scans, so that it is not clear what is "
                "one. Move them into a folder of their own, or give a CSV list with columns id,path."
            )
        found.append(path)
    return found


def _entry_of(path: Path) -> Entry:
    """The scan of a path: where it is a folder with one image and no CT slices, the image."""
    from ..io.dicom.files import files_under, slices_in

    images: list[Path] = []
    with suppress(OSError):  # no folder, or one that the run will complain of
        images = [file for file in path.iterdir() if file.is_file() and image_extension(file)]
    try:
        is_image = len(images) == 1 and not any(slices_in(files_under(path)))
    except CTReadError:  # a folder in it cannot be opened, of which the run will complain
        is_image = False
    return Entry(scan_id(path), images[0] if is_image else path)


def _of_csv(path: Path) -> _Numbered:
    table = read_table(path, ("path",), CTReadError)
    scans = [path.resolve().parent / expanded_path(text) for text in table.texts("path")]
    names = table.columns.get("id", [""] * len(table))
    entries = [Entry(name, scan) if name else _entry_of(scan) for name, scan in zip(names, scans, strict=True)]
    return list(zip(table.lines, entries, strict=True))


def _of_text(path: Path) -> _Numbered:
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise CTReadError(f"{path} cannot be read ({error}); expected a text file with a path a line.") from error
    if "\0" in text or scan_id(path) != path.name:
        raise CTReadError(
            f"{path} is no list of scans; expected a folder, a CSV file, or text with a path a line. To score one "
            "scan use `lungcancerdx score`."
        )
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    return [(number, _entry_of(path.resolve().parent / expanded_path(line))) for number, line in lines if line]


def _check_ids(source: Path, entries: _Numbered) -> None:
    seen: dict[str, Entry] = {}
    for line, entry in entries:
        hidden = entry.id.startswith(".")  # `cohorts` keeps what is in work under such names
        if entry.id != Path(entry.id).name or not entry.id or hidden or "\\" in entry.id or "\0" in entry.id:
            fault = "cannot name a folder"
        elif len(os.fsencode(entry.id)) > _LONGEST_ID:
            fault = f"is longer than {_LONGEST_ID} bytes"
        else:
            fault = ""
        if fault:
            place = f"{source}, line {line}" if line else source
            raise UsageError(
                f"{place}: the id '{entry.id[:_LONGEST_ID]}' of {entry.path} {fault}; give another in a CSV list with "
                "columns id,path."
            )
        if entry.id in seen:
            raise UsageError(
                f"Two scans have the id '{entry.id}': {seen[entry.id].path} and {entry.path}. Give a CSV list with "
                "columns id,path."
            )
        seen[entry.id] = entry


SMALLEST_NODULE_MM = 6.0  # below it a nodule is usually not dangerous (III-A)
TRAINING, VALIDATION = "training", "validation"
_VALIDATION_SHARE = 0.25  # of the original training set (VI-B)


def join(*datasets: Iterable[CohortScan]) -> tuple[CohortScan, ...]:
    """All scans as the detector is trained on them (III-A).

    LUNA16's nodules of less than 6 mm are removed, the scans stay; the Data Science Bowl's nodules all stay. Only the
    Data Science Bowl's scans have a case label.

    Raises
    ------
    UsageError
        Where two scans have the same id.
    """
    joined: dict[str, CohortScan] = {}
    for scan in (scan for dataset in datasets for scan in dataset):
        if scan.id in joined:
            raise UsageError(f"The scan {scan.id} is there twice: {joined[scan.id].path} and {scan.path}. Remove one.")
        large = tuple(nodule for nodule in scan.nodules if nodule.diameter_mm >= SMALLEST_NODULE_MM)
        joined[scan.id] = replace(scan, nodules=large) if scan.source == LUNA16 else scan
    return tuple(joined.values())


def resplit(scans: Iterable[CohortScan], rng: np.random.Generator) -> tuple[CohortScan, ...]:
    """The scans with new training and validation sets of the Data Science Bowl (VI-B).

    A fourth of its original training set, drawn by `rng`, is the new validation set; the rest and the original
    validation set are the new training set.
    """
    scans = list(scans)
    parts = {scan.id: scan.part for scan in scans if scan.source == DSB2017}
    training = [name for name, part in parts.items() if part == TRAINING]
    drawn = rng.permutation(len(training))[: round(_VALIDATION_SHARE * len(training))]
    new = {name: TRAINING for name, part in parts.items() if part in (TRAINING, VALIDATION)}
    new.update((training[n], VALIDATION) for n in drawn)
    return tuple(replace(scan, part=new.get(scan.id, scan.part)) for scan in scans)


def in_parts(scans: Iterable[CohortScan], parts: Collection[str]) -> tuple[CohortScan, ...]:
    """The scans of some parts; LUNA16 as a whole is of the training set, as only the detector learns from it (III-A).

    Raises
    ------
    UsageError
        Where a part has no scan.
    """
    scans = list(scans)
    parts_of = [{scan.part, TRAINING} if scan.source == LUNA16 else {scan.part} for scan in scans]
    there = set().union(*parts_of) - {""}
    for part in parts:
        if part not in there:
            raise UsageError(f"No scan is of the part '{part}'; there are {', '.join(sorted(there)) or 'no parts'}.")
    return tuple(scan for scan, own in zip(scans, parts_of, strict=True) if own & set(parts))
