"""Both data sets as the paper joins and splits them (sections III-A and VI)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

import numpy as np

from ..errors import UsageError
from .dsb2017 import SOURCE as DSB2017
from .luna16 import SOURCE as LUNA16
from .scan import CohortScan

SMALLEST_NODULE_MM = 6.0  # below it a nodule is usually not dangerous (III-A)
TRAINING, VALIDATION = "training", "validation"
_VALIDATION_SHARE = 0.25  # of the original training set (VI-B)


def join(*datasets: Iterable[CohortScan]) -> tuple[CohortScan, ...]:
    """All scans as the detector is trained on them (III-A).

    LUNA16's nodules of less than 6 mm are removed, the scans stay; the Data Science Bowl's nodules all stay. Only the
    Data Science Bowl's scans have a case label.

    Raises
    ------
    UsageError
        Where two scans have the same id.
    """
    joined: dict[str, CohortScan] = {}
    for scan in (scan for dataset in datasets for scan in dataset):
        if scan.id in joined:
            raise UsageError(f"The scan {scan.id} is there twice: {joined[scan.id].path} and {scan.path}. Remove one.")
        large = tuple(nodule for nodule in scan.nodules if nodule.diameter_mm >= SMALLEST_NODULE_MM)
        joined[scan.id] = replace(scan, nodules=large) if scan.source == LUNA16 else scan
    return tuple(joined.values())


def resplit(scans: Iterable[CohortScan], rng: np.random.Generator) -> tuple[CohortScan, ...]:
    """The scans with new training and validation sets of the Data Science Bowl (VI-B).

    A fourth of its original training set, drawn by `rng`, is the new validation set; the rest and the original
    validation set are the new training set.
    """
    scans = list(scans)
    parts = {scan.id: scan.part for scan in scans if scan.source == DSB2017}
    training = [name for name, part in parts.items() if part == TRAINING]
    drawn = rng.permutation(len(training))[: round(_VALIDATION_SHARE * len(training))]
    new = {name: TRAINING for name, part in parts.items() if part in (TRAINING, VALIDATION)}
    new.update((training[n], VALIDATION) for n in drawn)
    return tuple(replace(scan, part=new.get(scan.id, scan.part)) for scan in scans)


def in_parts(scans: Iterable[CohortScan], parts: Collection[str]) -> tuple[CohortScan, ...]:
    """The scans of some parts; LUNA16 as a whole is of the training set, as only the detector learns from it (III-A).

    Raises
    ------
    UsageError
        Where a part has no scan.
    """
    scans = list(scans)
    parts_of = [{scan.part, TRAINING} if scan.source == LUNA16 else {scan.part} for scan in scans]
    there = set().union(*parts_of) - {""}
    for part in parts:
        if part not in there:
            raise UsageError(f"No scan is of the part '{part}'; there are {', '.join(sorted(there)) or 'no parts'}.")
    return tuple(scan for scan, own in zip(scans, parts_of, strict=True) if own & set(parts))
