"""Whether two versions of the software score the same scans the same.

    python -m Testing.Benchmarks.same_results BEFORE AFTER

Both are folders that hold results of `lungcancerdx score`, at any depth; a scan is a `case.json` at the same place in
both. The nodules must be the same in number and order, their centres within 0.01 mm, the case scores within 0.001.
Prints a row a scan; exits with 1 where a scan differs or only one side has it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from LungCancerDxLib.case import CaseResult

CENTER_MM, SCORE = 0.01, 0.001


class Comparison(NamedTuple):
    """Nodules of either side; greatest differences of what both have."""

    nodules: tuple[int, int]
    center_mm: float
    logit: float
    malignancy: float
    score: float

    @property
    def same(self) -> bool:
        return self.nodules[0] == self.nodules[1] and self.center_mm <= CENTER_MM and self.score <= SCORE

    def __str__(self) -> str:
        before, after = self.nodules
        figures = f"{self.center_mm:9.4f}  {self.logit:7.4f}  {self.malignancy:10.5f}  {self.score:10.6f}"
        return f"{before:3d} {after:3d}  {figures}  {'same' if self.same else 'DIFFERS'}"


def compared(before: CaseResult, after: CaseResult) -> Comparison:
    """Nodules of the same rank beside each other."""
    pairs = list(zip(before.nodules, after.nodules, strict=False))
    centers_mm = [np.linalg.norm(np.subtract(a.center_lps_mm, b.center_lps_mm)) for a, b in pairs]
    logits = [abs((a.logit or 0.0) - (b.logit or 0.0)) for a, b in pairs]
    malignancy = [abs((a.malignancy or 0.0) - (b.malignancy or 0.0)) for a, b in pairs]
    center_mm, logit, suspicion = (float(max(values, default=0.0)) for values in (centers_mm, logits, malignancy))
    counts = len(before.nodules), len(after.nodules)
    return Comparison(counts, center_mm, logit, suspicion, abs(before.case.score - after.case.score))


def main() -> int:
    """Print the table; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    arguments = parser.parse_args()
    before, after = _cases(arguments.before), _cases(arguments.after)
    width = max(map(len, {*before, *after}), default=4)
    print(f"{'scan':<{width}}  nodules  centre mm    logit  malignancy       score")
    same = bool(before or after)
    for name in sorted({*before, *after}):
        if name in before and name in after:
            comparison = compared(before[name], after[name])
            print(f"{name:<{width}}  {comparison}")
            same &= comparison.same
        else:
            print(f"{name:<{width}}  only {'before' if name in before else 'after'}")
            same = False
    return 0 if same else 1


def _cases(folder: Path) -> dict[str, CaseResult]:
    return {
        path.parent.relative_to(folder).as_posix(): CaseResult.from_json(path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("case.json"))
    }


if __name__ == "__main__":
    sys.exit(main())
