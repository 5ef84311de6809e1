"""The steps of the preprocessing on real slices: the paper's Figs. 3 and 4."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..errors import UsageError
from ..names import LEFT, RIGHT, SIDES, UNKNOWN_SIDE
from ..preprocessing import preprocess
from ..preprocessing.alignment import aligned_to_patient, labels_onto
from ..preprocessing.hull import dilate_lungs, hull_lung
from ..preprocessing.lung_mask import air_components, bounding_box, lung_components
from ..preprocessing.lungs import find_lungs
from ..preprocessing.working_grid import mask_grey, to_grey
from ..preset import Preset
from ..volume import CTVolume
from .plotting import LUNG_WINDOW_HU, figure_file

_PANELS = (
    "(a) CT",
    "(b) air in each slice",
    "(c) lungs (published rules)",
    "(d) left and right",
    "(e) convex hulls",
    "(f) dilated, combined",
    "(g) masked, 8 bit",
    "(h) cropped, no bone",
)
_HEIGHTS = (0.2, 0.45, 0.75)  # of the lungs, from their base
_COLOURS = {LEFT: (1.0, 0.55, 0.0), RIGHT: (0.1, 0.5, 1.0), UNKNOWN_SIDE: (0.6, 0.6, 0.6)}


def save_step_figure(volume: CTVolume, preset: Preset, path: Path, slices: Sequence[int] | None = None) -> None:
    """Draw every step of section III-B on axial slices, seen from the feet, the patient's right on the left.

    Parameters
    ----------
    slices
        Slice numbers from the feet in canonical order; by default one half-way up the lungs and one low in them, where
        slices are crescents whose hull is refused.

    Raises
    ------
    UsageError
        For slices outside the scan.
    NoLungsError
    """
    ct, within = aligned_to_patient(volume.canonical())
    spacing = ct.spacing_mm_kji
    air = air_components(ct.voxels, spacing, preset)
    published = lung_components(air, spacing, preset)
    lungs = find_lungs(ct.voxels, spacing, preset)
    if within is not None:
        lungs.labels[~within] = 0
    hulls = [hull_lung(lungs.labels == label, preset) for label in SIDES]
    hull_labels = np.select(hulls, list(SIDES), 0).astype(np.uint8)
    dilated = dilate_lungs(hull_labels > 0, spacing, preset)
    grey = to_grey(ct.voxels, preset)
    masked = np.where(dilated, grey, np.uint8(preset.tissue_value))
    final = mask_grey(grey, dilated, lungs.mask, preset)
    crop = bounding_box(lungs.mask)[1:]

    if slices is None:
        occupied = np.flatnonzero(lungs.labels.any(axis=(1, 2)))
        slices = [int(occupied[int(len(occupied) * share)]) for share in (0.55, 0.15)]
    if any(not 0 <= k < len(air) for k in slices):
        raise UsageError(f"Slices {list(slices)} are not all within the scan's 0..{len(air) - 1}.")
    steps = (grey, air, published, lungs.labels, hull_labels, dilated, masked, final)
    with figure_file(path, len(slices), 8, dpi=100, figsize=(24, 3.4 * len(slices)), squeeze=False) as rows:
        rows[0, 0].figure.suptitle(f"Preprocessing (III-B), preset {preset.name}", fontsize=13)
        for axes_row, k in zip(rows, slices, strict=True):
            for axes, title, step in zip(axes_row, _PANELS, steps, strict=True):
                shown = step[k]
                if step is final:
                    margins = [round(preset.crop_margin_low / s) for s in spacing[1:]]
                    box = [slice(max(c.start - m, 0), c.stop + m) for c, m in zip(crop, margins, strict=True)]
                    shown = shown[tuple(box)]
                top = (
                    2 if step.dtype == np.uint8 and step.max() <= UNKNOWN_SIDE else 255 if step.dtype == np.uint8 else 1
                )
                axes.imshow(
                    shown, cmap="gray", vmin=0, vmax=top, aspect=spacing[1] / spacing[2], interpolation="nearest"
                )
                axes.set_title(title, fontsize=11)
                axes.set_axis_off()
            axes_row[0].text(0, -0.03, f"slice {k}", transform=axes_row[0].transAxes, va="top", fontsize=9)


def save_mask_figure(scans: Sequence[Path], read: Callable[[Path], CTVolume], preset: Preset, path: Path) -> None:
    """A row per scan: three axial slices and a coronal one with both lungs and the border of the dilated mask.

    Scans are read one at a time. Axial slices are seen from the feet, the patient's right on the left; volumes of the
    lungs stand in the title.
    """
    with figure_file(path, len(scans), 4, dpi=60, figsize=(18, 4.2 * len(scans)), squeeze=False) as rows:
        for axes_row, scan_path in zip(rows, scans, strict=True):
            volume = read(scan_path)
            scan = preprocess(volume, preset)
            canonical = volume.canonical()
            labels = volume.axis_order().apply(scan.lungs.labels)
            dilated = labels_onto(scan.working.dilated.astype(np.uint8), scan.working.kji_to_lps, canonical)
            spacing = canonical.spacing_mm_kji
            occupied = np.flatnonzero(labels.any(axis=(1, 2)))
            planes = [(0, int(occupied[int(len(occupied) * height)])) for height in _HEIGHTS]
            planes.append((1, int(np.argmax((labels > 0).sum(axis=(0, 2))))))
            for axes, (axis, index) in zip(axes_row, planes, strict=True):
                hu, lungs, border = (array.take(index, axis=axis) for array in (canonical.voxels, labels, dilated))
                aspect = spacing[1] / spacing[2] if axis == 0 else spacing[0] / spacing[2]
                origin = "upper" if axis == 0 else "lower"
                low, high = LUNG_WINDOW_HU
                shown = np.repeat(np.clip((hu - low) / (high - low), 0, 1)[..., None], 3, axis=2)
                for label, colour in _COLOURS.items():
                    shown[lungs == label] = 0.6 * shown[lungs == label] + 0.4 * np.array(colour)
                axes.imshow(shown, aspect=aspect, origin=origin)
                axes.contour(border, [0.5], colors="yellow", linewidths=0.8)
                axes.set_title(f"slice {index}" if axis == 0 else f"coronal {index}", fontsize=9)
                axes.set_axis_off()
            litres = {side: scan.lungs.volume_ml(label) / 1e3 for label, side in SIDES.items()}
            shown_l = (f"{side} {volume:.2f} L" for side, volume in litres.items() if volume)
            title = f"{scan_path.stem}: {', '.join(shown_l)}"
            axes_row[0].text(0, 1.12, title, transform=axes_row[0].transAxes, fontsize=11)
