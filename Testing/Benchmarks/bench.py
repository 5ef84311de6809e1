"""Where the time of a case goes: `python -m Testing.Benchmarks.bench CT [--repeat N] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from LungCancerDxLib.cli.arguments import count
from LungCancerDxLib.cli.terminal import make_progress
from LungCancerDxLib.io.result_folder import write_result
from LungCancerDxLib.models.bundle import Model
from LungCancerDxLib.models.find import find_model
from LungCancerDxLib.networks.cnet import CENTRAL_CELLS
from LungCancerDxLib.networks.nnet import STRIDE, NNet
from LungCancerDxLib.options import ScoreOptions, add_model_options
from LungCancerDxLib.pipeline import score_file
from LungCancerDxLib.preset import Preset
from LungCancerDxLib.runtime.device import Compute, choose_compute, exact_arithmetic
from LungCancerDxLib.runtime.memory import PeakMemory
from LungCancerDxLib.runtime.progress import Progress, available_processors, part, silent

_SHAPES = {24: (32, 208, 208), 128: (48, 52, 52)}  # maps as large as those that these channels have in N-Net
_COPIED_BYTES = 200_000_000


def convolution_flop_per_s(channels: int, compute: Compute, repeat: int) -> float:
    """Operations a second of one 3x3x3 convolution from and to `channels`, the median of some runs."""
    shape = _SHAPES[channels]
    layer = nn.Conv3d(channels, channels, 3, padding=1)
    layer = layer.to(compute.device, compute.dtype, memory_format=torch.channels_last_3d)
    image = torch.rand(1, channels, *shape, device=compute.device).to(compute.dtype)
    image = image.contiguous(memory_format=torch.channels_last_3d)
    flop = 2.0 * image[0, 0].numel() * layer.weight.numel()
    with exact_arithmetic():
        return flop / statistics.median(_seconds(layer, image, compute) for _ in range(repeat + 1))


def copied_bytes_per_s(repeat: int) -> float:
    """Bytes a second that one thread reads and writes in copying memory, the median of some runs."""
    source = np.ones(_COPIED_BYTES, np.uint8)
    target = np.ones(_COPIED_BYTES, np.uint8)
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        np.copyto(target, source)
        seconds.append(time.perf_counter() - start)
    return 2 * _COPIED_BYTES / statistics.median(seconds)


def _seconds(layer: nn.Module, image: torch.Tensor, compute: Compute) -> float:
    start = time.perf_counter()
    layer(image)
    synchronise(compute)
    return time.perf_counter() - start


def synchronise(compute: Compute) -> None:
    """Wait until a device has done what it was given."""
    if compute.device.type == "cuda":
        torch.cuda.synchronize()


_CONVOLUTIONS = (nn.Conv3d, nn.ConvTranspose3d)


@dataclass
class Counted:
    """flop: operations so far, 2 a multiply-add. seconds: nothing is timed here; whoever counts does."""

    flop: float = 0.0


@contextmanager
def counting() -> Iterator[Counted]:
    """Count the operations of every 3D convolution that runs in the block, in any network."""
    counted = Counted()

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        if isinstance(module, _CONVOLUTIONS):
            places = inputs[0] if isinstance(module, nn.ConvTranspose3d) else output
            counted.flop += 2.0 * places[0, 0].numel() * len(places) * module.weight.numel()

    handle = register_module_forward_hook(count)
    try:
        yield counted
    finally:
        handle.remove()


def detector_flop(preset: Preset, shape_kji: tuple[int, ...]) -> float:
    """Operations of N-Net over a box of voxels, each computed once and nothing beside it."""
    size = 8 * STRIDE
    return _flop_of_cube(preset, size, None) / size**3 * float(np.prod(shape_kji))


def crop_flop(preset: Preset, central: int | None = None) -> float:
    """Operations of C-Net's backbone over one crop: the whole map, or its central cells only."""
    return _flop_of_cube(preset, preset.crop_size, central)


def _flop_of_cube(preset: Preset, size: int, central: int | None) -> float:
    """Counted on tensors without content."""
    with torch.device("meta"), counting() as counted:
        net = NNet(preset).eval()
        image, place = torch.empty(1, 1, *(size,) * 3), torch.empty(1, 3, *(size // STRIDE,) * 3)
        features = net.features(image, place, central)
        if central is None:
            net.head(features)
    return counted.flop


_CHANNELS = (24, 128)


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


class _Measured:
    """Observes the stages of cases: seconds of each run, peak memory, operations, and what the last run gave."""

    def __init__(self, compute: Compute) -> None:
        self._compute = compute
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.peaks: dict[str, float | None] = {}
        self.flop: dict[str, float] = {}
        self.results: dict[str, Any] = {}

    def __call__(self, stage: str, work: Callable[[], Any]) -> Any:
        with PeakMemory() as memory, counting() as counted:
            start = time.perf_counter()
            result = self.results[stage] = work()
            synchronise(self._compute)
            self.seconds[stage].append(time.perf_counter() - start)
        self.peaks[stage] = memory.gb if memory.gb is None else max(memory.gb, self.peaks.get(stage) or 0.0)
        self.flop[stage] = counted.flop
        return result


def benchmark(path: Path, model: Model, options: ScoreOptions, repeat: int, progress: Progress = silent) -> Benchmark:
    """Run every stage of a case, from the files of the CT to those of the result, `repeat` times.

    Raises what reading and scoring raise.
    """
    compute = choose_compute(options.device, options.precision, options.max_memory_gb, model.preset)
    measured, ceilings = _Measured(compute), defaultdict[int, list[float]](list)
    for n in range(repeat):
        result = score_file(
            path,
            options,
            model=model,
            progress=part(progress, n / repeat, (n + 0.9) / repeat),
            observe=measured,
        )
        for channels in _CHANNELS:  # beside the stages they are compared with, as machines change their speed
            ceilings[channels].append(convolution_flop_per_s(channels, compute, repeat=2))
        with tempfile.TemporaryDirectory() as folder:
            measured("writing", lambda: write_result(result, result.volume, Path(folder)))  # noqa: B023 - called at once
            written_bytes = _size_on_disk(Path(folder))
    volume, preprocessed, outlined = (measured.results[stage] for stage in ("reading", "preprocessing", "segmentation"))
    scan, lungs_bytes = preprocessed.working, preprocessed.lungs.labels.nbytes
    least_bytes = {
        "reading": _size_on_disk(path) + volume.voxels.nbytes,
        "preprocessing": volume.voxels.nbytes + scan.image.nbytes + scan.dilated.nbytes + lungs_bytes,
        "segmentation": volume.voxels.nbytes + lungs_bytes + outlined.labels.nbytes,
        "writing": lungs_bytes + outlined.labels.nbytes + written_bytes,
    }
    progress("done", 1.0)
    return Benchmark(
        model=result.model_description,
        machine={"processors": available_processors(), **result.run},
        stages={
            name: Stage(times, measured.peaks[name], measured.flop[name], least_bytes.get(name, 0))
            for name, times in measured.seconds.items()
        },
        voxels=int(np.prod(volume.shape_kji)),
        box_kji=scan.image.shape,
        box_flop=detector_flop(model.preset, scan.image.shape),
        crop_share=crop_flop(model.preset, CENTRAL_CELLS) / crop_flop(model.preset),
        convolution_flop_per_s={channels: statistics.median(speeds) for channels, speeds in ceilings.items()},
        copied_bytes_per_s=copied_bytes_per_s(repeat),
    )


def _size_on_disk(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


__all__ = ["Benchmark", "benchmark"]


_START = "import LungCancerDxLib.pipeline"


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


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and keep the figures where asked to."""
    parser = argparse.ArgumentParser(prog="python -m Testing.Benchmarks.bench", description=__doc__)
    parser.add_argument("ct", metavar="CT", type=Path)
    parser.add_argument("--repeat", metavar="N", type=count, default=5, help="runs of each stage (default 5)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures to a file too")
    add_model_options(parser)
    parsed = parser.parse_args(arguments)
    began = time.perf_counter()
    model = find_model(parsed.model)
    model_s = time.perf_counter() - began
    before_s = {"process start": _process_starts_s(parsed.repeat), "model": [model_s]}
    found = benchmark(parsed.ct, model, ScoreOptions.from_arguments(parsed), parsed.repeat, make_progress("bar"))
    if parsed.json is not None:
        parsed.json.write_text(json.dumps({"before_s": before_s, **found.to_json()}, indent=2) + "\n")
    print(table(found, before_s))


if __name__ == "__main__":
    main()
