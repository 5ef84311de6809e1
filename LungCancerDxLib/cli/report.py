"""`lungcancerdx report`: a result folder to a report, once more when more is known of the patient."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import UsageError
from ..options import expanded_path
from ..runtime.interruption import Stop
from .arguments import EXIT_CODES, Commands, add_command, add_progress_options, path
from .output import add_export_options, check_exports, write_exports
from .terminal import make_progress


def add_report(commands: Commands) -> None:
    """Its arguments."""
    report = add_command(commands, "report", run, help="write a result's report.html and report.pdf", epilog=EXIT_CODES)
    report.add_argument("result", metavar="DIR", type=path, help="a folder that `score` wrote")
    report.add_argument("--ct", metavar="CT", type=path, help="the scan (default: where it was when it was scored)")
    report.add_argument(
        "--patient",
        metavar="FILE",
        type=expanded_path,
        help="what is known of the patient, instead of what was known before: a JSON file, see docs/assessment.md",
    )
    add_export_options(report)
    add_progress_options(report)


def run(arguments: argparse.Namespace, stop: Stop) -> str:
    """Read the result and its CT, assess it anew and write the files; returns the message for the terminal."""
    from dataclasses import replace

    from ..assessment.assess import assess, assessed
    from ..assessment.patient import Patient, read_patient
    from ..io import read_ct
    from ..io.result_folder import CASE_FILE, DICOM_FILES, REPORT_FILES, is_grid_of, read_result
    from ..io.tables import write_text

    progress = stop.watched(make_progress(arguments.progress))
    folder: Path = arguments.result
    result = read_result(folder)
    ct = arguments.ct or (Path(result.input["path"]) if result.input.get("path") else None)
    if ct is None:
        raise UsageError(f"The result in {folder} does not tell where its CT is; give it with --ct.")
    check_exports(ct, True, arguments.dicom, arguments.identified)
    before = Patient.from_table(result.patient, str(folder / CASE_FILE))
    patient = read_patient(arguments.patient).completed(before.age_years, before.sex) if arguments.patient else before
    progress("reading the CT", 0.0)
    volume = read_ct(ct)
    if not is_grid_of(folder, volume):
        raise UsageError(f"{ct} is not the scan of the result in {folder}: its grid differs. Give the scan with --ct.")
    origin = {**result.input, "series_uid": result.input.get("series_uid") or volume.info.get("series_uid")}
    result = replace(assessed(result, patient), volume=volume, input=origin)
    write_text(folder / CASE_FILE, result.to_json())
    progress("writing the report", 0.4)
    write_exports(result, ct, folder, True, arguments.dicom, arguments.identified)
    progress("writing the report", 1.0)
    assessment = assess(result)
    names = (*REPORT_FILES, *(DICOM_FILES if arguments.dicom else ()))
    category = f"Lung-RADS {assessment.scan_category}. " if assessment.lung_rads else ""
    return f"{category}{assessment.remarks[0]}\n{', '.join(names)} in {folder}; {CASE_FILE} brought up to date"
