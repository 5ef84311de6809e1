"""The lung masks of several scans, for a person to judge at a glance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..preprocessing import LEFT, RIGHT, preprocess
from ..preprocessing.alignment import labels_onto
from ..preset import Preset
from ..volume import CTVolume
from .plotting import pyplot

_LUNG_WINDOW_HU = (-1350, 150)
_HEIGHTS = (0.2, 0.45, 0.75)  # of the lungs, from their base
_COLOURS = {LEFT: (1.0, 0.55, 0.0), RIGHT: (0.1, 0.5, 1.0)}


def save_mask_figure(scans: Sequence[Path], read: Callable[[Path], CTVolume], preset: Preset, path: Path) -> None:
    """A row per scan: three axial slices and a coronal one with both lungs and the border of the dilated mask.

    Scans are read one at a time. Axial slices are seen from the feet, the patient's right on the left; volumes of the
    lungs stand in the title.
    """
    plot = pyplot()
    figure, rows = plot.subplots(len(scans), 4, figsize=(18, 4.2 * len(scans)), squeeze=False)
    for axes_row, scan_path in zip(rows, scans, strict=True):
        volume = read(scan_path)
        scan = preprocess(volume, preset)
        canonical = volume.canonical()
        labels = volume.axis_order().apply(scan.lungs)
        dilated = labels_onto(scan.dilated.astype(np.uint8), scan.kji_to_lps, canonical)
        spacing = canonical.spacing_mm_kji
        occupied = np.flatnonzero(labels.any(axis=(1, 2)))
        planes = [(0, int(occupied[int(len(occupied) * height)])) for height in _HEIGHTS]
        planes.append((1, int(np.argmax((labels > 0).sum(axis=(0, 2))))))
        for axes, (axis, index) in zip(axes_row, planes, strict=True):
            hu, lungs, border = (array.take(index, axis=axis) for array in (canonical.voxels, labels, dilated))
            aspect = spacing[1] / spacing[2] if axis == 0 else spacing[0] / spacing[2]
            origin = "upper" if axis == 0 else "lower"
            low, high = _LUNG_WINDOW_HU
            shown = np.repeat(np.clip((hu - low) / (high - low), 0, 1)[..., None], 3, axis=2)
            for label, colour in _COLOURS.items():
                shown[lungs == label] = 0.6 * shown[lungs == label] + 0.4 * np.array(colour)
            axes.imshow(shown, aspect=aspect, origin=origin)
            axes.contour(border, [0.5], colors="yellow", linewidths=0.8)
            axes.set_title(f"slice {index}" if axis == 0 else f"coronal {index}", fontsize=9)
            axes.set_axis_off()
        litres = [(labels == label).sum() * np.prod(spacing) / 1e6 for label in (LEFT, RIGHT)]
        title = f"{scan_path.stem}: left {litres[0]:.2f} L, right {litres[1]:.2f} L"
        axes_row[0].text(0, 1.12, title, transform=axes_row[0].transAxes, fontsize=11)
    figure.tight_layout()
    figure.savefig(path, dpi=60)
    plot.close(figure)
