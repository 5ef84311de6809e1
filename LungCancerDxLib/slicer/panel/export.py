"""A case out of the scene into a folder of files."""

from __future__ import annotations

import csv
import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import slicer
import slicer.util
import vtk

from ...case import CaseResult
from ...errors import LungCancerDxError, OutputError, UsageError
from ...io.image_file import write_image
from ...io.result_folder import CASE_FILE, LUNGS_FILE, NODULES_FILE, SCENE_FILE, VIEWS_FILE
from ...options import expanded_path
from ...runtime.atomic import atomic_folder
from ..scene.build import CaseNodes
from ..scene.ct import volume_like
from ..scene.segmentation import segment_label, segment_mask, was_edited
from ..scene.text import case_summary

TABLE_FILE, SUMMARY_FILE = "nodules.csv", "summary.txt"


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
    folder = expanded_path(path.strip())
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"The folder {folder} is not empty. Choose one that does not exist yet or is empty.")
    with atomic_folder(folder) as staging:
        (staging / CASE_FILE).write_text(result.to_json(), encoding="utf-8", newline="\n")
        _write_table(result, staging / TABLE_FILE)
        (staging / SUMMARY_FILE).write_text(case_summary(result), encoding="utf-8", newline="\n")
        _save_scene(staging / SCENE_FILE)
        if slicer.app.layoutManager() is not None:
            _write_views(staging / VIEWS_FILE)
        return folder, tuple(sorted(file.name for file in staging.iterdir()))


def _save_scene(path: Path) -> None:
    """Write the scene as a bundle; its own file and what is not saved there stay so, which saving would forget."""
    scene = slicer.mrmlScene
    own, unsaved = (scene.GetURL(), scene.GetRootDirectory()), vtk.vtkCollection()
    scene.GetStorableNodesModifiedSinceRead(unsaved)
    try:
        if not slicer.util.saveScene(str(path)):
            raise OSError(f"{path.name} could not be written")
    finally:
        scene.SetURL(own[0])
        scene.SetRootDirectory(own[1])
        for n in range(unsaved.GetNumberOfItems()):
            unsaved.GetItemAsObject(n).StorableModified()


def add_masks(nodes: CaseNodes, folder: Path) -> Iterator[None]:
    """Write the lungs and nodules of a case into its folder as `score` does, a segment a step.

    Raises
    ------
    LungCancerDxError
        Where an outline was changed since it was measured: its figures are not those of what would be shown with them.
    OutputError
        Where a file cannot be written.
    """
    ct_node, segmentation = nodes.ct, nodes.segmentation
    shape = slicer.util.arrayFromVolume(ct_node).shape
    labels = {name: np.zeros(shape, dtype=np.uint8) for name in (LUNGS_FILE, NODULES_FILE)}
    for segment_id in () if segmentation is None else segmentation.GetSegmentation().GetSegmentIDs():
        if was_edited(segmentation, segment_id):
            name = segmentation.GetSegmentation().GetSegment(segment_id).GetName()
            raise LungCancerDxError(
                f"The report was left out: the outline of {name} was changed since it was measured, and its volume, "
                "diameters and type are those of the outline before. Undo the change, or detect and score again."
            )
        is_lung, label = segment_label(segment_id)
        box, mask = segment_mask(segmentation, segment_id)
        if label and mask.any():
            labels[LUNGS_FILE if is_lung else NODULES_FILE][box][mask] = label
        yield
    for name, array in labels.items():
        try:
            write_image(array, volume_like(ct_node, array), folder / name)
        except OSError as error:
            (folder / name).unlink(missing_ok=True)
            raise OutputError(f"{folder / name} could not be written ({error}). Make room on the disk.") from error
        yield


def _write_table(result: CaseResult, path: Path) -> None:
    """A row a nodule with every figure of `case.json`; the centre in three columns."""
    rows = []
    for nodule in result.nodules:
        row = dataclasses.asdict(nodule)
        x, y, z = row.pop("center_lps_mm")
        rows.append({"rank": row.pop("rank"), "x_lps_mm": x, "y_lps_mm": y, "z_lps_mm": z, **row})
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["rank"])
        writer.writeheader()
        writer.writerows(rows)


def _write_views(path: Path) -> None:
    """What the views show, as one picture, by Slicer's own means; the rest is worth having without it."""
    try:
        import ScreenCapture

        ScreenCapture.ScreenCaptureLogic().captureImageFromView(None, str(path))
    except Exception as error:  # a window too small, a graphics driver without a picture
        logging.warning("No picture of the views: %s", error)
