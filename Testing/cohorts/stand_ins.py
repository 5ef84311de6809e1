"""Small scans, and work on them that takes a moment, found by other processes by its name. Nothing here needs torch."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from LungCancerDxLib.case import Case, CaseResult, Nodule
from LungCancerDxLib.cohorts.run import Settings
from LungCancerDxLib.errors import OutputError
from LungCancerDxLib.io import read_ct
from LungCancerDxLib.options import ScoreOptions
from LungCancerDxLib.phantom.case import SyntheticCase, draw_truth
from LungCancerDxLib.phantom.nodules.nodule import SyntheticNodule
from LungCancerDxLib.volume import CTVolume
from Testing.io.dicom.dicom_files import chest_voxels

SETTINGS = Settings(ScoreOptions(), sha256="0")
SPACING_MM_KJI = (2.5, 1.625, 1.625)


def small_volume(seed: int = 0) -> CTVolume:
    """A chest of 24 x 32 x 40 voxels."""
    kji_to_lps = np.eye(4)
    kji_to_lps[:3, :3] = np.eye(3)[:, ::-1] * SPACING_MM_KJI
    kji_to_lps[:3, 3] = -30.5, -24.25, -100.0 - seed
    return CTVolume(chest_voxels(seed=seed), kji_to_lps)


def small_lungs() -> np.ndarray:
    lungs = np.zeros((24, 32, 40), np.uint8)
    lungs[4:20, 8:24, 4:16], lungs[4:20, 8:24, 24:36] = 2, 1
    return lungs


def small_case(plan, index: int) -> SyntheticCase:
    """Patient `index`, with `index` nodules; stands in for a whole synthetic patient."""
    rng = np.random.default_rng([plan.seed, index])
    nodules = tuple(SyntheticNodule((10.0 * n, 2.0, -80.0), 5.0 + 4 * n) for n in range(index))
    patient = SimpleNamespace(
        volume=small_volume(int(rng.integers(1000))), nodules=nodules, lungs=small_lungs(), record={"emphysema": True}
    )
    return SyntheticCase(patient, draw_truth(rng, nodules, emphysema=True))


def quick_work(path: Path, settings: Settings) -> CaseResult:
    """Read the scan and say something of it that depends on its voxels alone."""
    volume = read_ct(path)
    mean = float(volume.voxels.mean())
    nodules = [Nodule(rank, "detected", (mean, rank, 3.0), 5.0, logit=-rank / 3, scored=rank < 2) for rank in (1, 2)]
    return CaseResult(
        software={"name": "LungCancerDx", "version": "0"},
        model={"name": "stand-in", "sha256": "0", "preset": "DEFAULT", "outcome": "none", "trained_on": "nothing"},
        run={},
        input={"path": str(path)},
        case=Case(-mean / 2000, "nothing", "noisy-or", 0.01, None, 0, None, None, 1),
        lungs={"left_volume_ml": 1.0, "right_volume_ml": 2.0},
        nodules=tuple(nodules),
        timing_s={"total": time.time() % 60},
        warnings=("A warning.", "Another, with a comma."),
        volume=volume,
        lung_labels=small_lungs(),
        nodule_labels=small_lungs(),
    )


def slow_work(path: Path, settings: Settings) -> CaseResult:
    time.sleep(0.4)
    return quick_work(path, settings)


def note_share(path: Path) -> None:
    """Write down how many threads and which processors this process has; takes a while."""
    time.sleep(0.4)
    processors = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [os.getpid()]
    path.write_text(" ".join([f"OMP_NUM_THREADS={os.environ['OMP_NUM_THREADS']}", *map(str, processors)]))


def wait_long(path: Path) -> None:
    """Leave a mark and compute for a minute, without a pause for Python's signals."""
    Path(path).touch()
    until = time.monotonic() + 60
    while time.monotonic() < until:
        pass


def die_at(path: Path) -> None:
    """Kill this process at "deadly" and, the first time, at "once"; writes down how many tasks were in work."""
    at_work = path.with_name(f"{path.name}.at_work")
    at_work.touch()
    again = path.exists()
    with path.open("a") as file:
        file.write(str(len(list(path.parent.glob("*.at_work")))))
    time.sleep(0.2)
    at_work.unlink()
    if path.name == "deadly" or (path.name == "once" and not again):
        os.kill(os.getpid(), signal.SIGKILL)


def no_room(path: Path, settings: Settings) -> CaseResult:
    raise OutputError("The disk is full.")


def deadly_work(path: Path, settings: Settings) -> CaseResult:
    """Kills its process at the scan "deadly", as the system does where memory ends; elsewhere `quick_work`."""
    if path.stem == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return quick_work(path, settings)


def killed_once_work(path: Path, settings: Settings) -> CaseResult:
    """The first process that comes to scan2 is killed there; the scan's folder holds a mark then."""
    mark = path.parent.parent / "killed"
    if path.stem == "scan2" and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return quick_work(path, settings)
