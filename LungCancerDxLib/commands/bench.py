"""`lungcancerdx bench`: where the time of a case goes."""

from __future__ import annotations

import argparse
import json
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
    model = find_model(arguments.model)
    compute = choose_compute(arguments.device, arguments.precision, arguments.max_memory, model.preset)
    progress = stop.watched(make_progress(arguments.progress))
    start_s = _process_start_s(arguments.repeat)
    found = benchmark(arguments.ct, model, compute, arguments.repeat, progress)
    if arguments.json is not None:
        try:
            arguments.json.write_text(json.dumps({"start_s": start_s, **found.to_json()}, indent=2) + "\n")
        except OSError as error:
            raise OutputError(f"{arguments.json} could not be written ({error.strerror}).") from error
    return table(found, start_s)


def _process_start_s(repeat: int) -> float:
    """The shortest time that a new process takes until it could begin to work."""
    seconds = []
    for _ in range(min(repeat, 3)):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", _START], check=True)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def table(found: Benchmark, start_s: float) -> str:
    """The figures in words and a table."""
    machine = found.machine
    lines = [
        "",
        f"{machine['processors']} processors, {machine['device']}, {machine['precision']}, torch {machine['torch']}",
        f"{found.voxels / 1e6:.1f} million voxels; lung box {' x '.join(map(str, found.box_kji))} working voxels",
        "",
        "stage            median s    least s   peak GB      GFLOP   GFLOP/s        MB      MB/s",
        f"process start  {start_s:10.2f} {start_s:10.2f}",
    ]
    for name, stage in found.stages.items():
        peak = "" if stage.peak_gb is None else f"{stage.peak_gb:.2f}"
        work = _rate(stage.flop / 1e9, stage.median_s, (10, 9))
        moved = _rate(stage.least_bytes / 1e6, stage.median_s, (9, 9))
        lines.append(f"{name:<14} {stage.median_s:10.2f} {min(stage.seconds):10.2f} {peak:>9} {work} {moved}".rstrip())
    lines += [
        f"sum            {start_s + found.total_s:10.2f}",
        "",
        *(
            f"one {channels}-to-{channels}-channel convolution: {speed / 1e9:.0f} GFLOP/s"
            for channels, speed in found.convolution_flop_per_s.items()
        ),
        f"one thread that copies memory: {found.copied_bytes_per_s / 1e6:.0f} MB/s read and written",
        f"detection over the mean of both: {found.detection_efficiency:.2f} (wanted: at least 0.75)",
        f"operations of the detection over the lung box computed once: {found.detection_over_box:.3f} (at most 1.0)",
        f"operations of a crop over its whole map: {found.crop_share:.3f} (at most 0.56)",
    ]
    return "\n".join(lines)


def _rate(amount: float, seconds: float, widths: tuple[int, int]) -> str:
    """An amount and the same a second; blank where there is none."""
    first, second = widths
    return f"{amount:{first}.0f} {amount / seconds:{second}.0f}" if amount else " " * (first + 1 + second)
