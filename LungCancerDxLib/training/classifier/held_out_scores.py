"""What a trained classifier says of nodules held out, and what their outlines measure: for figures and calibration."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from ...case import Nodule
from ...evaluation import fusion
from ...evaluation.ratings import COLUMNS, NOT_A_NODULE
from ...io.tables import write_table
from ...networks.segmenter import SegmenterNet
from ...preprocessing.working_grid import from_grey
from ...preset import Preset
from ...segmentation.nodules import measured, outline
from ...volume import CTVolume
from .held_out import HeldOut
from .rated_crops import Rated
from .rated_network import RatedNodules, suspicions

SCORES_FILE = "held-out.csv"


def write_scores(path: Path, module: RatedNodules, others: HeldOut, batch: int, segmenter: SegmenterNet | None) -> None:
    """The suspicion of every nodule and false alarm held out, by its crop and, where the preset mirrors, the
    mirrored one; with a segmenter what its outline measures there, too.
    """
    module.eval()
    shown = [(n.id, n.patient, n.malignancy, n.diameter_mm) for n in others.nodules]
    shown += [(f"{others.scan}-{n}", others.scan, NOT_A_NODULE, 0.0) for n in range(len(others.alarms))]
    crops = others.crops + others.alarms
    columns: list[Iterable[object]] = [*zip(*shown, strict=True), scores := suspicions(module, crops, batch)]
    if segmenter is None:
        write_table(path, COLUMNS, list(zip(*columns, strict=True)))
        return
    boxes = [nodule.diameter_mm for nodule in others.nodules] + [None] * len(others.alarms)
    columns += [scores, [_outlined_mm(*one, segmenter, module.preset) for one in zip(crops, boxes, strict=True)]]
    write_table(path, (*COLUMNS, *fusion.COLUMNS), list(zip(*columns, strict=True)))


def _outlined_mm(crop: Rated, box_mm: float | None, segmenter: SegmenterNet, preset: Preset) -> float | None:
    """The diameter of what lies in the middle of a crop; None without an outline."""
    affine = np.diag([*(preset.working_spacing_mm,) * 3, 1.0])[[2, 1, 0, 3]]
    ct = CTVolume(np.rint(from_grey(crop.image, preset)).astype(np.int16), affine)
    middle = float((preset.crop_size - 1) / 2 * preset.working_spacing_mm)
    nodule = Nodule(1, "detected", (middle,) * 3, box_diameter_mm=box_mm)
    masks = outline(ct, nodule, segmenter, torch.device("cpu"))
    return None if masks is None else measured(ct, nodule, masks).diameter_mm
