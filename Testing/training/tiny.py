"""What the training tests share: small networks, small scans with a bright ball, a store of them, a plain inserter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from LungCancerDxLib.preprocessing import WorkingLungs, WorkingScan
from LungCancerDxLib.preset import DEFAULT
from LungCancerDxLib.training.cases.store import CaseStore, TrainingCase, write_case
from LungCancerDxLib.training.detector.recipe import CPU
from LungCancerDxLib.training.engine.loop import RunOptions

TINY = replace(DEFAULT, units_per_block=(1, 1, 1, 1), units_per_back_block=1)
"""N-Net with one unit a block."""

SMALL = replace(CPU, name="SMALL", patch=32, batch=2, margin=4, pool=100, inserted_share=0.0, second_inserted=0.0)
"""A recipe of small patches that inserts nothing."""

NONE = np.zeros((0, 4))
LUNG, BALL = 40, 220


def ball_scan(shape=(60, 56, 64), boxes=NONE) -> WorkingScan:
    """A scan of even lung with bright balls (k, j, i, diameter); its lungs end 5 voxels from each side."""
    image = np.full(shape, LUNG, dtype=np.uint8)
    for box in np.array(boxes).reshape(-1, 4):
        image[ball(shape, box)] = BALL
    return WorkingScan(
        image=image,
        dilated=np.ones(shape, dtype=bool),
        lung_ends_kji=np.array([[5.0, 5, 5], np.array(shape) - 6.0]),
        kji_to_lps=np.array([[0.0, 0, 1, -30], [0, 1, 0, -20], [1, 0, 0, -100], [0, 0, 0, 1]]),
    )


def ball(shape, box) -> np.ndarray:
    """The voxels of a ball (k, j, i, diameter)."""
    axes = [(np.arange(n) - c) ** 2 for n, c in zip(shape, box[:3], strict=True)]
    return axes[0][:, None, None] + axes[1][None, :, None] + axes[2][None, None] <= (box[3] / 2) ** 2


def ball_case(name="case", boxes=((30.0, 28.0, 32.0, 10.0),), exclusion_regions=NONE, **options) -> TrainingCase:
    boxes = np.array(boxes, dtype=float).reshape(-1, 4)
    scan = ball_scan(boxes=boxes, **options)
    lungs = WorkingLungs(np.ones(scan.image.shape, dtype=np.uint8))
    return TrainingCase(name, scan, lungs, boxes, np.array(exclusion_regions, dtype=float).reshape(-1, 4))


def quiet(*options, **others) -> RunOptions:
    """Options of a run without events and curves."""
    return replace(RunOptions(*options, **others), events_and_curves=False)


def store_of(folder, *cases) -> CaseStore:
    for case in cases:
        write_case(folder, case, "DEFAULT")
    return CaseStore(folder)


def insert_ball(rng, case, crop, start_kji, diameter_mm, margin):
    """A stand-in for the insertion of nodules: a bright ball anywhere within the margin."""
    reach = margin + diameter_mm / 2
    if 2 * reach > len(crop) - 1:
        return None
    box = np.array([*rng.uniform(reach, len(crop) - 1 - reach, 3), diameter_mm])
    painted = crop.copy()
    painted[ball(crop.shape, box)] = BALL
    return painted, box + np.array([*start_kji, 0])
