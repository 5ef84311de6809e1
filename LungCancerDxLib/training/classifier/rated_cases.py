"""Cases put together from rated nodules, from which the leak of Eq. 5 is learned: what the detector misses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit

FOUND_SHARES = ((6.0, 0.6), (np.inf, 0.98))  # how many nodules below a diameter the detector lists
NO_NODULES_SHARE = 0.3  # of the cases
CASES = 20_000
LEAK_LOGITS = (-9.0, 0.0)


def learned_leak(
    suspicion: np.ndarray,
    target: np.ndarray,
    diameter_mm: np.ndarray,
    patients: Sequence[str],
    alarms: np.ndarray,
    alarms_per_case: float,
    rng: np.random.Generator,
) -> float:
    """The leak by which cases score best: 1 - (1 - leak) prod (1 - P_i) over what the detector lists of each.

    A case is a patient of the bank, or has no nodule; its target is the noisy-or of the targets of all its nodules,
    found or not.

    Parameters
    ----------
    suspicion, target, diameter_mm, patients
        (N,) of nodules: P_i, what it should be, their size, and whose they are.
    alarms
        (M,) P_i of false alarms.
    """
    _, owner = np.unique(np.asarray(patients), return_inverse=True)
    members = [np.flatnonzero(owner == n) for n in range(owner.max() + 1)]
    chance = np.select([diameter_mm < limit for limit, _ in FOUND_SHARES], [share for _, share in FOUND_SHARES])
    safe, wanted = np.ones(CASES), np.zeros(CASES)
    for case in range(CASES):
        if rng.random() >= NO_NODULES_SHARE:
            nodules = members[rng.integers(len(members))]
            wanted[case] = 1 - np.prod(1 - target[nodules])
            listed = nodules[rng.random(len(nodules)) < chance[nodules]]
            safe[case] = np.prod(1 - suspicion[listed])
        if len(alarms):
            safe[case] *= np.prod(1 - rng.choice(alarms, rng.poisson(alarms_per_case)))

    def loss(logit: float) -> float:
        probability = np.clip(1 - (1 - expit(logit)) * safe, 1e-6, 1 - 1e-6)
        return float(-np.mean(wanted * np.log(probability) + (1 - wanted) * np.log(1 - probability)))

    return float(expit(minimize_scalar(loss, bounds=LEAK_LOGITS, method="bounded").x))
