"""What a detector proposes in training cases, found once, and which of it shows a nodule."""

from __future__ import annotations

from dataclasses import asdict, fields, replace

import numpy as np

from ...detection.detector import detect
from ...detection.proposals import Proposals, cube_iou
from ...networks.nnet import NNet
from ...preset import PAPER, Preset
from ...runtime.device import Compute
from ...runtime.npz import Arrays
from ...runtime.progress import Progress, silent
from .store import CaseCache, CaseStore, TrainingCase

HIT_IOU = 0.05  # a proposal that overlaps a described nodule by more shows it (published code)


def find_proposals(
    store: CaseStore, detector: NNet, sha256: str, preset: Preset, compute: Compute, progress: Progress = silent
) -> list[Proposals]:
    """The detector's proposals for every case of a store, as in inference and best first; kept beside the cases.

    Parameters
    ----------
    sha256
        Of the detector's weights: proposals of other weights are not used.
    """
    of_detector = replace(preset, crop_size=PAPER.crop_size)  # the classifier's crops decide nothing here
    decided_by = {"detector": sha256, "preset": asdict(of_detector), "precision": compute.precision}

    def proposals(number: int, subprogress: Progress) -> Arrays:
        subprogress("finding proposals", 0.0)
        return vars(detect(store.case(number).scan, detector, preset, compute, subprogress).proposals)

    cache = CaseCache(store, "proposals", decided_by, [field.name for field in fields(Proposals)])
    return [Proposals(**arrays) for arrays in cache.of_all(proposals, progress)]


def of_nodules(proposals: Proposals, nodules: np.ndarray) -> np.ndarray:
    """Which of N proposals show one of the described nodules (M, 4): (N,) bool."""
    if len(nodules) == 0:
        return np.zeros(len(proposals), bool)
    boxes = zip(proposals.center_kji, proposals.diameter, strict=True)
    return np.array([cube_iou(*box, nodules[:, :3], nodules[:, 3]).max() > HIT_IOU for box in boxes], bool)


def false_alarms(case: TrainingCase, proposals: Proposals) -> Proposals:
    """Those that show no described nodule and lie in no exclusion region."""
    away = np.linalg.norm(proposals.center_kji[:, None] - case.exclusion_regions[:, :3], axis=2)
    free = (away > case.exclusion_regions[:, 3]).all(axis=1) & ~of_nodules(proposals, case.nodules)
    return proposals[free]
