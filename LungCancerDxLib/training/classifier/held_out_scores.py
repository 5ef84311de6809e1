"""What a trained classifier says of nodules held out, and what outlines measure: for figures and calibration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ...case import Nodule
from ...evaluation import fusion
from ...evaluation.ratings import COLUMNS, NOT_A_NODULE
from ...io.tables import write_table
from ...names import CALCIFIED
from ...networks.segmenter import SegmenterNet
from ...preprocessing.working_grid import grey_ct
from ...preset import Preset
from ...segmentation.nodules import outlined
from .held_out import HeldOut
from .rated_crops import Rated
from .rated_network import RatedNodules, suspicions

SCORES_FILE = "held-out.csv"
_ALARM_MM = 10.0  # the box of a false alarm


def write_scores(path: Path, module: RatedNodules, others: HeldOut, batch: int, segmenter: SegmenterNet | None) -> None:
    """The suspicion of every nodule and false alarm held out, by its crop and, where the preset mirrors, the
    mirrored one; with a segmenter what its outline measures there, too. `module` is in evaluation mode.
    """
    shown = [(n.id, n.patient, n.malignancy, n.diameter_mm) for n in others.nodules]
    shown += [(f"{others.scan}-{n}", others.scan, NOT_A_NODULE, 0.0) for n in range(len(others.alarms))]
    crops = others.crops + others.alarms
    scores = suspicions(module, crops, batch).tolist()
    if segmenter is None:
        write_table(path, COLUMNS, [(*row, score) for row, score in zip(shown, scores, strict=True)])
        return
    boxes = [nodule.diameter_mm for nodule in others.nodules] + [_ALARM_MM] * len(others.alarms)
    rows = [
        (*row, score, score, *_outlined(crop, box, segmenter, module.preset))
        for row, score, crop, box in zip(shown, scores, crops, boxes, strict=True)
    ]
    write_table(path, (*COLUMNS, *fusion.COLUMNS), rows)


def _outlined(crop: Rated, box_mm: float, segmenter: SegmenterNet, preset: Preset) -> tuple[float | None, int]:
    """Diameter in mm, None without an outline, and whether it is calcified, of what lies in the middle of a crop."""
    affine = np.diag([*(preset.working_spacing_mm,) * 3, 1.0])[[2, 1, 0, 3]]
    ct = grey_ct(crop.image, affine, preset)
    middle = float((preset.crop_size - 1) / 2 * preset.working_spacing_mm)
    nodule = Nodule(1, "detected", (middle,) * 3, box_diameter_mm=box_mm)
    known = outlined(ct, nodule, segmenter, torch.device("cpu"))
    return known.diameter_mm, int(known.type == CALCIFIED)
