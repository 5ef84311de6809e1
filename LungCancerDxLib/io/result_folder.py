"""A case's result as a folder of files."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..case import CaseResult
from ..errors import CTReadError, UsageError
from ..volume import CTVolume, corners_apart_mm
from .image_file import read_array, read_label_map, write_image

CASE_FILE = "case.json"
LUNGS_FILE = "lungs.nrrd"
NODULES_FILE = "nodules.nrrd"
OVERVIEW_FILE = "overview.png"
SCENE_FILE = "scene.mrb"
VIEWS_FILE = "views.png"
REPORT_FILES = ("report.html", "report.pdf")
DICOM_FILES = ("segmentation.dcm", "measurements.dcm")
_LABEL_FILES = (LUNGS_FILE, NODULES_FILE)
RESULT_FILES = (
    CASE_FILE,
    LUNGS_FILE,
    NODULES_FILE,
    "nodules.mrk.json",
    "segmentation.seg.nrrd",
    SCENE_FILE,
    OVERVIEW_FILE,
    VIEWS_FILE,
    *REPORT_FILES,
    *DICOM_FILES,
)
"""All that a result may consist of, what marks it first: a folder with anything else is never replaced."""


def write_result(result: CaseResult, volume: CTVolume, folder: Path) -> None:
    """Write `case.json` and two label maps on the CT's own grid into a folder.

    `lungs.nrrd` holds 1 for the left lung, 2 for the right one, 3 for one of unknown side; `nodules.nrrd` each nodule's
    rank.

    Raises
    ------
    OSError
        Where a file could not be written whole.
    """
    (folder / CASE_FILE).write_text(result.to_json(), encoding="utf-8", newline="\n")
    for labels, name in zip((result.lung_labels, result.nodule_labels), _LABEL_FILES, strict=True):
        if labels is not None:
            write_image(labels, volume, folder / name)


def read_result(folder: Path) -> CaseResult:
    """The case of a result folder, with its label maps.

    Raises
    ------
    CTReadError
        Where a file is missing or damaged.
    """
    reading = read_result_in_steps(folder)
    while True:
        try:
            next(reading)
        except StopIteration as end:
            result: CaseResult = end.value
            return result


def check_scan_of(result: CaseResult, folder: Path, volume: CTVolume, ct: Path) -> None:
    """Refuse a scan that is not the one that a result was made of.

    It is another one where both are of a known series and these differ, and where its grid is not that of both label
    maps, its corners within half a voxel.

    Parameters
    ----------
    folder
        Of the result.
    ct
        Where the scan was read from.

    Raises
    ------
    UsageError
    CTReadError
        Where a label map cannot be read.
    """
    scored, found = result.input.get("series_uid"), volume.info.get("series_uid")
    if scored and found and scored != found:
        raise UsageError(
            f"{ct} is not the scan of the result in {folder}: the result is of the series {scored}, this is {found}. "
            "Give the folder that holds that series alone with --ct."
        )
    half_voxel_mm = float(volume.spacing_mm_kji.min()) / 2
    for name in _LABEL_FILES:
        labels, affine = read_label_map(folder / name)
        shape = labels.shape
        if shape != volume.shape_kji or corners_apart_mm(affine, volume.kji_to_lps, shape) >= half_voxel_mm:
            raise UsageError(
                f"{ct} is not the scan of the result in {folder}: its grid differs from that of {name}. Give the scan "
                "with --ct."
            )


def read_result_in_steps(folder: Path) -> Generator[None, Any, CaseResult]:
    """`read_result` for a window that must stay alive meanwhile: a file a step."""
    result = read_case(folder)
    lungs = _labels(folder / LUNGS_FILE)
    yield
    nodules = _labels(folder / NODULES_FILE)
    yield
    return replace(result, lung_labels=lungs, nodule_labels=nodules)


def read_case(folder: Path) -> CaseResult:
    """The case of a result folder, without its label maps.

    Raises
    ------
    CTReadError
        Where `case.json` is missing or damaged.
    """
    path = folder / CASE_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise CTReadError(f"{path} cannot be read ({why}); expected a folder that `score` wrote.") from error
    return CaseResult.from_json(text, str(path))


def _labels(path: Path) -> np.ndarray:
    try:
        return read_array(path)
    except RuntimeError as error:
        why = "it is damaged or incomplete" if path.exists() else "no such file"
        raise CTReadError(f"{path} cannot be read ({why}); copy the result again, or score the scan again.") from error
