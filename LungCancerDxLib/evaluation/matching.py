"""Which mark hits which nodule, by the rules of LUNA16 or of the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..detection.proposals import cube_iou
from ..errors import UsageError
from .detections import Detections

RulesName = Literal["luna16", "paper"]
_HIT_IOU = 0.05  # more than this is a hit in the 2017 code
_SMALLEST_MM = 6.0  # smaller nodules are ruled out in section VI-A


@dataclass(frozen=True)
class Matching:
    """What the marks of some scans are worth, for M nodules that count and F false positives.

    Parameters
    ----------
    scans
        How many there are; scan numbers are below it.
    nodule_scan, nodule_score, nodule_rank, nodule_malignancy
        (M,) scan number, score of the best mark that hits (-inf if missed), the best place of such a mark among all
        marks of its scan (1 for the highest score; inf if missed; equal scores in the order of the table), and what is
        known of its malignancy (else NaN).
    false_scan, false_score
        (F,) of marks that count as false positives.
    marks, ignored, double
        How many marks there are, how many lie on excluded findings and are ignored, and how many hits a nodule had
        beyond its best.
    """

    scans: int
    nodule_scan: np.ndarray
    nodule_score: np.ndarray
    nodule_rank: np.ndarray
    nodule_malignancy: np.ndarray
    false_scan: np.ndarray
    false_score: np.ndarray
    marks: int
    ignored: int
    double: int

    @property
    def hit(self) -> np.ndarray:
        """(M,) bool: nodules that a mark hits."""
        return np.asarray(np.isfinite(self.nodule_rank))


def match(detections: Detections, rules: RulesName) -> Matching:
    """Compare marks with findings, scan by scan.

    By the rules of LUNA16 a mark hits every nodule whose centre is nearer than the nodule's radius; the best-scoring
    mark of a nodule counts, further marks on it are ignored, as are marks on excluded findings only.

    By the paper's rules (section VI-A and the code of 2017) a mark belongs to the nodule with which its box has the
    greatest intersection over union, and hits it if that is more than 0.05; a second mark on the same nodule is a false
    positive. Nodules under 6 mm are ruled out; the paper does not say what becomes of marks on them: here they are
    ignored like those on excluded findings.

    Raises
    ------
    UsageError
        Where the rules ask for boxes and a mark has no diameter, or no nodule counts.
    """
    counts = detections.finding_counts
    if rules == "paper":
        counts = counts & (detections.finding_diameter_mm >= _SMALLEST_MM)
        if not (detections.mark_diameter_mm > 0).all():
            raise UsageError(
                "The paper's rules compare boxes, but the predictions give not every mark a positive diameter_mm (or "
                "box_diameter_mm). Add it, or use --rules luna16."
            )
    if not counts.any():
        raise UsageError(
            f"There is no nodule to find: none of {len(counts)} findings on {detections.scans} scans counts."
        )
    score = np.full(len(counts), -np.inf)
    rank = np.full(len(counts), np.inf)
    wrong = np.zeros(len(detections.mark_score), dtype=bool)
    ignored = double = 0
    for scan in range(detections.scans):
        marks, findings = (np.flatnonzero(of == scan) for of in (detections.mark_scan, detections.finding_scan))
        marks = marks[np.argsort(-detections.mark_score[marks], kind="stable")]
        counting, excluded = findings[counts[findings]], findings[~counts[findings]]
        hits = _hits(detections, marks, counting, rules)
        found = hits.any(axis=0)
        first = hits.argmax(axis=0)[found] if len(marks) else np.zeros(0, dtype=np.intp)
        score[counting[found]] = detections.mark_score[marks[first]]
        rank[counting[found]] = first + 1
        double += int(hits.sum() - found.sum())
        on_nodule = hits.any(axis=1)
        on_excluded = ~on_nodule & _hits(detections, marks, excluded, rules).any(axis=1)
        ignored += int(on_excluded.sum())
        wrong[marks[~on_excluded & ~on_nodule]] = True
        if rules == "paper":
            wrong[np.setdiff1d(marks[on_nodule], marks[first])] = True
    return Matching(
        detections.scans,
        detections.finding_scan[counts],
        score[counts],
        rank[counts],
        detections.finding_malignancy[counts],
        detections.mark_scan[wrong],
        detections.mark_score[wrong],
        len(wrong),
        ignored,
        double,
    )


def _hits(detections: Detections, marks: np.ndarray, findings: np.ndarray, rules: RulesName) -> np.ndarray:
    """(marks, findings) bool."""
    centers = detections.mark_center_lps_mm[marks]
    found_at = detections.finding_center_lps_mm[findings]
    diameters_mm = detections.finding_diameter_mm[findings]
    if rules == "luna16":
        return np.asarray(np.linalg.norm(centers[:, None] - found_at[None], axis=2) < diameters_mm / 2)
    hits = np.zeros((len(centers), len(found_at)), dtype=bool)
    if len(found_at):
        of_findings = zip(found_at, diameters_mm, strict=True)
        overlaps = np.stack(
            [cube_iou(*box, centers, detections.mark_diameter_mm[marks]) for box in of_findings], axis=1
        )
        best = np.arange(len(centers)), overlaps.argmax(axis=1)
        hits[best] = overlaps[best] > _HIT_IOU
    return hits
