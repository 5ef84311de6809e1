"""A case's result as a folder of files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..case import CaseResult
from ..errors import LungCancerDxError
from ..volume import CTVolume

CASE_FILE = "case.json"
LUNGS_FILE = "lungs.nrrd"
NODULES_FILE = "nodules.nrrd"
OVERVIEW_FILE = "overview.png"
VIEWS_FILE = "views.png"
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
)
"""All that a result may consist of, what marks it first: a folder with anything else is never replaced."""


def write_result(result: CaseResult, volume: CTVolume, folder: Path) -> None:
    """Write `case.json` and two label maps on the CT's own grid into a folder.

    `lungs.nrrd` holds 1 for the left lung and 2 for the right one, `nodules.nrrd` each nodule's rank.

    Raises
    ------
    OSError
        Where a file could not be written whole.
    """
    (folder / CASE_FILE).write_text(result.to_json(), encoding="utf-8")
    for labels, name in zip((result.lung_labels, result.nodule_labels), _LABEL_FILES, strict=True):
        if labels is not None:
            _write_image(labels, volume, folder / name)


def read_result(folder: Path) -> CaseResult:
    """The case of a result folder, with its label maps.

    Raises
    ------
    LungCancerDxError
        Where a file is missing or damaged.
    """
    try:
        result = CaseResult.from_json((folder / CASE_FILE).read_text(encoding="utf-8"))
        lungs, nodules = (sitk.GetArrayFromImage(sitk.ReadImage(str(folder / name))) for name in _LABEL_FILES)
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
        raise LungCancerDxError(f"The result in {folder} cannot be read: {error}") from error
    return replace(result, lung_labels=lungs, nodule_labels=nodules)


def write_volume(volume: CTVolume, path: Path, compressed: bool = True) -> None:
    """A CT to an image file (NRRD, NIfTI, MetaImage).

    Raises
    ------
    OSError
        Where the file could not be written whole.
    """
    _write_image(volume.voxels, volume, path, compressed)


def _write_image(array: np.ndarray, volume: CTVolume, path: Path, compressed: bool = True) -> None:
    """An array (K, J, I) on a volume's grid, read back because ITK can lose the end of a file without a word."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([float(s) for s in volume.spacing_mm_kji[::-1]])
    image.SetOrigin([float(x) for x in volume.kji_to_lps[:3, 3]])
    directions = (volume.kji_to_lps[:3, :3] / volume.spacing_mm_kji)[:, ::-1]
    image.SetDirection([float(d) for d in directions.ravel()])
    try:
        sitk.WriteImage(image, str(path), useCompression=compressed)
        whole = np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), array)
    except RuntimeError as error:
        raise OSError(f"{path.name} could not be written: {error}") from error
    if not whole:
        raise OSError(f"{path.name} could not be written whole")
