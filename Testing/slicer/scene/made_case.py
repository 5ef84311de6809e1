"""A small CT with two lungs and three nodules, and the case that a perfect reader would make of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from LungCancerDxLib.case import Case, CaseResult, Nodule
from LungCancerDxLib.volume import CTVolume, index_to_world

SHAPE_KJI = (32, 48, 56)
LEFT_KJI, RIGHT_KJI = (16.0, 24.0, 40.0), (16.0, 24.0, 15.0)
NODULES_KJI = ((14.0, 26.0, 41.0), (20.0, 20.0, 14.0), (10.0, 30.0, 17.0))
RADII_MM = (7.0, 5.0, 4.0)
SCORE_NAME = "model score (simulated outcomes)"


@dataclass(frozen=True)
class MadeCase:
    volume: CTVolume
    lungs: np.ndarray
    nodule_labels: np.ndarray
    result: CaseResult


def affine(
    spacing_mm_kji: tuple[float, float, float] = (2.5, 1.5, 1.5),
    rotation_degrees: tuple[float, float, float] = (0.0, 0.0, 0.0),
    flipped_kji: tuple[bool, bool, bool] = (False, False, False),
) -> np.ndarray:
    """kji to LPS of a grid with k to the head, j to the back, i to the left, turned about x, y, z and flipped."""
    axes = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]).T
    for axis, degrees in enumerate(rotation_degrees):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turn = np.eye(3)
        a, b = [n for n in range(3) if n != axis]
        turn[[a, a, b, b], [a, b, a, b]] = c, -s, s, c
        axes = turn @ axes
    result = np.eye(4)
    result[:3, :3] = axes * np.array(spacing_mm_kji) * np.where(flipped_kji, -1.0, 1.0)
    result[:3, 3] = (-41.7, 13.2, -203.9)
    return result


def made_case(kji_to_lps: np.ndarray | None = None) -> MadeCase:
    """Three nodules: the first two scored, the third without malignancy and without a mask."""
    kji_to_lps = affine() if kji_to_lps is None else kji_to_lps
    index = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE_KJI), indexing="ij"), axis=-1).astype(float)
    world = index_to_world(kji_to_lps, index)
    centres = index_to_world(kji_to_lps, np.array(NODULES_KJI))
    lungs = np.zeros(SHAPE_KJI, np.uint8)
    for label, centre in ((1, LEFT_KJI), (2, RIGHT_KJI)):
        lungs[(((index - centre) / (13.0, 16.0, 10.0)) ** 2).sum(-1) < 1] = label
    nodule_labels = np.zeros(SHAPE_KJI, np.uint8)
    voxels = np.full(SHAPE_KJI, -1000, np.int16)
    voxels[(((index[..., 1:] - (24.0, 27.5)) / (22.0, 27.0)) ** 2).sum(-1) < 1] = 40
    voxels[lungs > 0] = -850
    for rank, (centre, radius) in enumerate(zip(centres, RADII_MM, strict=True), start=1):
        ball = np.linalg.norm(world - centre, axis=-1) <= radius
        voxels[ball] = 30
        if rank < 3:
            nodule_labels[ball] = rank
    volume = CTVolume(voxels, kji_to_lps, {"path": "/somewhere/made.nrrd"})
    result = replace(_result(centres), volume=volume, lung_labels=lungs, nodule_labels=nodule_labels)
    return MadeCase(volume, lungs, nodule_labels, result)


def _result(centres_lps_mm: np.ndarray) -> CaseResult:
    first, second, third = ((float(x), float(y), float(z)) for x, y, z in centres_lps_mm)
    nodules = (
        Nodule(
            rank=1,
            source="detected",
            center_lps_mm=first,
            box_diameter_mm=14.2,
            diameter_mm=14.0,
            volume_mm3=1436.8,
            mean_hu=12.5,
            type="solid",
            side="left",
            third="middle",
            logit=3.1,
            confidence=0.957,
            malignancy=0.63,
            contribution=0.77,
            scored=True,
        ),
        Nodule(
            rank=2,
            source="detected",
            center_lps_mm=second,
            box_diameter_mm=10.4,
            diameter_mm=10.0,
            volume_mm3=523.6,
            type="part-solid",
            side="right",
            confidence=0.769,
            malignancy=0.2,
            contribution=0.17,
            scored=True,
        ),
        Nodule(rank=3, source="user", center_lps_mm=third, box_diameter_mm=8.0),
    )
    case = Case(
        score=0.7188,
        score_name=SCORE_NAME,
        join="leaky-noisy-or",
        leak=0.05,
        leak_share=0.04,
        blank_count=0,
        blank_malignancy=None,
        blank_share=None,
        scored_nodules=2,
    )
    return CaseResult(
        software={"name": "LungCancerDx", "version": "0"},
        model={
            "name": "Made",
            "sha256": "0" * 64,
            "preset": "DEFAULT",
            "outcome": "synthetic",
            "trained_on": "nothing",
        },
        run={"device": "cpu", "precision": "fp32"},
        input={"path": "/somewhere/made.nrrd"},
        case=case,
        lungs={"left_volume_ml": 1.0, "right_volume_ml": 1.0},
        nodules=nodules,
        timing_s={},
        warnings=("A warning in words.",),
    )
