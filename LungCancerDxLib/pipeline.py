"""The whole method as one call: a CT to a scored case."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from . import __version__
from .cache import ScanCache
from .case import OUTCOMES, Case, CaseResult, Nodule
from .classification.classifier import NoduleScores, case_probability, classify_blank, classify_nodules
from .compute import Compute
from .detection.detector import detect
from .errors import UsageError
from .evidence import Evidence, combine
from .models.bundle import Model
from .preprocessing import LEFT, RIGHT, Preprocessed, preprocess
from .progress import Progress, part, silent
from .suitability import suitability_warnings
from .volume import CTVolume, index_to_world, world_to_index

Result = TypeVar("Result")


def detect_and_score(
    volume: CTVolume,
    model: Model,
    compute: Compute | None = None,
    *,
    points_lps_mm: Sequence[Sequence[float]] = (),
    classify_all: bool = False,
    cache: Path | None = None,
    progress: Progress = silent,
) -> CaseResult:
    """Find and score the nodules of a chest CT, and the case.

    Parameters
    ----------
    points_lps_mm
        Spots (x, y, z) in LPS mm to classify besides what is detected; they are listed with source "user" and do not
        count in the case's score unless `CaseResult.rescored` says so.
    classify_all
        Give every listed nodule its malignancy, not only those that count.
    cache
        A folder that keeps the preprocessed scan and its proposals for a second question.

    Raises
    ------
    NoLungsError, OutOfMemoryError, Cancelled
    UsageError
        For a point outside the scan.
    """
    compute = compute or Compute()
    preset = model.preset
    stopwatch = _Stopwatch()
    points = _points_in_scan(points_lps_mm, volume)
    kept = ScanCache(cache, volume, preset) if cache is not None else None

    def prepare() -> Preprocessed:
        return preprocess(volume, preset, part(progress, 0.0, 0.3))

    scan = stopwatch.time("preprocessing", lambda: kept.preprocessed(prepare) if kept else prepare())

    def find() -> tuple[np.ndarray, tuple[str, ...]]:
        return detect(scan, model.detector, preset, compute, part(progress, 0.3, 0.8))

    proposals, detector_warnings = stopwatch.time(
        "detection", lambda: kept.proposals(model, compute, find) if kept else find()
    )

    detected_lps_mm = index_to_world(scan.kji_to_lps, proposals[:, 1:4])
    scored = int((proposals[: preset.scored_nodules, 0] > preset.score_above_logit).sum())
    classified = len(proposals) if classify_all else scored
    centers_kji = np.concatenate([proposals[:classified, 1:4], world_to_index(scan.kji_to_lps, points)])

    def classify() -> tuple[NoduleScores, NoduleScores | None]:
        blank = None
        if preset.blanks_scored and scored < preset.scored_nodules:
            blank = classify_blank(model.classifier, preset, compute)
        return classify_nodules(scan, centers_kji, model.classifier, preset, compute, part(progress, 0.8, 1.0)), blank

    scores, blank = stopwatch.time("classification", classify)
    case, evidence = _case(model, scores, scored, blank)
    nodules = _nodules(proposals, detected_lps_mm, points, scan.spacing_mm, scores, classified, scored, evidence)
    litres = float(np.prod(volume.spacing_mm_kji)) / 1e6
    outside = _points_outside_lungs(points, scan)
    warnings = [*volume.warnings, *suitability_warnings(volume), *scan.warnings, *detector_warnings, *scores.warnings]
    return CaseResult(
        software={"name": "LungCancerDx", "version": __version__},
        model={
            "name": model.name,
            "sha256": model.sha256,
            "preset": preset.name,
            "outcome": model.outcome,
            "trained_on": model.trained_on,
        },
        run={"device": compute.device.type, "precision": compute.precision, "torch": torch.__version__},
        input={
            "path": volume.info.get("path"),
            "series_uid": volume.info.get("series_uid"),
            "shape_kji": list(volume.shape_kji),
            "spacing_mm_kji": [float(s) for s in volume.spacing_mm_kji],
        },
        case=case,
        lungs={
            f"{side}_volume_ml": float((scan.lungs == label).sum() * litres * 1000)
            for side, label in (("left", LEFT), ("right", RIGHT))
        },
        nodules=nodules,
        timing_s=stopwatch.seconds,
        warnings=(*warnings, *outside),
        lung_labels=scan.lungs,
    )


def _case(model: Model, scores: NoduleScores, scored: int, blank: NoduleScores | None) -> tuple[Case, Evidence]:
    """The case from the nodules that count and the blanks that fill the places left over."""
    leak = None if model.classifier.leak is None else model.classifier.leak.item()
    blank_count = model.preset.scored_nodules - scored if blank is not None else 0
    blank_malignancy = None if blank is None or blank.malignancy is None else float(blank.malignancy[0])
    if scores.malignancy is not None:
        counted = [float(p) for p in scores.malignancy[:scored]]
        evidence = combine(model.join, counted, leak, blank_malignancy, blank_count)
    else:
        features = scores.features[:scored]
        if blank is not None:
            features = np.concatenate([features, np.repeat(blank.features, blank_count, axis=0)])
        score = case_probability(features, model.classifier)
        evidence = Evidence(score, (None,) * scored, None, None)
    case = Case(
        score=evidence.score,
        score_name=OUTCOMES[model.outcome],
        join=model.join,
        leak=leak,
        leak_share=evidence.leak_share,
        blank_count=blank_count,
        blank_malignancy=blank_malignancy,
        blank_share=evidence.blank_share,
        scored_nodules=scored,
    )
    return case, evidence


def _nodules(
    proposals: np.ndarray,
    detected_lps_mm: np.ndarray,
    points_lps_mm: np.ndarray,
    spacing_mm: float,
    scores: NoduleScores,
    classified: int,
    scored: int,
    evidence: Evidence,
) -> tuple[Nodule, ...]:
    malignancy = [None] * len(scores.features) if scores.malignancy is None else scores.malignancy.tolist()
    nodules = []
    for n, (logit, *_, diameter) in enumerate(proposals):
        nodules.append(
            Nodule(
                rank=n + 1,
                source="detected",
                center_lps_mm=tuple(detected_lps_mm[n].tolist()),
                box_diameter_mm=float(diameter * spacing_mm),
                diameter_mm=float(diameter * spacing_mm),
                logit=float(logit),
                confidence=float(1 / (1 + np.exp(-logit))),
                malignancy=malignancy[n] if n < classified else None,
                contribution=evidence.shares[n] if n < scored else None,
                scored=n < scored,
            )
        )
    for n, point in enumerate(points_lps_mm):
        nodules.append(
            Nodule(
                rank=len(proposals) + n + 1,
                source="user",
                center_lps_mm=tuple(point.tolist()),
                malignancy=malignancy[classified + n],
            )
        )
    return tuple(nodules)


def _points_in_scan(points_lps_mm: Sequence[Sequence[float]], volume: CTVolume) -> np.ndarray:
    points = np.array(points_lps_mm, dtype=float).reshape(-1, 3)
    index = world_to_index(volume.kji_to_lps, points)
    for n, (place, (x, y, z)) in enumerate(zip(index, points, strict=True)):
        if not ((place > -0.5) & (place < np.array(volume.shape_kji) - 0.5)).all():
            raise UsageError(
                f"Point {n + 1} at x = {x:g}, y = {y:g}, z = {z:g} mm lies outside the scan. Points are in LPS mm (x "
                "to the patient's left, y to the back, z to the head); in Slicer's RAS x and y have the other sign."
            )
    return points


def _points_outside_lungs(points_lps_mm: np.ndarray, scan: Preprocessed) -> list[str]:
    words = []
    for n, center in enumerate(np.rint(world_to_index(scan.kji_to_lps, points_lps_mm)).astype(int)):
        inside = ((center >= 0) & (center < scan.dilated.shape)).all() and scan.dilated[tuple(center)]
        if not inside:
            words.append(f"Point {n + 1} lies outside the lungs; what the classifier says of it means little.")
    return words


class _Stopwatch:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, stage: str, work: Callable[[], Result]) -> Result:
        start = time.perf_counter()
        result = work()
        self.seconds[stage] = time.perf_counter() - start
        return result
