"""Both cohorts as the paper joins them (sections III-A and VI)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from ..errors import UsageError
from .luna16 import SOURCE as LUNA16
from .scan import CohortScan

SMALLEST_NODULE_MM = 6.0  # below it a nodule is usually not dangerous (III-A)
_VALIDATION_SHARE = 0.25  # of the original training set (VI-B)


def join(*cohorts: Iterable[CohortScan]) -> tuple[CohortScan, ...]:
    """All scans as the detector is trained on them (III-A).

    LUNA16's nodules of less than 6 mm are removed, the scans stay; the Data Science Bowl's nodules all stay. Only the
    Data Science Bowl's scans have a case label.

    Raises
    ------
    UsageError
        Where two scans have the same id.
    """
    scans = [scan for cohort in cohorts for scan in cohort]
    seen: dict[str, CohortScan] = {}
    for scan in scans:
        if scan.id in seen:
            raise UsageError(f"The scan {scan.id} is in two cohorts: {seen[scan.id].path} and {scan.path}. Remove one.")
        seen[scan.id] = scan
    return tuple(without_small_nodules(scan) if scan.source == LUNA16 else scan for scan in scans)


def without_small_nodules(scan: CohortScan, smallest_mm: float = SMALLEST_NODULE_MM) -> CohortScan:
    """The scan without its nodules of less than `smallest_mm`; so detection is judged too (VI-A)."""
    return replace(scan, nodules=tuple(nodule for nodule in scan.nodules if nodule.diameter_mm >= smallest_mm))


def resplit(
    training: Sequence[CohortScan], validation: Sequence[CohortScan], rng: np.random.Generator
) -> tuple[tuple[CohortScan, ...], tuple[CohortScan, ...]]:
    """New training and validation sets (VI-B).

    A fourth of the original training set, drawn by `rng`, is the new validation set; the rest and the original
    validation set are the new training set.
    """
    drawn = set(rng.permutation(len(training))[: round(_VALIDATION_SHARE * len(training))].tolist())
    kept = tuple(scan for n, scan in enumerate(training) if n not in drawn)
    return (*kept, *validation), tuple(scan for n, scan in enumerate(training) if n in drawn)
