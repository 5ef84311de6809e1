"""All that was found out about a case, put together in the terms of `case.json`."""

from __future__ import annotations

import numpy as np
import torch

from . import __version__
from .case import OUTCOMES, Case, CaseResult, Nodule
from .classification.scoring import ScoredCase
from .compute import Compute
from .models.bundle import Model
from .preprocessing import LEFT, RIGHT, Preprocessed
from .segmentation import SegmentedNodules
from .suitability import suitability_warnings
from .volume import CTVolume, index_to_world


def listed_nodules(
    scan: Preprocessed, proposals: np.ndarray, points_lps_mm: np.ndarray, scored: ScoredCase
) -> tuple[Nodule, ...]:
    """Proposals (N, 5) in working voxels and then points (M, 3) as nodules in LPS mm, not yet measured."""
    return _detected(scan, proposals, scored) + _users(points_lps_mm, len(proposals), scored)


def assemble(
    volume: CTVolume,
    scan: Preprocessed,
    scored: ScoredCase,
    segmented: SegmentedNodules,
    model: Model,
    compute: Compute,
    timing_s: dict[str, float],
    warnings: tuple[str, ...],
) -> CaseResult:
    """The result of a case; `warnings` are those of the steps after preprocessing, they come last."""
    millilitres = float(np.prod(volume.spacing_mm_kji)) / 1e3
    return CaseResult(
        software={"name": "LungCancerDx", "version": __version__},
        model={
            "name": model.name,
            "sha256": model.sha256,
            "preset": model.preset.name,
            "outcome": model.outcome,
            "trained_on": model.trained_on,
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
        ),
        lungs={
            "left_volume_ml": float((scan.lungs == LEFT).sum() * millilitres),
            "right_volume_ml": float((scan.lungs == RIGHT).sum() * millilitres),
        },
        nodules=segmented.nodules,
        timing_s=timing_s,
        warnings=(*volume.warnings, *suitability_warnings(volume), *scan.warnings, *warnings),
        lung_labels=scan.lungs,
        nodule_labels=segmented.labels,
    )


def _detected(scan: Preprocessed, proposals: np.ndarray, scored: ScoredCase) -> tuple[Nodule, ...]:
    centers_lps_mm = index_to_world(scan.kji_to_lps, proposals[:, 1:4])
    return tuple(
        Nodule(
            rank=n + 1,
            source="detected",
            center_lps_mm=tuple(center.tolist()),
            box_diameter_mm=float(proposal[4] * scan.spacing_mm),
            diameter_mm=float(proposal[4] * scan.spacing_mm),
            logit=float(proposal[0]),
            confidence=float(1 / (1 + np.exp(-proposal[0]))),
            malignancy=scored.malignancy[n],
            contribution=scored.evidence.shares[n] if n < scored.scored else None,
            scored=n < scored.scored,
        )
        for n, (proposal, center) in enumerate(zip(proposals, centers_lps_mm, strict=True))
    )


def _users(points_lps_mm: np.ndarray, detected: int, scored: ScoredCase) -> tuple[Nodule, ...]:
    return tuple(
        Nodule(
            rank=detected + n + 1,
            source="user",
            center_lps_mm=tuple(point.tolist()),
            malignancy=scored.malignancy[detected + n],
        )
        for n, point in enumerate(points_lps_mm)
    )
