"""How far half precision is from float32 on the same scans, by the bounds that `auto` precision must keep.

    python -m Testing.Benchmarks.precision --model MODEL CT ... --synthetic 20

Bounds: for every nodule above logit 0 centres within 1 mm and logits within 0.1; case scores within 0.01.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from LungCancerDxLib.classification.classifier import score_case
from LungCancerDxLib.detection.detector import detect
from LungCancerDxLib.detection.proposals import Proposals
from LungCancerDxLib.io import read_ct
from LungCancerDxLib.models.bundle import Model
from LungCancerDxLib.models.find import find_model
from LungCancerDxLib.phantom.patient import synthetic_preprocessed
from LungCancerDxLib.preprocessing import WorkingScan, preprocess
from LungCancerDxLib.runtime.device import DTYPES, choose_compute

CENTER_MM, LOGIT, SCORE = 1.0, 0.1, 0.01


class Difference(NamedTuple):
    """nodules: above logit 0 in either precision. lost: without a partner within 10 mm. Then greatest differences."""

    nodules: int
    lost: int
    center_mm: float
    logit: float
    score: float

    @property
    def within_bounds(self) -> bool:
        return self.lost == 0 and self.center_mm <= CENTER_MM and self.logit <= LOGIT and self.score <= SCORE


def main() -> None:
    """Print a row a scan and how many keep the bounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ct", nargs="*", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--synthetic", type=int, default=0, help="also so many synthetic patients")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="bf16", choices=("bf16", "fp16"))
    arguments = parser.parse_args()
    model, compute = find_model(arguments.model), choose_compute(arguments.device, "fp32")
    half = replace(compute, dtype=DTYPES[arguments.precision])
    found = []
    print("scan  nodules  lost  centre mm  logit  case score")
    for name, scan in _scans(arguments, model):
        exact, rough = (_scored(scan, model, way) for way in (compute, half))
        difference = compared(*exact, *rough, scan.spacing_mm)
        found.append(difference)
        print(
            f"{name}  {difference.nodules}  {difference.lost}  {difference.center_mm:.3f}  {difference.logit:.4f}  "
            f"{difference.score:.5f}  {'' if difference.within_bounds else 'BEYOND'}",
            flush=True,
        )
    print(f"{sum(d.within_bounds for d in found)} of {len(found)} scans within the bounds")


def _scans(arguments: argparse.Namespace, model: Model) -> Iterator[tuple[str, WorkingScan]]:
    for path in arguments.ct:
        yield path.name, preprocess(read_ct(path), model.preset).working
    for index in range(arguments.synthetic):
        scan, *_ = synthetic_preprocessed(
            np.random.default_rng([arguments.seed, index]), model.preset, population="dsb"
        )
        yield f"synthetic {index}", scan


def _scored(scan: WorkingScan, model: Model, compute) -> tuple[Proposals, float]:
    proposals = detect(scan, model.detector, model.preset, compute).proposals
    scored = score_case(
        scan,
        proposals,
        np.empty((0, 3)),
        model.classifier,
        model.preset,
        compute,
        weighted_by_confidence=model.weighted_by_confidence,
    )
    return proposals, scored.evidence.score


def compared(
    exact: Proposals, exact_score: float, rough: Proposals, rough_score: float, spacing_mm: float
) -> Difference:
    """Each proposal above logit 0 of either side beside the nearest of the other."""
    center_mm, logit, lost, nodules = 0.0, 0.0, 0, 0
    for ours, theirs in ((exact, rough), (rough, exact)):
        sure = ours[ours.logit > 0]
        for center_kji, own_logit in zip(sure.center_kji, sure.logit, strict=True):
            nodules += 1
            distance_mm = np.linalg.norm(theirs.center_kji - center_kji, axis=1) * spacing_mm
            if len(distance_mm) == 0 or distance_mm.min() > 10:
                lost += 1
                continue
            nearest = int(np.argmin(distance_mm))
            center_mm = max(center_mm, float(distance_mm[nearest]))
            logit = max(logit, abs(float(theirs.logit[nearest] - own_logit)))
    return Difference(nodules, lost, center_mm, logit, abs(exact_score - rough_score))


if __name__ == "__main__":
    main()
