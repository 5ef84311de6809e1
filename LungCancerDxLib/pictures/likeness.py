"""Synthetic scans beside real ones: slices in the lung and the soft-tissue window, and histograms of their HU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import UsageError
from ..preprocessing import preprocess
from ..preset import DEFAULT
from ..volume import CTVolume
from .plotting import pyplot

WINDOWS_HU = {"lung": (-600.0, 1500.0), "soft tissue": (40.0, 400.0)}  # centre and width
AXIAL_SHARES = (0.22, 0.45, 0.72)  # of the lungs' height, from below
CORONAL_SHARE, SAGITTAL_SHARE = 0.5, 0.25  # of the lungs' depth and width
LUNG_BINS_HU = np.arange(-1024.0, 200.0, 12.0)
BODY_BINS_HU = np.arange(-250.0, 450.0, 8.0)
BODY_ABOVE_HU = -300


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
        lungs = preprocess(volume, DEFAULT).lungs > 0
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
