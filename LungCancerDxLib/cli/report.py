"""`lungcancerdx report`: a result folder to a report, once more when more is known of the patient."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CTReadError, UsageError
from ..options import expanded_path
from ..runtime.interruption import Stop
from .arguments import EXIT_CODES, Commands, add_command, add_progress_options, path
from .output import add_export_options, check_exports, write_exports
from .terminal import make_progress

if TYPE_CHECKING:
    from ..case import CaseResult


def add_report(commands: Commands) -> None:
    """Its arguments."""
    report = add_command(commands, "report", run, help="write a result's report.html and report.pdf", epilog=EXIT_CODES)
    report.add_argument("result", metavar="DIR", type=path, help="a folder that `score` wrote")
    report.add_argument("--ct", metavar="CT", type=path, help="the scan (default: where it was when it was scored)")
    report.add_argument(
        "--patient",
        metavar="FILE",
        type=expanded_path,
        help="what is known of the patient, instead of all that was told before: a JSON file, see docs/assessment.md",
    )
    add_export_options(report)
    add_progress_options(report)


def run(arguments: argparse.Namespace, stop: Stop) -> str:
    """Read the result and its CT, assess it anew and write the files; returns the message for the terminal."""
    from dataclasses import replace

    from ..assessment.assess import assess, assessed
    from ..assessment.patient import Patient, read_patient
    from ..io import read_ct
    from ..io.result_folder import CASE_FILE, DICOM_FILES, REPORT_FILES, SCENE_FILE, check_scan_of, read_result
    from ..io.tables import write_text
    from ..report.files import own_dicom_files
    from ..runtime.atomic import atomic_files

    progress = stop.watched(make_progress(arguments.progress))
    folder: Path = arguments.result
    before = read_result(folder)
    ct = arguments.ct or _scored_ct(before, folder)
    check_exports(ct, True, arguments.dicom, arguments.identified)
    told = read_patient(arguments.patient) if arguments.patient else None
    try:
        patient = told or Patient.from_table(before.patient, str(folder / CASE_FILE))
    except UsageError as error:
        raise CTReadError(f"{error} Tell what is known with --patient.") from error
    progress("reading the CT", 0.0)
    volume = read_ct(ct)
    if told:
        patient = patient.completed(volume.info.get("patient_age_years"), volume.info.get("patient_sex"))
    check_scan_of(before, folder, volume, ct)
    origin = {**before.input, "series_uid": before.input.get("series_uid") or volume.info.get("series_uid")}
    result = replace(assessed(before, patient), volume=volume, input=origin)
    is_changed = result.to_json() != before.to_json()
    progress("writing the report", 0.4)
    with atomic_files(folder) as staging:
        write_text(staging / CASE_FILE, result.to_json())
        write_exports(result, ct, staging, True, arguments.dicom, arguments.identified)
        written = [file.name for file in staging.iterdir()]
    stale = [file for file in own_dicom_files(folder) if is_changed and file.name not in written]
    for file in stale:
        file.unlink()
    progress("writing the report", 1.0)
    assessment = assess(result)
    category = f"Lung-RADS {assessment.scan_category}. " if assessment.lung_rads else ""
    names = ", ".join(name for name in (*REPORT_FILES, *DICOM_FILES) if name in written)
    lines = [f"{category}{assessment.remarks[0]}", f"{names} in {folder}; {CASE_FILE} brought up to date"]
    if stale:
        removed = " and ".join(file.name for file in stale)
        lines.append(f"Removed: {removed}, of what was known before; --dicom writes them anew.")
    if is_changed and (folder / SCENE_FILE).exists():
        lines.append(f"{SCENE_FILE} still holds what was known when it was written.")
    return "\n".join(lines)


def _scored_ct(result: CaseResult, folder: Path) -> Path:
    """Where the scan of a result lay when it was scored; a relative path may lead to any scan and is refused."""
    from ..io.result_folder import CASE_FILE

    stored = result.input.get("path")
    if stored is None or not Path(stored).is_absolute() or not Path(stored).exists():
        raise UsageError(
            f"The scan of the result in {folder} is not found: {CASE_FILE} has {stored or 'no path'}, expected the "
            "full path of a file or folder that is there. Give the scan with --ct."
        )
    return Path(stored)
