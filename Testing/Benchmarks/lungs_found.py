"""In how many synthetic patients preprocessing finds both lungs.

    python -m Testing.Benchmarks.lungs_found --patients 100 --seed 0 --workers 2

A lung is found where the Dice coefficient of its label with the truth is at least 0.9 and no warning tells of a lung
that is lost. Contrast medium, kernel, dose, slices, field of view and the patient are all drawn.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from LungCancerDxLib.errors import LungCancerDxError
from LungCancerDxLib.names import LEFT, RIGHT
from LungCancerDxLib.phantom.patient import SyntheticPatient, draw_patient, scanned
from LungCancerDxLib.preprocessing import preprocess
from LungCancerDxLib.preset import DEFAULT

LEAST_DICE = 0.9
COARSE_MM_KJI = (4.0, 1.5, 1.5)


class Found(NamedTuple):
    """Patient `number`: Dice of the left and of the right lung, and what preprocessing warned of or failed with."""

    number: int
    left: float
    right: float
    messages: tuple[str, ...]

    @property
    def both(self) -> bool:
        return min(self.left, self.right) >= LEAST_DICE and not self._warned_of("Only one lung was found")

    @property
    def recovered(self) -> bool:
        """Whether the published lung mask alone would have lost lung."""
        return self._warned_of("was recovered")

    def _warned_of(self, text: str) -> bool:
        return any(text in warning for warning in self.messages)

    def __str__(self) -> str:
        return f"patient {self.number}: left {self.left:.3f}, right {self.right:.3f} {' '.join(self.messages)}"


def main() -> None:
    """Print a line a failure and how many patients have both lungs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="number of the first patient")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument(
        "--coarse", action="store_true", help="voxels of at least 4 x 1.5 x 1.5 mm: several times faster"
    )
    arguments = parser.parse_args()
    indices = range(arguments.first, arguments.first + arguments.patients)
    dice = []
    with ProcessPoolExecutor(arguments.workers) as pool:
        for found in pool.map(partial(find, arguments.seed, coarse=arguments.coarse), indices):
            dice.append((found.left, found.right, found.both, found.recovered))
            if not found.both:
                print(found, flush=True)
    left, right, both, recovered = np.array(dice).T
    print(
        f"both lungs found in {int(both.sum())} of {len(both)} patients, lung recovered in {int(recovered.sum())}; "
        f"Dice left {np.median(left):.4f} (least {left.min():.4f}), right {np.median(right):.4f} ({right.min():.4f})"
    )


def find(seed: int, index: int, *, coarse: bool) -> Found:
    """Draw a patient, preprocess the scan, compare."""
    patient = draw(seed, index, coarse=coarse)
    try:
        preprocessed = preprocess(patient.volume, DEFAULT)
    except LungCancerDxError as error:
        return Found(index, 0.0, 0.0, (str(error),))
    left, right = (_dice(preprocessed.lungs.labels == label, patient.lungs == label) for label in (LEFT, RIGHT))
    return Found(index, left, right, preprocessed.warnings)


def draw(seed: int, index: int, *, coarse: bool) -> SyntheticPatient:
    """The patient of `synthetic_case`, perhaps on coarser voxels."""
    patient_rng, _ = np.random.default_rng([seed, index]).spawn(2)
    drawn = draw_patient(patient_rng, spacing_mm_kji=None, nodules=None, population="dsb")
    if coarse:
        k, j, i = np.maximum(drawn.acquisition.spacing_mm_kji, COARSE_MM_KJI).tolist()
        drawn = replace(drawn, acquisition=replace(drawn.acquisition, spacing_mm_kji=(k, j, i)))
    return scanned(drawn)


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * np.count_nonzero(one & other) / max(np.count_nonzero(one) + np.count_nonzero(other), 1))


if __name__ == "__main__":
    main()
