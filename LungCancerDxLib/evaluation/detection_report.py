"""All figures of a detector's evaluation, ready to be written and drawn (section VI-A, Fig. 7)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .detections import Detections
from .froc import RATES, Froc, found_within, froc, most_malignant, resampled_recall, resampled_sensitivity
from .matching import RulesName, match
from .report import Row, interval, resample, row

MOST = 10
"""Recall is given for the first 1 to so many marks of a scan."""

_STEPS_PER_OCTAVE = 10  # of the band around the curve

_RULES = {
    "luna16": "Rules of LUNA16: a mark nearer to a nodule's centre than its radius hits; further marks on a nodule and "
    "marks on excluded findings are ignored.",
    "paper": "Rules of the paper and the code of 2017: boxes that overlap by more than 0.05 hit; a second mark on a "
    "nodule is a false positive; nodules under 6 mm are ruled out, and marks on them are ignored.",
}


@dataclass(frozen=True)
class Recall:
    """Recall (K,) among the first 1..K marks, with its 95 % interval, over some nodules."""

    recall: np.ndarray
    low: np.ndarray
    high: np.ndarray
    nodules: int


@dataclass(frozen=True)
class DetectionReport:
    """What is known of a detector; `most_malignant` is None where no malignancy is known.

    `band` is the 95 % interval of the sensitivity: (R,) false positives per scan, lower and upper ends.
    """

    curve: Froc
    band: tuple[np.ndarray, np.ndarray, np.ndarray]
    recall: Recall
    most_malignant: Recall | None
    rows: tuple[Row, ...]
    remarks: tuple[str, ...]
    basis: str


def detection_report(
    detections: Detections, rules: RulesName, rng: np.random.Generator, samples: int = 1000
) -> DetectionReport:
    """Match, and compute FROC, its mean over seven rates, and recall at top k, with intervals over resampled scans.

    Raises
    ------
    UsageError
        See `matching.match`.
    """
    matching = match(detections, rules)
    curve = froc(matching)
    times = resample(rng, matching.scans, samples)
    rates = 2 ** np.linspace(-3, 3, 6 * _STEPS_PER_OCTAVE + 1)
    sampled = resampled_sensitivity(matching, rates, times)
    at_seven = sampled[:, ::_STEPS_PER_OCTAVE]
    nodules = len(matching.nodule_scan)
    basis = f"{matching.scans} scans, {nodules} nodules"
    rows = [
        row(f"sensitivity at {Fraction(rate)} false positives per scan", value, basis, of_rate)
        for rate, value, of_rate in zip(RATES, curve.at(RATES), at_seven.T, strict=True)
    ]
    rows.append(row("mean of the seven (CPM)", curve.at(RATES).mean(), basis, at_seven.mean(axis=1)))
    rows.append(row("sensitivity of all marks together", matching.hit.mean(), basis))
    rows.append(row("false positives per scan of all marks", len(matching.false_scan) / matching.scans, basis))

    found = found_within(matching, MOST)
    recall, recall_rows = _recall(found, matching.nodule_scan, times, "recall at top", basis)
    chosen = most_malignant(matching)
    worst = None
    if chosen.any():
        rests_on = f"{chosen.sum()} scans with a nodule of known malignancy"
        worst, worst_rows = _recall(
            found[chosen], matching.nodule_scan[chosen], times, "most malignant nodule among the top", rests_on
        )
        recall_rows += worst_rows
    further = "false positives" if rules == "paper" else "ignored"
    remarks = (
        _RULES[rules],
        f"{matching.marks} marks; {matching.hit.sum()} of {nodules} nodules hit; {matching.double} further hits on "
        f"nodules already hit ({further}); {matching.ignored} marks on excluded findings ignored; "
        f"{len(matching.false_scan)} false positives.",
        f"Intervals: percentiles 2.5 and 97.5 over {samples} bootstrap samples of the scans.",
        *detections.remarks,
    )
    return DetectionReport(curve, (rates, *interval(sampled)), recall, worst, (*rows, *recall_rows), remarks, basis)


def _recall(
    found: np.ndarray, nodule_scan: np.ndarray, times: np.ndarray, name: str, basis: str
) -> tuple[Recall, list[Row]]:
    sampled = resampled_recall(found, nodule_scan, times)
    recall = found.mean(axis=0)
    rows = [row(f"{name} {k}", recall[k - 1], basis, sampled[:, k - 1]) for k in range(1, MOST + 1)]
    return Recall(recall, *interval(sampled), len(found)), rows
