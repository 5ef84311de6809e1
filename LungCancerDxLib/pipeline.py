"""The whole method as one call: a CT to a scored case."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .assembly import assemble, listed_nodules
from .cache import ScanCache
from .case import CaseResult
from .classification.scoring import score_case
from .compute import Compute
from .detection.detector import detect
from .errors import UsageError
from .memory import PeakMemory
from .models.bundle import Model
from .preprocessing import Preprocessed, preprocess
from .progress import Progress, part, silent
from .segmentation import segment_nodules
from .volume import CTVolume, world_to_index

_TOLERATED = 1.1  # of the memory allowed


def detect_and_score(
    volume: CTVolume,
    model: Model,
    compute: Compute | None = None,
    *,
    points_lps_mm: Sequence[Sequence[float]] = (),
    classify: Collection[int] = (),
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
    classify
        Ranks of listed nodules to give their malignancy too; they do not count.
    classify_all
        Give every listed nodule its malignancy, not only those that count.
    cache
        A folder that keeps the preprocessed scan and its proposals for a second question.

    Raises
    ------
    NoLungsError, OutOfMemoryError, ModelError, Cancelled
    UsageError
        For a point outside the scan, or a rank to classify that this case does not have.
    """
    compute = compute or Compute()
    preset = model.preset
    points = _points_in_scan(points_lps_mm, volume)
    kept = ScanCache(cache, volume, preset)
    timing_s: dict[str, float] = {}
    with PeakMemory() as memory:
        with _timed("preprocessing", timing_s):
            scan = kept.preprocessed(lambda: preprocess(volume, preset, part(progress, 0.0, 0.3)))
        with _timed("detection", timing_s):
            proposals, warnings, used = kept.proposals(
                model, compute, lambda: detect(scan, model.detector, preset, compute, part(progress, 0.3, 0.75))
            )
        with _timed("classification", timing_s):
            points_kji = world_to_index(scan.kji_to_lps, points)
            also = {*classify, *(range(1, len(proposals) + 1) if classify_all else ())}
            scored = score_case(
                scan, proposals, points_kji, model.classifier, preset, compute, also, part(progress, 0.75, 0.9)
            )
        with _timed("segmentation", timing_s):
            nodules = listed_nodules(scan, proposals, points, scored)
            segmented = segment_nodules(volume, scan.lungs, nodules, part(progress, 0.9, 1.0))
    warnings = (
        *warnings,
        *scored.warnings,
        *_points_outside_lungs(points_kji, scan),
        *segmented.warnings,
        *_beyond_the_limit(memory.gb, compute),
    )
    return assemble(volume, scan, scored, segmented, model, used, timing_s, warnings)


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


def _points_outside_lungs(points_kji: np.ndarray, scan: Preprocessed) -> list[str]:
    words = []
    for n, center in enumerate(np.rint(points_kji).astype(int)):
        inside = ((center >= 0) & (center < scan.dilated.shape)).all() and scan.dilated[tuple(center)]
        if not inside:
            words.append(f"Point {n + 1} lies outside the lungs; what the classifier says of it means little.")
    return words


def _beyond_the_limit(peak_gb: float | None, compute: Compute) -> list[str]:
    """Words on a processor's memory that the limit did not hold down; a graphics card's limit is on its own memory."""
    if compute.device.type != "cpu" or peak_gb is None or peak_gb <= _TOLERATED * compute.memory_gb:
        return []
    return [f"The run took {peak_gb:.1f} GB of memory at its peak; {compute.memory_gb:g} GB were allowed."]


@contextmanager
def _timed(stage: str, timing_s: dict[str, float]) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timing_s[stage] = time.perf_counter() - start
