"""The whole method: from the path of a CT to a scored case.

path -> read_ct -> CTVolume -> preprocess -> detect (N-Net) -> score_case (C-Net) -> segment_nodules -> CaseResult,
in which a model of readers' ratings weighs each outline, too (`rated_by_outlines`)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
from scipy.special import expit

from . import __version__
from .assessment.assess import assessed
from .assessment.patient import Patient, read_patient
from .cache import ScanCache
from .case import Case, CaseResult, Nodule
from .classification.classifier import ScoredCase, score_case
from .classification.late_fusion import rated_by_outlines
from .detection.detector import detect
from .detection.proposals import Proposals
from .errors import UsageError
from .evidence import expected
from .io import read_ct
from .io.points import read_points
from .lung_figures import lung_figures
from .models.bundle import Model
from .models.find import find_model, segmenter_of
from .models.segmenter import Segmenter
from .names import OUTCOMES, capitalised
from .options import ScoreOptions
from .preprocessing import WorkingScan, preprocess
from .runtime.device import Compute, choose_compute
from .runtime.memory import PeakMemory
from .runtime.progress import Progress, part, silent
from .segmentation.nodules import SegmentedNodules, segment_nodules
from .suitability import findings
from .volume import CTVolume, index_to_world, world_to_index

Output = TypeVar("Output")

_READING = 0.1  # share of the progress of `score_file`
_PROGRESS_ENDS = {"preprocessing": 0.3, "detection": 0.75, "classification": 0.9, "segmentation": 1.0}
_NO_SEGMENTER = "No segmenter is at hand: nodules are not outlined, and their diameters are the detector's boxes."
_NO_FUSION = " Their scores are the network's alone, and so is the case's."
_TOLERATED = 1.1  # of the memory allowed
_MOST_RANKS = np.iinfo(np.uint8).max  # which are labels of a map


class StageObserver(Protocol):
    """Runs the work of a stage ("reading", "preprocessing", ...) and returns what it gave: for benchmarks."""

    def __call__(self, stage: str, work: Callable[[], Output], /) -> Output: ...


def unobserved(stage: str, work: Callable[[], Output], /) -> Output:
    """Just do the work."""
    return work()


def score_file(
    path: Path,
    options: ScoreOptions | None = None,
    *,
    model: Model | None = None,
    progress: Progress = silent,
    observe: StageObserver = unobserved,
) -> CaseResult:
    """Read a chest CT, find and score its nodules and the case.

    Parameters
    ----------
    path
        A DICOM folder or multi-frame file, NIfTI, NRRD or MetaImage.
    model
        Where it is loaded already; else the one that the options name.

    Returns
    -------
    The case, with the CT as it was read in `volume`.

    Raises
    ------
    CTReadError, NoLungsError, OutOfMemoryError, ModelError, Cancelled
    UsageError
        For options that do not fit this machine or scan, and facts on a nodule that was not found.
    """
    start = time.perf_counter()
    options = options or ScoreOptions()
    points = read_points(options.points) if options.points else []
    patient = read_patient(options.patient) if options.patient else Patient()
    model = model or find_model(options.model)
    compute = choose_compute(options.device, options.precision, options.max_memory_gb, model.preset)
    progress("reading the CT", 0.0)
    reading = _Stages(observe, progress)
    volume = reading("reading", lambda _: read_ct(path))
    result = detect_and_score(
        volume,
        model,
        compute,
        points_lps_mm=points,
        classify=options.classify,
        classify_all=options.classify_all,
        cache=options.cache,
        progress=part(progress, _READING, 1.0),
        observe=observe,
    )
    timing_s = {**reading.seconds, **result.timing_s, "total": time.perf_counter() - start}
    known = patient.completed(volume.info.get("patient_age_years"), volume.info.get("patient_sex"))
    return assessed(replace(result, timing_s=timing_s), known)


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
    observe: StageObserver = unobserved,
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
        A folder that keeps the preprocessed scan and its proposals for a second request.

    Raises
    ------
    NoLungsError, OutOfMemoryError, ModelError, Cancelled
    UsageError
        For a point outside the scan, too many of them, or a rank to classify that this case does not have.
    """
    compute = compute or Compute()
    preset, classifier = model.preset, model.classifier
    points = _points_in_scan(points_lps_mm, volume, _MOST_RANKS - preset.listed_nodules)
    segmenter = segmenter_of(model)
    kept = ScanCache(cache, volume, preset)
    stage = _Stages(observe, progress)
    with PeakMemory() as memory:
        scan = stage("preprocessing", lambda report: kept.preprocessed(lambda: preprocess(volume, preset, report)))
        working = scan.working
        detected = stage(
            "detection",
            lambda report: kept.proposals(
                model, compute, lambda: detect(working, model.detector, preset, compute, report)
            ),
        )
        proposals = detected.proposals
        points_kji = world_to_index(working.kji_to_lps, points)
        also = {*classify, *(range(1, len(proposals) + 1) if classify_all else ())}
        scored = stage(
            "classification",
            lambda report: score_case(
                working,
                proposals,
                points_kji,
                classifier,
                preset,
                compute,
                also,
                report,
                weighted_by_confidence=model.weighted_by_confidence,
            ),
        )
        nodules = _detected_nodules(working, proposals, scored) + _user_nodules(points, len(proposals), scored)
        net = None if segmenter is None else segmenter.net
        segmented = stage(
            "segmentation",
            lambda report: segment_nodules(volume, scan.lungs, nodules, net, compute.device, report),
        )
    unusual = findings(volume, scan.lungs.labels)
    unreliable = tuple(finding.text for finding in unusual if finding.serious)
    warnings = (
        *([f"The score is not reliable: {'; '.join(unreliable)}."] if unreliable else []),
        *volume.warnings,
        *(f"{capitalised(finding.text)}." for finding in unusual if not finding.serious),
        *scan.warnings,
        *detected.warnings,
        *scored.warnings,
        *_points_outside_lungs(points_kji, working),
        *([] if segmenter else [_NO_SEGMENTER + (_NO_FUSION if model.fusion else "")]),
        *kept.warnings,
        *_beyond_the_limit(memory.gb, compute),
    )
    result = _case_result(volume, scored, segmented, model, segmenter, detected.compute, stage.seconds, warnings)
    result = rated_by_outlines(replace(result, unreliable=unreliable), model.fusion)
    return replace(result, warnings=(*result.warnings, *_cut_off(result.nodule_labels)))


class _Stages:
    """Runs stages one after the other, each under an observer and with its part of the progress, and times them."""

    def __init__(self, observe: StageObserver, progress: Progress) -> None:
        self._observe, self._progress, self._done = observe, progress, 0.0
        self.seconds: dict[str, float] = {}

    def __call__(self, stage: str, work: Callable[[Progress], Output]) -> Output:
        end = _PROGRESS_ENDS.get(stage, 1.0)
        report, self._done = part(self._progress, self._done, end), end
        start = time.perf_counter()
        output = self._observe(stage, lambda: work(report))
        self.seconds[stage] = time.perf_counter() - start
        return output


def _points_in_scan(points_lps_mm: Sequence[Sequence[float]], volume: CTVolume, at_most: int) -> np.ndarray:
    points = np.array(points_lps_mm, dtype=float).reshape(-1, 3)
    if len(points) > at_most:
        raise UsageError(f"{len(points)} points are too many to classify in one run; give {at_most} at most.")
    points_kji = world_to_index(volume.kji_to_lps, points)
    for n, (point_kji, (x, y, z)) in enumerate(zip(points_kji, points, strict=True)):
        if not ((point_kji > -0.5) & (point_kji < np.array(volume.shape_kji) - 0.5)).all():
            raise UsageError(
                f"Point {n + 1} at x = {x:g}, y = {y:g}, z = {z:g} mm lies outside the scan. Points are in LPS mm (x "
                "to the patient's left, y to the back, z to the head); in Slicer's RAS x and y have the other sign."
            )
    return points


def _points_outside_lungs(points_kji: np.ndarray, scan: WorkingScan) -> list[str]:
    return [
        f"Point {n + 1} lies outside the lungs; what the classifier says of it means little."
        for n in np.flatnonzero(~scan.inside_lungs(points_kji))
    ]


def _cut_off(nodule_labels: np.ndarray | None) -> list[str]:
    """The nodules that the image's end cuts."""
    if nodule_labels is None:
        return []
    ends = [np.unique(np.take(nodule_labels, (0, -1), axis)) for axis in range(3)]
    ranks = sorted({int(rank) for end in ends for rank in end} - {0})
    return [f"Nodule {rank} is cut off at the end of the image; it is larger than measured." for rank in ranks]


def _beyond_the_limit(peak_gb: float | None, compute: Compute) -> list[str]:
    """A processor's memory that the limit did not hold down; a graphics card's limit is on its own memory."""
    if compute.device.type != "cpu" or peak_gb is None or peak_gb <= _TOLERATED * compute.memory_gb:
        return []
    return [f"The run took {peak_gb:.1f} GB of memory at its peak; {compute.memory_gb:g} GB were allowed."]


def _case_result(
    volume: CTVolume,
    scored: ScoredCase,
    segmented: SegmentedNodules,
    model: Model,
    segmenter: Segmenter | None,
    compute: Compute,
    timing_s: dict[str, float],
    warnings: tuple[str, ...],
) -> CaseResult:
    """All that was found out about a case, in the terms of `case.json`."""
    return CaseResult(
        software={"name": "LungCancerDx", "version": __version__},
        model={
            "name": model.name,
            "sha256": model.sha256,
            "preset": model.preset.name,
            "outcome": model.outcome,
            "trained_on": model.trained_on,
            "segmenter": segmenter.model if segmenter else "none",
            "segmenter_sha256": segmenter.sha256 if segmenter else "",
        },
        run={"device": compute.device.type, "precision": compute.precision, "torch": torch.__version__},
        input={
            "path": volume.info.get("path"),
            "series_uid": volume.info.get("series_uid"),
            "shape_kji": list(volume.shape_kji),
            "spacing_mm_kji": volume.spacing_mm_kji.tolist(),
        },
        case=Case(
            score=scored.evidence.score,
            score_name=OUTCOMES[model.outcome],
            join=model.join,
            leak=scored.leak,
            leak_share=scored.evidence.leak_share,
            blank_count=scored.blank_count,
            blank_malignancy=scored.blank_malignancy,
            blank_share=scored.evidence.blank_share,
            scored_nodules=scored.scored,
            weighted_by_confidence=model.weighted_by_confidence,
        ),
        lungs=lung_figures(volume, segmented.lungs),
        nodules=segmented.nodules,
        timing_s=timing_s,
        warnings=warnings,
        volume=volume,
        lung_labels=segmented.lungs.labels,
        nodule_labels=segmented.labels,
    )


def _detected_nodules(scan: WorkingScan, proposals: Proposals, scored: ScoredCase) -> tuple[Nodule, ...]:
    """Those that count by confidence times malignancy, the others by logit: the list begins with what matters most.

    Which ones count is decided by the logit alone: the top five proposals of section V.
    """
    centers_lps_mm = index_to_world(scan.kji_to_lps, proposals.center_kji).tolist()
    diameters_mm, logits = (proposals.diameter * scan.spacing_mm).tolist(), proposals.logit.tolist()
    confidences = expit(logits).tolist()
    order = sorted(range(scored.scored), key=lambda n: -expected(scored.malignancy[n] or 0.0, confidences[n]))
    return tuple(
        Nodule(
            rank=rank,
            source="detected",
            center_lps_mm=tuple(centers_lps_mm[n]),
            box_diameter_mm=diameters_mm[n],
            diameter_mm=diameters_mm[n],
            logit=logits[n],
            confidence=confidences[n],
            malignancy=scored.malignancy[n],
            contribution=scored.evidence.shares[n] if n < scored.scored else None,
            scored=n < scored.scored,
        )
        for rank, n in enumerate((*order, *range(scored.scored, len(proposals))), start=1)
    )


def _user_nodules(points_lps_mm: np.ndarray, detected: int, scored: ScoredCase) -> tuple[Nodule, ...]:
    return tuple(
        Nodule(
            rank=detected + n + 1,
            source="user",
            center_lps_mm=tuple(point),
            malignancy=scored.malignancy[detected + n],
        )
        for n, point in enumerate(points_lps_mm.tolist())
    )
