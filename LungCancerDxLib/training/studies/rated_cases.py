"""Patients of a bank of real nodules in other lungs, the readers' ratings their outcome: for a backbone that learns.

A patient has all of its nodules, each where such a one may lie, and is in one case alone, which is called by it, so
that no nodule is both learned from and held out. The lungs are few: a case is known by them in both, but they say
nothing about its outcome.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ...datasets.nodule_bank import BankNodule, bank_digest
from ...errors import UsageError
from ...phantom.real_nodules import PlacedNodule, insert_real_nodules, place_apart
from ...preset import PRESETS, Preset
from ..cases.prepare import to_working
from ..cases.real_nodules import learnable, refuse_test_scans
from ..cases.store import CaseStore, TrainingCase
from ..classifier.rated_crops import Background
from ..classifier.readers import NO_NODULES_SHARE
from .bank_cases import OVER


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
    digest = bank_digest(bank)
    whose = dict(zip(with_nodules, order, strict=False))
    for number in range(len(scans)):
        background = Background.of(scans.case(number), np.zeros((0, 3)), preset)
        for n in range(number, count, len(scans)):
            rng = np.random.default_rng([seed, n])
            leaks = bool(rng.random() < leak)
            placed = place_apart(rng, whose.get(n, []), background.places)
            rated_over = any(one.nodule.malignancy > OVER for one in placed)
            patient = whose[n][0].patient if n in whose else f"{seed}-{n}"
            case = _shown(f"rated-{patient}", background, placed, preset)
            yield replace(case, bank=digest if placed else ""), leaks or rated_over


def _shown(name: str, background: Background, placed: Sequence[PlacedNodule], preset: Preset) -> TrainingCase:
    """The background's case with nodules of one patient in it."""
    empty, scan = background.case, background.case.scan
    image = insert_real_nodules(scan.image, scan.kji_to_lps, placed, background.quality, preset)
    spheres = np.array([(*one.center_lps_mm, one.diameter_mm) for one in placed])
    fold = placed[0].nodule.fold if placed else None
    scan = replace(scan, image=image)
    return replace(empty, name=name, scan=scan, nodules=to_working(spheres, scan), bank_fold=fold)
