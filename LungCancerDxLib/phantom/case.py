"""A synthetic case: a patient, and the truth about the patient's cancer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .malignancy import CaseTruth, draw_truth
from .nodule_grid import nodule_mask
from .patient import SyntheticPatient, synthetic_chest
from .population import Population


@dataclass(frozen=True)
class SyntheticCase:
    """A synthetic patient and the truth."""

    patient: SyntheticPatient
    truth: CaseTruth

    def record(self) -> dict[str, Any]:
        """All that is known, in terms of JSON: the truth, the nodules with their probabilities, what was drawn."""
        truth = asdict(self.truth)
        probabilities = truth.pop("nodule_probabilities")
        nodules = [
            {**asdict(nodule), "probability": probability}
            for nodule, probability in zip(self.patient.nodules, probabilities, strict=True)
        ]
        return {**truth, "nodules": nodules, "patient": self.patient.record}

    def nodule_labels(self) -> np.ndarray:
        """uint8, shape (K, J, I) of the scan: 1, 2, ... in the body of the first, the second nodule, and so on."""
        volume = self.patient.volume
        labels = np.zeros(volume.shape_kji, np.uint8)
        for number, nodule in enumerate(self.patient.nodules, start=1):
            labels[nodule_mask(nodule, volume.kji_to_lps, volume.shape_kji)] = number
        return labels


def synthetic_case(
    seed: int,
    index: int,
    *,
    spacing_mm_kji: tuple[float, float, float] | None = None,
    population: Population = "dsb",
) -> SyntheticCase:
    """Patient `index` of the endless cohort `seed`; the same two numbers give the same patient.

    Parameters
    ----------
    spacing_mm_kji
        Of the scan's grid; drawn where it is not given.
    population
        Whose nodules: sizes and numbers as in LUNA16 or in the Data Science Bowl (Fig. 2a).
    """
    patient_rng, truth_rng = np.random.default_rng([seed, index]).spawn(2)
    patient = synthetic_chest(patient_rng, spacing_mm_kji=spacing_mm_kji, population=population)
    emphysema, female = bool(patient.record["emphysema"]), bool(patient.record["female"])
    truth = draw_truth(truth_rng, patient.nodules, emphysema=emphysema, female=female)
    return SyntheticCase(patient, truth)
