"""The files of the series that a scan was read from: for objects that refer to it, and for who the patient is."""

from __future__ import annotations

from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from ...errors import UsageError
from .files import files_under, scan

_IDENTITY = {
    "Name": "PatientName",
    "Patient ID": "PatientID",
    "Date of birth": "PatientBirthDate",
    "Date of study": "StudyDate",
    "Accession number": "AccessionNumber",
}


def source_datasets(path: Path, series_uid: str | None) -> list[Dataset]:
    """The headers of a series, without pixels, by their place along the patient.

    Parameters
    ----------
    path
        A DICOM folder or a multi-frame file.

    Raises
    ------
    UsageError
        Where the series is not there.
    CTReadError
        Where a file cannot be opened.
    """
    slices, _ = scan(files_under(path) if path.is_dir() else [path])
    found = sorted(
        (each for each in slices if series_uid and each.series.uid == series_uid),
        key=lambda each: float(each.normal_lps @ each.position_lps_mm),
    )
    if not found:
        raise UsageError(
            f"{path}: the series {series_uid or 'of the scan'} is not here; give the folder that holds it."
        )
    paths = dict.fromkeys(each.path for each in found)
    return [pydicom.dcmread(each, stop_before_pixels=True, force=True) for each in paths]  # some have no preamble


def identity(path: Path, series_uid: str | None) -> dict[str, str]:
    """Who the patient is, by the header of the series: names and values, nothing that is not known.

    Of a name its alphabetic form, where it has one: a PDF's fonts have no ideograms.

    Raises
    ------
    UsageError, CTReadError
        See `source_datasets`.
    """
    first = source_datasets(path, series_uid)[0]
    known = {name: first[keyword].value for name, keyword in _IDENTITY.items() if first.get(keyword)}
    return {name: getattr(value, "alphabetic", "") or str(value) for name, value in known.items()}
