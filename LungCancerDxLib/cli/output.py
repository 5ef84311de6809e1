"""What `score` and `demo` write and say: the files of a result, and the case for the terminal."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..names import OUTCOME_REMARKS, RESEARCH_USE_ONLY, UNTRAINED_NOTICE, figure_text
from ..runtime.progress import Progress, part

if TYPE_CHECKING:
    from ..case import CaseResult, Nodule

_SCENE_PACKAGES = ("slicer", "vtk", "matplotlib")
_INSTALL = "pip install 'lungcancerdx[scene]'"


def add_scene_option(parser: argparse.ArgumentParser) -> None:
    """Whether to write the scene and the pictures."""
    parser.add_argument(
        "--scene",
        action=argparse.BooleanOptionalAction,
        help="write the MRML scene and the pictures (default: where the packages are installed)",
    )


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """What a clinician takes home."""
    parser.add_argument(
        "--identified", action="store_true", help="name the patient in the report, as the DICOM header does"
    )
    parser.add_argument(
        "--dicom",
        action="store_true",
        help="write a DICOM segmentation and a measurement report (TID 1500) that refer to the source series",
    )


def check_exports(ct: Path, report: bool, dicom: bool, identified: bool) -> None:
    """Refuse, before any work is done, exports that could not be made of this CT or with the packages at hand.

    Raises
    ------
    UsageError
    """
    from ..io.image_file import image_extension

    if (dicom or identified) and image_extension(ct):
        what = "--dicom" if dicom else "--identified"
        raise UsageError(
            f"{what} needs the DICOM series itself: {ct} is an image file, which tells neither of its patient nor of "
            "its series. Give the folder of the series."
        )
    if report:
        from ..report.files import check_report_packages

        check_report_packages()
    if dicom and find_spec("highdicom") is None:
        raise UsageError("--dicom needs highdicom, not installed here: pip install 'lungcancerdx[dicom]'")


def write_exports(result: CaseResult, ct: Path, folder: Path, report: bool, dicom: bool, identified: bool) -> None:
    """Write the report and the DICOM objects of a result into a folder, as asked.

    Raises
    ------
    UsageError, OutputError
    """
    assert result.volume is not None
    if report:
        from ..io.dicom.source import identity
        from ..report.files import save_report

        names = identity(ct, result.input.get("series_uid")) if identified else None
        save_report(result, result.volume, folder, names)
    if dicom:
        from ..report.dicom import save_dicom

        save_dicom(result, result.volume, ct, folder)


def scene_is_wanted(asked: bool | None) -> bool:
    """Whether to write the scene: as asked, or (None) where its packages are installed.

    Raises
    ------
    UsageError
        Where it is asked for and a package is missing.
    """
    missing = [name for name in _SCENE_PACKAGES if find_spec(name) is None]
    if asked and missing:
        raise UsageError(f"--scene needs {', '.join(missing)}, not installed here: {_INSTALL}")
    return not missing if asked is None else asked


def refuse_inputs_within(out: Path, inputs: Sequence[Path | str | None]) -> None:
    """Refuse an output folder that holds what goes in, since it is made anew as a whole.

    Raises
    ------
    UsageError
    """
    for given in inputs:
        if given is not None and Path(given).resolve().is_relative_to(out.resolve()):
            raise UsageError(f"{given} lies in the output folder {out}, which is made anew. Choose another folder.")


def write_files(result: CaseResult, folder: Path, with_scene: bool, progress: Progress) -> tuple[str, ...]:
    """Write all files of a result into a folder; returns messages on what could not be had.

    Raises
    ------
    OSError
        Where a file could not be written.
    """
    from ..io.result_folder import write_result

    assert result.volume is not None
    progress("writing the results", 0.0)
    write_result(result, result.volume, folder)
    remarks = _write_scene(result, folder, part(progress, 0.2, 1.0)) if with_scene else ()
    progress("writing the results", 1.0)
    return remarks


def _write_scene(result: CaseResult, folder: Path, progress: Progress) -> tuple[str, ...]:
    from ..io.result_folder import OVERVIEW_FILE, VIEWS_FILE
    from ..report.overview import save_overview
    from ..slicer.scene.files import save_scene_files

    assert result.volume is not None
    assert result.nodule_labels is not None
    progress("drawing the overview", 0.0)
    save_overview(result, result.volume, result.nodule_labels, folder / OVERVIEW_FILE)
    progress("writing the scene", 0.3)
    warning = save_scene_files(result, folder, folder / VIEWS_FILE)
    progress("writing the scene", 1.0)
    return () if warning is None else (warning,)


def summary(result: CaseResult, folder: Path, asked_for_scene: bool | None = False, remarks: Sequence[str] = ()) -> str:
    """The case as text and a table; `remarks` are on the files, not on the case."""
    case = result.case
    lines = [""]
    if result.unreliable:
        lines += result.warnings[:1]
    if result.model["outcome"] == "none":
        lines.append(UNTRAINED_NOTICE)
    remark = OUTCOME_REMARKS[result.model["outcome"]]
    lines += [f"Case score {case.score:.2f}  ({result.score_label}). {remark}", result.model_title]
    sides = {"left": "left", "right": "right", "side unknown": "unknown_side"}
    lungs = {side: result.lungs.get(f"{key}_volume_ml", 0.0) for side, key in sides.items()}
    shown = [f"{side} {volume:.0f} mL" for side, volume in lungs.items() if volume or side != "side unknown"]
    lines.append(f"Lungs: {', '.join(shown)}")
    if result.nodules:
        lines.append("")
        score = f"{result.short_nodule_score_name:>10}"
        lines.append(f"rank  centre L, P, S (mm)         diameter  confidence  {score}  share  counts")
        lines += [_row(nodule) for nodule in result.nodules]
    else:
        lines.append("No nodules were found.")
    others = [("leak", case.leak_share), (f"{case.blank_count} blanks", case.blank_share)]
    lines += [f"      share of the {name}: {share:.1%}" for name, share in others if share is not None]
    lines.append(result.joining)
    lines.append("")
    lines += [f"Warning: {warning}" for warning in result.warnings[bool(result.unreliable) :]]
    if asked_for_scene is None and not scene_is_wanted(None):
        lines.append(f"The MRML scene and the pictures were left out: they need {_INSTALL}.")
    lines += remarks
    seconds = ", ".join(f"{stage} {value:.1f}" for stage, value in result.timing_s.items())
    lines.append(f"Results in {folder}  (seconds: {seconds})")
    lines.append(RESEARCH_USE_ONLY)
    return "\n".join(lines)


def _row(nodule: Nodule) -> str:
    x, y, z = nodule.center_lps_mm
    place = f"{x:8.1f} {y:8.1f} {z:8.1f}"
    diameter = ("~" if nodule.is_box else "") + figure_text(nodule.diameter_mm, ".1f", " mm", "-")
    confidence, score = (figure_text(value, ".3f", unknown="-") for value in (nodule.confidence, nodule.malignancy))
    share = "" if nodule.contribution is None else f"{nodule.contribution:.1%}"
    counts = "yes" if nodule.scored else nodule.source
    return f"{nodule.rank:>4}  {place}   {diameter:>8}  {confidence:>10}  {score:>10}  {share:>5}  {counts}"
