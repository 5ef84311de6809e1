"""The report of a case as files of its result folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from ..case import CaseResult
from ..errors import UsageError
from ..io.result_folder import CASE_FILE, DICOM_FILES, REPORT_FILES
from ..io.tables import write_text
from ..runtime.atomic import atomic_file
from ..volume import CTVolume
from .content import report_of
from .dicom import MAKER
from .html import to_html
from .pdf import save_pdf

_PACKAGES = ("matplotlib", "reportlab")


def check_report_packages() -> None:
    """Raise `UsageError` where a report cannot be made for want of a package."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise UsageError(f"A report needs {', '.join(missing)}, not installed here: pip install 'lungcancerdx[report]'")


def save_report(
    result: CaseResult, volume: CTVolume, folder: Path, identity: Mapping[str, str] | None = None
) -> tuple[Path, Path]:
    """Write `report.html` and `report.pdf` into a folder, each whole or not at all.

    Parameters
    ----------
    result
        With its label maps.
    identity
        What tells who the patient is; None: the report does not tell.

    Raises
    ------
    UsageError
        Where a package is missing.
    OutputError
        Where a file cannot be written.
    """
    check_report_packages()
    assert result.nodule_labels is not None
    digest = hashlib.sha256(result.to_json().encode()).hexdigest()
    report = report_of(result, volume, result.nodule_labels, identity, {CASE_FILE: digest})
    html_path, pdf_path = (folder / name for name in REPORT_FILES)
    write_text(html_path, to_html(report))
    with atomic_file(pdf_path) as staging:
        save_pdf(report, staging)
    return html_path, pdf_path


def own_dicom_files(folder: Path) -> list[Path]:
    """The DICOM objects of a result folder that this program wrote, by their headers."""
    return [path for name in DICOM_FILES if (path := folder / name).is_file() and _is_own(path)]


def _is_own(path: Path) -> bool:
    try:
        return bool(dcmread(path, specific_tags=["Manufacturer"]).get("Manufacturer") == MAKER)
    except InvalidDicomError:
        return False
