"""A synthetic patient for Sample Data, made on the user's machine, so that a newcomer can try everything at once."""

from __future__ import annotations

import csv
import dataclasses
import logging
from pathlib import Path

import numpy as np
import slicer
import slicer.util

from ... import __version__
from ...case import Case, CaseResult, Nodule, combine
from ...errors import UsageError
from ...names import OUTCOMES
from ...phantom import SyntheticPatient, synthetic_chest
from ...runtime.atomic import atomic_folder
from ...volume import index_to_world
from ..scene import CaseNodes, volume_node
from .navigation import fit_views, show_ct

SAMPLE_NAME = "SyntheticChestCT"
_SEED = 1


def synthetic_patient() -> SyntheticPatient:
    """The patient of the sample, the same on every machine."""
    return synthetic_chest(np.random.default_rng(_SEED))


def add_synthetic_patient() -> slicer.vtkMRMLScalarVolumeNode:
    """Make the patient, add the CT to the scene and show it; takes some seconds."""
    scene = slicer.mrmlScene
    ct_node = volume_node(scene, synthetic_patient().volume, scene.GenerateUniqueName(SAMPLE_NAME))
    show_ct(ct_node)
    fit_views()
    return ct_node


_SEED, _SPACING_MM_KJI = 1, (4.0, 3.0, 3.0)
_MALIGNANCY, _LEAK = 0.3, 0.05


def small_patient() -> SyntheticPatient:
    """The patient of the sample on a coarse grid, made in a moment."""
    return synthetic_chest(np.random.default_rng(_SEED), spacing_mm_kji=_SPACING_MM_KJI)


def true_case(patient: SyntheticPatient) -> CaseResult:
    """What a perfect reader would make of a synthetic patient, each nodule counting with the same malignancy."""
    evidence = combine("leaky-noisy-or", [_MALIGNANCY] * len(patient.nodules), _LEAK, None, 0)
    place = index_to_world(patient.volume.kji_to_lps, np.moveaxis(np.indices(patient.volume.shape_kji), 0, -1))
    labels = np.zeros(patient.volume.shape_kji, np.uint8)
    nodules = []
    for rank, (truth, share) in enumerate(zip(patient.nodules, evidence.shares, strict=True), start=1):
        labels[np.linalg.norm(place - truth.center_lps_mm, axis=-1) <= truth.diameter_mm / 2] = rank
        nodules.append(
            Nodule(
                rank=rank,
                source="detected",
                center_lps_mm=truth.center_lps_mm,
                diameter_mm=truth.diameter_mm,
                type=truth.kind,
                malignancy=_MALIGNANCY,
                contribution=share,
                scored=True,
            )
        )
    return CaseResult(
        software={"name": "LungCancerDx", "version": __version__},
        model={"name": "truth", "sha256": "", "preset": "DEFAULT", "outcome": "none", "trained_on": "nothing"},
        run={},
        input={},
        case=Case(
            score=evidence.score,
            score_name=OUTCOMES["none"],
            join="leaky-noisy-or",
            leak=_LEAK,
            leak_share=evidence.leak_share,
            blank_count=0,
            blank_malignancy=None,
            blank_share=None,
            scored_nodules=len(nodules),
        ),
        lungs={},
        nodules=tuple(nodules),
        timing_s={},
        warnings=(),
        lung_labels=patient.lungs,
        nodule_labels=labels,
    )


CASE_FILE, TABLE_FILE, SUMMARY_FILE, SCENE_FILE = "case.json", "nodules.csv", "summary.txt", "scene.mrb"
VIEWS_FILE = "views.png"


def export_case(nodes: CaseNodes, result: CaseResult, path: str) -> tuple[Path, tuple[str, ...]]:
    """Write a case into a new folder, whole or not at all: JSON, CSV, summary, the scene and a picture of the views.

    Returns the folder and the names of the files; without views on the screen there is no picture.

    Raises
    ------
    UsageError, OutputError
        Where the folder is occupied or cannot be written.
    """
    if not path.strip():
        raise UsageError("Choose a folder to export to.")
    folder = Path(path.strip()).expanduser()
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"The folder {folder} is not empty. Choose one that does not exist yet or is empty.")
    with atomic_folder(folder) as staging:
        (staging / CASE_FILE).write_text(result.to_json(), encoding="utf-8")
        _write_table(result, staging / TABLE_FILE)
        if nodes.summary is not None:
            (staging / SUMMARY_FILE).write_text(nodes.summary.GetText(), encoding="utf-8")
        if not slicer.util.saveScene(str(staging / SCENE_FILE)):
            raise OSError(f"{SCENE_FILE} could not be written")
        if slicer.app.layoutManager() is not None:
            _write_views(staging / VIEWS_FILE)
        return folder, tuple(sorted(file.name for file in staging.iterdir()))


def _write_table(result: CaseResult, path: Path) -> None:
    """A row a nodule with every figure of `case.json`; the centre in three columns."""
    rows = []
    for nodule in result.nodules:
        row = dataclasses.asdict(nodule)
        x, y, z = row.pop("center_lps_mm")
        rows.append({"rank": row.pop("rank"), "x_lps_mm": x, "y_lps_mm": y, "z_lps_mm": z, **row})
    with path.open("w", newline="", encoding="utf-8") as file:
        names = list(rows[0]) if rows else ["rank"]
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


def _write_views(path: Path) -> None:
    """What the views show, as one picture, by Slicer's own means; the rest is worth having without it."""
    try:
        import ScreenCapture

        ScreenCapture.ScreenCaptureLogic().captureImageFromView(None, str(path))
    except Exception as error:  # a window too small, a graphics driver without a picture
        logging.warning("No picture of the views: %s", error)
