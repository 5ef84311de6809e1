"""Matching marks with nodules and the FROC, written from the rules in plain loops.

Marks are (scan, x, y, z, score, diameter), nodules and excluded findings (scan, x, y, z, diameter), scans numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from .nms import overlap

Mark = Sequence[float]
Finding = Sequence[float]


@dataclass
class Outcome:
    """Of every nodule the scan, the score of its hit and the rank of that mark, or None twice; the false marks."""

    nodules: list[tuple[float, float | None, int | None]] = field(default_factory=list)
    false: list[tuple[float, float]] = field(default_factory=list)


def by_luna16(scans: int, marks: Sequence[Mark], nodules: Sequence[Finding], excluded: Sequence[Finding]) -> Outcome:
    """A mark hits every nodule nearer than its radius; the best counts; others on nodules or excluded are ignored."""
    outcome = Outcome()
    for scan in range(scans):
        here = _best_first(marks, scan)
        left = list(range(len(here)))
        for nodule in [n for n in nodules if n[0] == scan]:
            on_it = [place for place, mark in enumerate(here) if _is_within(mark, nodule)]
            best = max((here[place][4] for place in on_it), default=None)
            rank = min(on_it) + 1 if on_it else None
            outcome.nodules.append((scan, best, rank))
            left = [place for place in left if place not in on_it]
        for finding in [e for e in excluded if e[0] == scan]:
            left = [place for place in left if not _is_within(here[place], finding)]
        outcome.false += [(scan, here[place][4]) for place in left]
    return outcome


def by_paper(scans: int, marks: Sequence[Mark], nodules: Sequence[Finding], excluded: Sequence[Finding]) -> Outcome:
    """A mark belongs to the nodule of 6 mm or more that it overlaps most, by more than 0.05; a second one is false."""
    outcome = Outcome()
    ignored = [*excluded, *(n for n in nodules if _diameter(n) < 6)]
    for scan in range(scans):
        labels = [n for n in nodules if n[0] == scan and _diameter(n) >= 6]
        taken: dict[int, tuple[float, int]] = {}
        for rank, mark in enumerate(_best_first(marks, scan), 1):
            best, best_overlap = None, 0.0
            for place, label in enumerate(labels):
                if _overlap(mark, label) > best_overlap:
                    best, best_overlap = place, _overlap(mark, label)
            if best is not None and best_overlap > 0.05:
                if best in taken:
                    outcome.false.append((scan, mark[4]))
                else:
                    taken[best] = (mark[4], rank)
            elif not any(e[0] == scan and _overlap(mark, e) > 0.05 for e in ignored):
                outcome.false.append((scan, mark[4]))
        outcome.nodules += [(scan, *taken.get(place, (None, None))) for place in range(len(labels))]
    return outcome


def sensitivity(outcome: Outcome, scans: int, rate: float) -> float:
    """At a rate of false positives per scan, linear between the thresholds that have marks, then constant."""
    scores = sorted({s for _, s, _ in outcome.nodules if s is not None} | {s for _, s in outcome.false}, reverse=True)
    rate_before, found_before = 0.0, 0.0
    for score in scores:
        hits = sum(1 for _, s, _ in outcome.nodules if s is not None and s >= score)
        found = hits / len(outcome.nodules)
        here = sum(1 for _, s in outcome.false if s >= score) / scans
        if here > rate:
            return found_before + (found - found_before) * (rate - rate_before) / (here - rate_before)
        rate_before, found_before = here, found
    return found_before


def recall_at(outcome: Outcome, k: int) -> float:
    """Share of nodules hit by one of the first k marks of their scan."""
    return sum(1 for _, _, rank in outcome.nodules if rank is not None and rank <= k) / len(outcome.nodules)


def _best_first(marks: Sequence[Mark], scan: int) -> list[Mark]:
    return sorted((mark for mark in marks if mark[0] == scan), key=lambda mark: -mark[4])


def _is_within(mark: Mark, finding: Finding) -> bool:
    return math.dist(mark[1:4], finding[1:4]) < _diameter(finding) / 2


def _diameter(finding: Finding) -> float:
    return 10.0 if finding[4] < 0 else finding[4]


def _overlap(mark: Mark, finding: Finding) -> float:
    return overlap((*mark[1:4], mark[5]), (*finding[1:4], _diameter(finding)))
