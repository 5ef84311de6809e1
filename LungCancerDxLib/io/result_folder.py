"""A case's result as a folder of files."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..case import CaseResult
from ..errors import LungCancerDxError
from ..volume import CTVolume, corners_apart_mm
from .image_file import read_array, read_label_map, write_image

CASE_FILE = "case.json"
LUNGS_FILE = "lungs.nrrd"
NODULES_FILE = "nodules.nrrd"
OVERVIEW_FILE = "overview.png"
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
    "scene.mrb",
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
    (folder / CASE_FILE).write_text(result.to_json(), encoding="utf-8")
    for labels, name in zip((result.lung_labels, result.nodule_labels), _LABEL_FILES, strict=True):
        if labels is not None:
            write_image(labels, volume, folder / name)


def read_result(folder: Path) -> CaseResult:
    """The case of a result folder, with its label maps.

    Raises
    ------
    LungCancerDxError
        Where a file is missing or damaged.
    """
    reading = read_result_in_steps(folder)
    while True:
        try:
            next(reading)
        except StopIteration as end:
            result: CaseResult = end.value
            return result


def is_grid_of(folder: Path, volume: CTVolume) -> bool:
    """Whether a scan has the grid of a result's label maps, its corners within half a voxel.

    Raises
    ------
    CTReadError
        Where the lungs cannot be read.
    """
    labels, affine = read_label_map(folder / LUNGS_FILE)
    if labels.shape != volume.shape_kji:
        return False
    half_voxel_mm = float(volume.spacing_mm_kji.min()) / 2
    return corners_apart_mm(affine, volume.kji_to_lps, labels.shape) < half_voxel_mm


def read_result_in_steps(folder: Path) -> Generator[None, Any, CaseResult]:
    """`read_result` for a window that must stay alive meanwhile: a file a step."""
    try:
        result = CaseResult.from_json((folder / CASE_FILE).read_text(encoding="utf-8"))
        lungs = read_array(folder / LUNGS_FILE)
        yield
        nodules = read_array(folder / NODULES_FILE)
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
        raise LungCancerDxError(f"The result in {folder} cannot be read: {error}") from error
    return replace(result, lung_labels=lungs, nodule_labels=nodules)
