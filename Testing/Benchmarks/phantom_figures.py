"""Pictures of the phantom: its scans beside real ones, and the sizes and numbers of its nodules (the paper's Fig. 2).

    python -m Testing.Benchmarks.phantom_figures likeness CT ... --patients 3 --seed 21 --out likeness.png
    python -m Testing.Benchmarks.phantom_figures population --out population.png

Both need matplotlib.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.io import read_ct
from LungCancerDxLib.phantom.case import draw_truth, synthetic_case
from LungCancerDxLib.phantom.fields import Point
from LungCancerDxLib.phantom.nodules.nodule import SyntheticNodule
from LungCancerDxLib.phantom.nodules.population import POPULATIONS, Population, draw_nodules
from LungCancerDxLib.preprocessing import preprocess
from LungCancerDxLib.preset import DEFAULT
from LungCancerDxLib.report.plotting import pyplot
from LungCancerDxLib.volume import CTVolume

WINDOWS_HU = {"lung": (-600.0, 1500.0), "soft tissue": (40.0, 400.0)}  # centre and width
AXIAL_SHARES = (0.22, 0.45, 0.72)  # of the lungs' height, from below
CORONAL_SHARE, SAGITTAL_SHARE = 0.5, 0.25  # of the lungs' depth and width
LUNG_BINS_HU = np.arange(-1024.0, 200.0, 12.0)
BODY_BINS_HU = np.arange(-250.0, 450.0, 8.0)
BODY_ABOVE_HU = -300

PATIENTS, SEED, EMPHYSEMA_SHARE = 1500, 0, 0.3  # of the figure of the population
BIN_MM, UP_TO_MM = 2.0, 66.0
COLORS: dict[Population, str] = {"luna": "tab:blue", "dsb": "tab:orange"}
NAMES: dict[Population, str] = {"luna": "LUNA-like", "dsb": "DSB-like"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the figure asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m Testing.Benchmarks.phantom_figures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    figures = parser.add_subparsers(dest="figure", required=True)
    likeness = figures.add_parser("likeness", help="synthetic patients beside CTs")
    likeness.add_argument("ct", metavar="CT", type=Path, nargs="*")
    likeness.add_argument("--patients", metavar="N", type=int, default=3, help="synthetic patients (default 3)")
    likeness.add_argument("--seed", metavar="S", type=int, default=0, help="of the patients (default 0)")
    population = figures.add_parser("population", help="sizes and numbers of synthetic nodules, as in Fig. 2")
    for figure in (likeness, population):
        figure.add_argument("--out", metavar="FILE", type=Path, required=True, help="a .png, .pdf or .svg file")
    parsed = parser.parse_args(arguments)
    if parsed.figure == "likeness":
        patients = (synthetic_case(parsed.seed, index).patient for index in range(parsed.patients))
        draw_likeness([patient.volume for patient in patients], [read_ct(path) for path in parsed.ct], parsed.out)
    else:
        draw_population_figure(parsed.out)


def draw_likeness(synthetic: Sequence[CTVolume], real: Sequence[CTVolume], path: Path) -> None:
    """Draw a grid of slices, a row for each scan, and below it histograms of HU within lungs and body, as a picture.

    Parameters
    ----------
    synthetic, real
        Scans in any orientation, with lungs that preprocessing finds.
    path
        The file, of a format that matplotlib knows by its ending.

    Raises
    ------
    UsageError
        Where there is no scan, or matplotlib is not installed.
    NoLungsError
        Where a scan holds no lungs.
    """
    scans = [(volume, f"synthetic {n}") for n, volume in enumerate(synthetic, 1)]
    scans += [(volume, f"real {n}") for n, volume in enumerate(real, 1)]
    if not scans:
        raise UsageError("There is no scan to draw; give at least one synthetic or real scan.")
    columns = len(WINDOWS_HU) * (len(AXIAL_SHARES) + 2)
    plt = pyplot()
    figure = plt.figure(figsize=(2.3 * columns, 1.9 * len(scans) + 3.6), layout="constrained")
    grid = figure.add_gridspec(len(scans) + 1, columns, height_ratios=[1.9] * len(scans) + [3.6])
    half = columns // 2
    of_lungs, of_body = figure.add_subplot(grid[-1, :half]), figure.add_subplot(grid[-1, half:])
    for row, (scan, name) in enumerate(scans):
        volume = scan.canonical()
        lungs = preprocess(volume, DEFAULT).lungs.labels > 0
        views = _views(volume, lungs)
        for window_number, (center, width) in enumerate(WINDOWS_HU.values()):
            for column, (view, aspect) in enumerate(views):
                axes = figure.add_subplot(grid[row, window_number * len(views) + column])
                low, high = center - width / 2, center + width / 2
                axes.imshow(view, cmap="gray", vmin=low, vmax=high, aspect=aspect, interpolation="nearest")
                axes.set_xticks([])
                axes.set_yticks([])
                if column == 0 and window_number == 0:
                    axes.set_ylabel(name)
        style = "-" if name.startswith("synthetic") else "--"
        voxels = volume.voxels
        of_lungs.plot(*_histogram(voxels[lungs], LUNG_BINS_HU), style, label=name)
        of_body.plot(*_histogram(voxels[(voxels > BODY_ABOVE_HU) & ~lungs], BODY_BINS_HU), style, label=name)
    for axes, title in ((of_lungs, "inside the lungs"), (of_body, "in the rest of the body")):
        axes.set_title(title)
        axes.set_xlabel("HU")
        axes.set_ylabel("share per HU")
        axes.set_yscale("log" if axes is of_lungs else "linear")
    of_lungs.legend()
    figure.savefig(path, dpi=80)
    plt.close(figure)


def _views(volume: CTVolume, lungs: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Axial, coronal and sagittal slices through the lungs, and each one's aspect ratio."""
    voxels, (k_mm, j_mm, i_mm) = volume.voxels, volume.spacing_mm_kji.tolist()

    def at(axis: int, share: float) -> int:
        there = np.flatnonzero(lungs.any(axis=tuple(other for other in range(3) if other != axis)))
        return round(float(there[0] + share * (there[-1] - there[0])))

    axial = [(voxels[at(0, share)], j_mm / i_mm) for share in AXIAL_SHARES]
    coronal = (voxels[::-1, at(1, CORONAL_SHARE)], k_mm / i_mm)
    sagittal = (voxels[::-1, :, at(2, SAGITTAL_SHARE)], k_mm / j_mm)
    return [*axial, coronal, sagittal]


def _histogram(values: np.ndarray, bins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    share, edges = np.histogram(values, bins, density=True)
    return (edges[1:] + edges[:-1]) / 2, share


def draw_population_figure(path: Path) -> None:
    """Three panels of what `PATIENTS` drawn patients of each set have.

    (a) nodule diameters in both sets (Fig. 2a), (b) the largest nodule of DSB-like patients with and without cancer, by
    their drawn labels (Fig. 2b; those without nodules are left out), (c) nodules per patient.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    """
    plot = pyplot()
    rng = np.random.default_rng(SEED)
    drawn = {name: [draw_nodules(rng, PlainLungs(), population=name) for _ in range(PATIENTS)] for name in POPULATIONS}
    figure, (sizes, largest, counts) = plot.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
    bins = np.arange(2.0, UP_TO_MM + BIN_MM, BIN_MM)
    most = max(len(patient) for patients in drawn.values() for patient in patients)
    for number, (name, patients) in enumerate(drawn.items()):
        diameters = [nodule.diameter_mm for patient in patients for nodule in patient]
        label = f"{NAMES[name]}: {len(diameters)} nodules, mean {np.mean(diameters):.2f} mm"
        sizes.hist(diameters, bins, density=True, histtype="step", linewidth=2, color=COLORS[name], label=label)
        shares = np.bincount([len(patient) for patient in patients], minlength=most + 1) / len(patients)
        counts.bar(np.arange(most + 1) + 0.4 * (number - 0.5), shares, 0.4, color=COLORS[name], label=NAMES[name])
    _draw_largest(largest, bins, drawn["dsb"], rng)
    sizes.set(title="(a) synthetic nodules", xlabel="diameter, mm", ylabel="share per mm")
    largest.set(title="(b) largest nodule, DSB-like", xlabel="diameter, mm", ylabel="share per mm")
    counts.set(title="(c) nodules per patient", xlabel="nodules", ylabel="share of patients")
    for axes in (sizes, largest, counts):
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=100)
    plot.close(figure)


def _draw_largest(
    axes: Any, bins: np.ndarray, patients: list[tuple[SyntheticNodule, ...]], rng: np.random.Generator
) -> None:
    by_label: dict[bool, list[float]] = {True: [], False: []}
    for patient in patients:
        truth = draw_truth(rng, patient, emphysema=bool(rng.random() < EMPHYSEMA_SHARE))
        if patient:
            by_label[truth.label].append(max(nodule.diameter_mm for nodule in patient))
    for label, name, color in ((True, "cancer", "tab:red"), (False, "healthy", "tab:green")):
        legend = f"{name}: {len(by_label[label])} patients, mean {np.mean(by_label[label]):.1f} mm"
        axes.hist(by_label[label], bins, density=True, histtype="step", linewidth=2, color=color, label=legend)


def _lines(start: Point, ends: list[Point], radius_mm: float) -> np.ndarray:
    """(M, 4) points along straight lines in both lungs."""
    way = np.linspace(0, 1, 12)[:, None]
    points = np.concatenate([start + way * np.subtract(end, start) for end in ends])
    both = np.concatenate([points * (side, 1.0, 1.0) for side in (-1.0, 1.0)])
    return np.column_stack([both, np.full(len(both), radius_mm)])


_CENTERS, _HALF_AXES = ((-75.0, 0.0, -30.0), (75.0, 0.0, -30.0)), (52.0, 78.0, 118.0)
_UPPER_ABOVE_MM = -10.0
_VESSEL_ENDS: list[Point] = [(95.0, y, z) for y in (-45.0, -15.0, 15.0, 45.0) for z in (-90.0, -30.0, 30.0)]
_VESSELS = _lines((30.0, 5.0, -20.0), _VESSEL_ENDS, 2.0)
_BRONCHI = _lines((26.0, 5.0, -20.0), [(48.0, 5.0, -30.0)], 6.0)


@dataclass(frozen=True)
class PlainLungs:
    """Lungs of an adult's size and no detail; each has a fan of straight vessels and a short bronchus."""

    low_lps_mm: Point = (-130.0, -80.0, -150.0)
    high_lps_mm: Point = (130.0, 80.0, 90.0)
    vessels: np.ndarray = field(default_factory=lambda: _VESSELS)
    bronchi: np.ndarray = field(default_factory=lambda: _BRONCHI)

    def depth_mm(self, points: np.ndarray) -> np.ndarray:
        points = np.asarray(points, dtype=float)
        reach = [np.linalg.norm((points - center) / _HALF_AXES, axis=1) for center in _CENTERS]
        return (1 - np.min(reach, axis=0)) * min(_HALF_AXES)

    def upper(self, points: np.ndarray) -> np.ndarray:
        return np.asarray(points, dtype=float)[:, 2] > _UPPER_ABOVE_MM


if __name__ == "__main__":
    main()
