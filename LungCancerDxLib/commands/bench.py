"""`lungcancerdx bench`: where the time of a case goes."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

from ..benchmark import Benchmark, benchmark
from ..compute import choose_compute
from ..errors import OutputError
from ..interrupt import Stop
from ..models.locate import find_model
from ..terminal import make_progress

_START = "import LungCancerDxLib.pipeline, LungCancerDxLib.readers"


def run(arguments: argparse.Namespace, stop: Stop) -> str:
    """Do what the arguments of `bench` say; returns the words for the terminal."""
    began = time.perf_counter()
    model = find_model(arguments.model)
    before_s = {"model": [time.perf_counter() - began]}
    compute = choose_compute(arguments.device, arguments.precision, arguments.max_memory, model.preset)
    progress = stop.watched(make_progress(arguments.progress))
    before_s = {"process start": _process_starts_s(arguments.repeat), **before_s}
    found = benchmark(arguments.ct, model, compute, arguments.repeat, progress)
    if arguments.json is not None:
        try:
            arguments.json.write_text(json.dumps({"before_s": before_s, **found.to_json()}, indent=2) + "\n")
        except OSError as error:
            raise OutputError(f"{arguments.json} could not be written ({error.strerror}).") from error
    return table(found, before_s)


def _process_starts_s(repeat: int) -> list[float]:
    """How long new processes take until they could begin to work."""
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", _START], check=True)
        seconds.append(time.perf_counter() - start)
    return seconds


def table(found: Benchmark, before_s: dict[str, list[float]]) -> str:
    """The figures in words and a table; `before_s` are the seconds of what comes before the stages, of each run."""
    machine, medians_s = found.machine, {name: statistics.median(seconds) for name, seconds in before_s.items()}
    lines = [
        "",
        f"{machine['processors']} processors, {machine['device']}, {machine['precision']}, torch {machine['torch']}",
        f"{found.voxels / 1e6:.1f} million voxels; lung box {' x '.join(map(str, found.box_kji))} working voxels",
        "",
        "stage            median s    least s   peak GB      GFLOP   GFLOP/s        MB      MB/s",
        *(f"{name:<14} {medians_s[name]:10.2f} {min(seconds):10.2f}" for name, seconds in before_s.items()),
    ]
    for name, stage in found.stages.items():
        peak = "" if stage.peak_gb is None else f"{stage.peak_gb:.2f}"
        work = _rate(stage.flop / 1e9, stage.median_s, (10, 9))
        moved = _rate(stage.least_bytes / 1e6, stage.median_s, (9, 9))
        lines.append(f"{name:<14} {stage.median_s:10.2f} {min(stage.seconds):10.2f} {peak:>9} {work} {moved}".rstrip())
    lines += [
        f"sum            {sum(medians_s.values()) + found.total_s:10.2f}  (wanted of LIDC-IDRI-0001 on 2 cores: 20)",
        "",
        *(
            f"one {channels}-to-{channels}-channel convolution: {speed / 1e9:.0f} GFLOP/s"
            for channels, speed in found.convolution_flop_per_s.items()
        ),
        f"one thread that copies memory: {found.copied_bytes_per_s / 1e6:.0f} MB/s read and written",
        f"detection over the mean of both: {found.detection_efficiency:.2f} "
        f"(wanted: at least 0.75{_missed(0.75 - found.detection_efficiency)})",
        f"operations of the detection over the lung box computed once: {found.detection_over_box:.3f} "
        + _at_most(1.0, found.detection_over_box),
        f"operations of a crop over its whole map: {found.crop_share:.3f} {_at_most(0.56, found.crop_share)}",
        *([] if found.peak_gb is None else [f"peak memory: {found.peak_gb:.2f} GB {_at_most(4, found.peak_gb)}"]),
        "",
        found.model,
    ]
    return "\n".join(lines)


def _at_most(wanted: float, got: float) -> str:
    return f"(at most {wanted}{_missed(got - wanted)})"


def _missed(by: float) -> str:
    """Words on a figure that is not as good as wanted."""
    return f"; missed by {by:.3f}" if by > 0 else ""


def _rate(amount: float, seconds: float, widths: tuple[int, int]) -> str:
    """An amount and the same a second; blank where there is none."""
    first, second = widths
    return f"{amount:{first}.0f} {amount / seconds:{second}.0f}" if amount else " " * (first + 1 + second)
