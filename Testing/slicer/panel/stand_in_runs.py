"""Background runs that answer at once, or when a test says so, without a process."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

from LungCancerDxLib.case import CaseResult, Nodule
from LungCancerDxLib.io.result_folder import CASE_FILE, NODULES_FILE, read_result


class Outcome(NamedTuple):
    """As in `panel.background`, which can be imported in the application only."""

    kind: str
    message: str = ""
    details: str = ""


DONE, CANCELLED = Outcome("done"), Outcome("cancelled")


class StandInRuns:
    """Stands for the class `BackgroundRun`: its runs answer as the command would, from a result made before.

    Parameters
    ----------
    folder
        A result in which every nodule is classified, with its CT as `ct.nrrd`.

    Attributes
    ----------
    asked
        The arguments of each run.
    outcome
        How runs end.
    holding
        Runs wait for the test to call their `deliver`.
    change
        Applied to each answer.
    points_malignancy
        What is found at the user's points.
    masks_of_classified
        Nodules without a malignancy have no mask.
    """

    points_malignancy = 0.625
    masks_of_classified = False

    def __init__(self, folder: Path):
        self._folder = folder
        self.asked: list[list[str]] = []
        self.runs: list[_Run] = []
        self.outcome = DONE
        self.holding = False
        self.change = lambda result: result

    def __call__(self, arguments, on_progress, on_end):
        self.asked.append(arguments)
        self.runs.append(_Run(self, arguments, on_progress, on_end))
        return self.runs[-1]

    def write_answer(self, arguments: list[str]) -> None:
        """What the command writes for these arguments; nothing for another command than `score`."""
        if "--out" not in arguments:
            return
        out, points = Path(_values(arguments, "--out")[0]), _values(arguments, "--points")
        whole = self._as_in(Path(arguments[arguments.index("score") + 1]))
        asked = {int(rank) for rank in _values(arguments, "--classify")}
        detected = [n if n.scored or n.rank in asked else replace(n, malignancy=None) for n in whole.nodules]
        lines = Path(points[0]).read_text().splitlines()[1:] if points else []
        users = [
            Nodule(len(detected) + n, "user", (float(x), float(y), float(z)), malignancy=self.points_malignancy)
            for n, (x, y, z) in enumerate((line.split(",") for line in lines), start=1)
        ]
        result = self.change(replace(whole, nodules=(*detected, *users)))
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(self._folder, out, ignore=shutil.ignore_patterns("ct.nrrd"))
        (out / CASE_FILE).write_text(result.to_json(), encoding="utf-8")
        if self.masks_of_classified:
            labels = sitk.ReadImage(str(out / NODULES_FILE))
            unknown = {n.rank: 0 for n in result.nodules if n.malignancy is None}
            sitk.WriteImage(sitk.ChangeLabel(labels, unknown), str(out / NODULES_FILE))

    def _as_in(self, ct: Path) -> CaseResult:
        """The whole result where the CT lies now, which may be elsewhere than when it was made."""
        result = read_result(self._folder)
        moved = _ijk_to_lps(ct) @ np.linalg.inv(_ijk_to_lps(self._folder / "ct.nrrd"))
        centers = (moved[:3] @ [*nodule.center_lps_mm, 1.0] for nodule in result.nodules)
        nodules = (
            replace(nodule, center_lps_mm=(float(x), float(y), float(z)))
            for nodule, (x, y, z) in zip(result.nodules, centers, strict=True)
        )
        return replace(result, nodules=tuple(nodules))


class _Run:
    """One run."""

    def __init__(self, owner, arguments, on_progress, on_end):
        self._owner = owner
        self._arguments = arguments
        self._on_end = on_end
        self.on_progress = on_progress
        self.closed = False

    def start(self):
        if not self._owner.holding:
            self._later(self.deliver)

    def cancel(self):
        self._later(lambda: self._end(CANCELLED))

    def close(self):
        self.closed = True

    def deliver(self):
        """End as the owner says."""
        if not self.closed and self._owner.outcome.kind == "done":
            self._owner.write_answer(self._arguments)
        self._end(self._owner.outcome)

    def _end(self, outcome):
        if not self.closed:
            self.closed = True
            self._on_end(outcome)

    def _later(self, call):
        import qt

        qt.QTimer.singleShot(0, call)


def _ijk_to_lps(path: Path) -> np.ndarray:
    image = sitk.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return affine


def _values(arguments: list[str], option: str) -> list[str]:
    """What follows an option, up to the next one."""
    if option not in arguments:
        return []
    rest = arguments[arguments.index(option) + 1 :]
    return rest[: next((n for n, word in enumerate(rest) if word.startswith("--")), len(rest))]
