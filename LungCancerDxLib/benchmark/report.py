"""A case run stage by stage, some times over, and what came of it."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..assembly import assemble, listed_nodules
from ..classification.scoring import score_case
from ..compute import Compute
from ..detection.detector import detect
from ..memory import PeakMemory
from ..models.bundle import Model
from ..networks.cnet import CENTRAL_CELLS
from ..parallel import available_processors
from ..preprocessing import preprocess
from ..progress import Progress, part, silent
from ..readers import read_ct
from ..result_folder import write_result
from ..segmentation import segment_nodules
from .machine import convolution_flop_per_s, copied_bytes_per_s, synchronise
from .operations import counting, crop_flop, detector_flop

_CONVOLUTIONS = (24, 128)


@dataclass(frozen=True)
class Stage:
    """One stage of a case.

    Parameters
    ----------
    seconds
        Of each run.
    peak_gb
        Resident memory at the most, None where it cannot be told.
    flop
        Operations of convolutions in one run.
    least_bytes
        What goes in and comes out, each read or written once: a stage without convolutions can do with no less.
    """

    seconds: list[float]
    peak_gb: float | None
    flop: float
    least_bytes: int

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Benchmark:
    """What a benchmark found.

    Parameters
    ----------
    model
        What it is and what it was trained on, in one line.
    stages
        By name, in order.
    box_kji
        Size of the lung box in working voxels.
    box_flop
        Operations of the detector over the box computed once.
    crop_share
        Operations of one of the classifier's crops over those of its whole map.
    convolution_flop_per_s
        Of single convolutions on this machine, by channels, in the same run.
    copied_bytes_per_s
        Read and written by one thread that copies memory, in the same run.
    """

    model: str
    machine: dict[str, Any]
    stages: dict[str, Stage]
    voxels: int
    box_kji: tuple[int, ...]
    box_flop: float
    crop_share: float
    convolution_flop_per_s: dict[int, float]
    copied_bytes_per_s: float

    @property
    def total_s(self) -> float:
        return sum(stage.median_s for stage in self.stages.values())

    @property
    def peak_gb(self) -> float | None:
        """Resident memory of all stages at the most."""
        peaks = [stage.peak_gb for stage in self.stages.values() if stage.peak_gb is not None]
        return max(peaks, default=None)

    @property
    def detection_over_box(self) -> float:
        """Operations executed over those of the box computed once; below one where parts are skipped."""
        return self.stages["detection"].flop / self.box_flop

    @property
    def detection_efficiency(self) -> float:
        """The detector's operations a second over the mean of the single convolutions'."""
        detection = self.stages["detection"]
        return detection.flop / detection.median_s / statistics.mean(self.convolution_flop_per_s.values())

    def to_json(self) -> dict[str, Any]:
        """All figures, also those that follow from others."""
        derived = ("total_s", "peak_gb", "detection_over_box", "detection_efficiency")
        return {**asdict(self), **{name: getattr(self, name) for name in derived}}


def benchmark(path: Path, model: Model, compute: Compute, repeat: int, progress: Progress = silent) -> Benchmark:
    """Run every stage of a case, from the files of the CT to those of the result, `repeat` times.

    Raises what reading and scoring raise.
    """
    seconds: dict[str, list[float]] = defaultdict(list)
    peaks: dict[str, float | None] = {}
    flop: dict[str, float] = {}
    ceilings: dict[int, list[float]] = defaultdict(list)

    def run(stage: str, work: Callable[[], Any]) -> Any:
        with PeakMemory() as memory, counting() as counted:
            start = time.perf_counter()
            result = work()
            synchronise(compute)
            seconds[stage].append(time.perf_counter() - start)
        peaks[stage] = memory.gb if memory.gb is None else max(memory.gb, peaks.get(stage) or 0.0)
        flop[stage] = counted.flop
        return result

    preset, no_points = model.preset, np.empty((0, 3))
    for n in range(repeat):
        report = part(progress, n / repeat, (n + 1) / repeat)
        report("reading", 0.0)
        volume = run("reading", lambda: read_ct(path))
        report("preprocessing", 0.1)
        scan = run("preprocessing", lambda: preprocess(volume, preset))  # noqa: B023 - called at once
        report("detection", 0.2)
        found = run("detection", lambda: detect(scan, model.detector, preset, compute))  # noqa: B023
        report("classification", 0.7)
        scored = run(
            "classification",
            lambda: score_case(scan, found.proposals, no_points, model.classifier, preset, compute),  # noqa: B023
        )
        report("single convolutions", 0.8)  # beside the stages they are compared with, as machines change their speed
        for channels in _CONVOLUTIONS:
            ceilings[channels].append(convolution_flop_per_s(channels, compute, repeat=2))
        report("segmentation", 0.9)
        nodules = listed_nodules(scan, found.proposals, no_points, scored)
        outlined = run("segmentation", lambda: segment_nodules(volume, scan.lungs, nodules))  # noqa: B023
        result = assemble(volume, scan, scored, outlined, model, compute, {}, ())
        with tempfile.TemporaryDirectory() as folder:
            run("writing", lambda: write_result(result, volume, Path(folder)))  # noqa: B023
            written_bytes = _size_on_disk(Path(folder))
    least_bytes = {
        "reading": _size_on_disk(path) + volume.voxels.nbytes,
        "preprocessing": volume.voxels.nbytes + scan.image.nbytes + scan.dilated.nbytes + scan.lungs.nbytes,
        "segmentation": volume.voxels.nbytes + scan.lungs.nbytes + outlined.labels.nbytes,
        "writing": scan.lungs.nbytes + outlined.labels.nbytes + written_bytes,
    }
    progress("done", 1.0)
    return Benchmark(
        model=result.model_words,
        machine={
            "processors": available_processors(),
            "device": compute.device.type,
            "precision": compute.precision,
            "torch": torch.__version__,
        },
        stages={
            name: Stage(times, peaks[name], flop[name], least_bytes.get(name, 0)) for name, times in seconds.items()
        },
        voxels=int(np.prod(volume.shape_kji)),
        box_kji=scan.image.shape,
        box_flop=detector_flop(preset, scan.image.shape),
        crop_share=crop_flop(preset, CENTRAL_CELLS) / crop_flop(preset),
        convolution_flop_per_s={channels: statistics.median(speeds) for channels, speeds in ceilings.items()},
        copied_bytes_per_s=copied_bytes_per_s(repeat),
    )


def _size_on_disk(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
