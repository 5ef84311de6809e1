"""Patients of a bank of real nodules in other lungs, the readers' ratings their outcome: for a backbone that learns.

A patient has all of its nodules, each where such a one may lie, and is in one case alone, so that no nodule is both
learned from and held out. The lungs are few: a case is known by them in both, but they say nothing about its outcome.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ...datasets.nodule_bank import BankNodule
from ...errors import UsageError
from ...phantom.nodules.population import LungPlaces
from ...phantom.real_nodules import PlacedNodule, insert_real_nodules, place_real_nodule
from ...preset import PRESETS, Preset
from ..cases.prepare import to_working
from ..cases.real_nodules import learnable, refuse_test_scans
from ..cases.store import CaseStore, TrainingCase
from ..classifier.rated_crops import Background
from ..classifier.readers import NO_NODULES_SHARE
from .bank_cases import OVER

APART_MM = 15.0  # between the surfaces of two nodules
TRIES = 40


def rated_cases(
    scans: CaseStore, bank: Sequence[BankNodule], count: int, leak: float, seed: int
) -> Iterator[tuple[TrainingCase, bool]]:
    """So many cases, each with whether it is positive: by a nodule rated over 3, or else with the probability `leak`.

    Cases of one seed differ between leaks in their outcomes alone. Cubes and nodules that find no place are left out.

    Raises
    ------
    UsageError
        Where a scan is for tests only, or the bank has fewer patients than there are cases with nodules.
    """
    refuse_test_scans(scans.names, scans.folder)
    rng, preset = np.random.default_rng([seed, 31]), PRESETS[scans.preset]
    patients: dict[str, list[BankNodule]] = {}
    for nodule in learnable(bank, None)[0]:
        if not nodule.is_cube:
            patients.setdefault(nodule.patient, []).append(nodule)
    order = [patients[name] for name in rng.permutation(sorted(patients))]
    with_nodules = np.flatnonzero(rng.random(count) >= NO_NODULES_SHARE).tolist()
    if len(with_nodules) > len(order):
        raise UsageError(
            f"{len(with_nodules)} of {count} cases would have nodules, and the bank has {len(order)} patients, each "
            "for one case; ask for fewer."
        )
    whose = dict(zip(with_nodules, order, strict=False))
    for first in range(len(scans)):
        background = Background.of(scans.case(first), np.zeros((0, 3)), preset)
        for n in range(first, count, len(scans)):
            yield _case(
                f"rated-{seed}-{n}", background, whose.get(n, []), leak, np.random.default_rng([seed, n]), preset
            )


def _case(
    name: str,
    background: Background,
    nodules: Sequence[BankNodule],
    leak: float,
    rng: np.random.Generator,
    preset: Preset,
) -> tuple[TrainingCase, bool]:
    leaks = bool(rng.random() < leak)
    placed, empty = place_apart(rng, nodules, background.places), background.case
    image = insert_real_nodules(empty.scan.image, empty.scan.kji_to_lps, placed, background.quality, preset)
    spheres = np.array([(*one.center_lps_mm, one.diameter_mm) for one in placed])
    scan = replace(empty.scan, image=image)
    case = replace(empty, name=name, scan=scan, nodules=to_working(spheres, scan))
    return case, leaks or any(one.nodule.malignancy > OVER for one in placed)


def place_apart(rng: np.random.Generator, nodules: Sequence[BankNodule], places: LungPlaces) -> list[PlacedNodule]:
    """Nodules in their own size at places well apart, the largest first; those that find none are left out."""
    placed: list[PlacedNodule] = []
    for nodule in sorted(nodules, key=lambda nodule: -nodule.diameter_mm):
        taken = [(one.center_lps_mm, one.diameter_mm / 2 + APART_MM) for one in placed]
        tries = (place_real_nodule(rng, nodule, places, (1.0, 1.0), taken) for _ in range(TRIES))
        found = next((one for one in tries if one is not None), None)
        if found is not None:
            placed.append(found)
    return placed
