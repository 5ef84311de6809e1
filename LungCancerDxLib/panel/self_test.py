"""A case whose truth is known, for the module's own test in the application: no networks, no files."""

from __future__ import annotations

import numpy as np

from .. import __version__
from ..case import OUTCOMES, Case, CaseResult, Nodule
from ..evidence import combine
from ..phantom import SyntheticPatient, synthetic_chest
from ..volume import index_to_world

_SEED, _SPACING_MM_KJI = 1, (4.0, 3.0, 3.0)
_MALIGNANCY, _LEAK = 0.3, 0.05


def small_patient() -> SyntheticPatient:
    """The patient of the sample on a coarse grid, made in a moment."""
    return synthetic_chest(np.random.default_rng(_SEED), spacing_mm_kji=_SPACING_MM_KJI)


def true_case(patient: SyntheticPatient) -> CaseResult:
    """What a perfect reader would make of a synthetic patient, each nodule counting with the same malignancy."""
    evidence = combine("leaky-noisy-or", [_MALIGNANCY] * len(patient.nodules), _LEAK, None, 0)
    place = index_to_world(patient.volume.kji_to_lps, np.moveaxis(np.indices(patient.volume.shape_kji), 0, -1))
    labels = np.zeros(patient.volume.shape_kji, np.uint8)
    nodules = []
    for rank, (truth, share) in enumerate(zip(patient.nodules, evidence.shares, strict=True), start=1):
        labels[np.linalg.norm(place - truth.center_lps_mm, axis=-1) <= truth.diameter_mm / 2] = rank
        nodules.append(
            Nodule(
                rank=rank,
                source="detected",
                center_lps_mm=truth.center_lps_mm,
                diameter_mm=truth.diameter_mm,
                type=truth.kind,
                malignancy=_MALIGNANCY,
                contribution=share,
                scored=True,
            )
        )
    return CaseResult(
        software={"name": "LungCancerDx", "version": __version__},
        model={"name": "truth", "sha256": "", "preset": "DEFAULT", "outcome": "none", "trained_on": "nothing"},
        run={},
        input={},
        case=Case(
            score=evidence.score,
            score_name=OUTCOMES["none"],
            join="leaky-noisy-or",
            leak=_LEAK,
            leak_share=evidence.leak_share,
            blank_count=0,
            blank_malignancy=None,
            blank_share=None,
            scored_nodules=len(nodules),
        ),
        lungs={},
        nodules=tuple(nodules),
        timing_s={},
        warnings=(),
        lung_labels=patient.lungs,
        nodule_labels=labels,
    )
