"""What a person looks at first: the nodules that count or were asked about in three planes, their places, the score."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from ..assessment.reported import as_reported
from ..case import CaseResult, Nodule
from ..names import OUTCOME_REMARKS, RESEARCH_USE_ONLY, figure_text
from ..volume import CTVolume, world_to_index
from .plotting import LUNG_WINDOW_HU, pyplot

BACKGROUND, TEXT, OUTLINE = "#111417", "#e8eaed", "#ffb000"
_BAR = "#3b93ff"  # seen on lung and on tissue

PLANES = {
    "axial": ((1, 0, 0), (0, 1, 0)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
}
"""The two axes of each plane in LPS: to the right and downwards in the picture, as in Slicer's slice views."""

_UNKNOWN = "not measured"
_HALF_WIDTH_MM, _HALF_WIDTH_STEPS = 30.0, 60
_OF_DIAMETER = 0.75  # half the width at least: a mass is seen whole


def draw_plane(
    axes: Any,
    volume: CTVolume,
    mask: np.ndarray | None,
    nodule: Nodule,
    directions: tuple[tuple[float, float, float], tuple[float, float, float]],
) -> None:
    """Square of the CT in a lung window around a nodule, 60 mm or what shows it whole, with a 10 mm bar.

    Parameters
    ----------
    mask
        (K, J, I) bool on the CT's own grid, outlined where the plane cuts it; None for no outline.
    directions
        One of `PLANES`.
    """
    right, down = (np.array(direction, dtype=float) for direction in directions)
    half_width_mm = max(_HALF_WIDTH_MM, _OF_DIAMETER * (nodule.diameter_mm or 0.0))
    offsets_mm = np.linspace(-half_width_mm, half_width_mm, 2 * _HALF_WIDTH_STEPS + 1)
    points = np.array(nodule.center_lps_mm) + offsets_mm[:, None, None] * down + offsets_mm[None, :, None] * right
    index = np.moveaxis(world_to_index(volume.kji_to_lps, points), -1, 0)
    low, high = LUNG_WINDOW_HU
    hu = ndimage.map_coordinates(volume.voxels, index, output=np.float32, order=1, cval=low)
    axes.imshow(hu, cmap="gray", vmin=low, vmax=high)
    if mask is not None:
        inside = ndimage.map_coordinates(mask, index, output=np.float32, order=1)
        if (inside >= 0.5).any():
            axes.contour(inside, [0.5], colors=OUTLINE, linewidths=1.2)
    ten_mm = 10 / half_width_mm * _HALF_WIDTH_STEPS
    axes.plot([6, 6 + ten_mm], [len(hu) - 7] * 2, color=_BAR, linewidth=2)
    axes.text(6 + ten_mm / 2, len(hu) - 10, "10 mm", color=_BAR, fontsize=7, ha="center")
    axes.set_axis_off()


def save_overview(result: CaseResult, volume: CTVolume, nodule_labels: np.ndarray, path: Path) -> None:
    """Draw the overview of a case.

    Parameters
    ----------
    nodule_labels
        (K, J, I) label map on the CT's own grid and order, label = rank; a nodule without a mask has no outline.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    """
    plot = pyplot()
    reported = as_reported(replace(result, nodule_labels=nodule_labels))
    drawn, masks = [nodule for nodule in reported.nodules if nodule.is_reported], reported.nodule_labels
    assert masks is not None
    rows = max(len(drawn), 2)
    height = 1.9 + 3.0 * rows
    figure = plot.figure(figsize=(15, height), facecolor=BACKGROUND)
    grid = figure.add_gridspec(rows, 5, width_ratios=(1, 1, 1, 0.85, 1.5), top=1 - 1.5 / height, bottom=0.03)
    grid.update(left=0.02, right=0.98, wspace=0.05, hspace=0.12)
    headline = f"Case: {result.case.score:.2f}   {result.score_label}"
    figure.text(0.02, 0.985, headline, color=TEXT, fontsize=19, va="top")
    line = f"{RESEARCH_USE_ONLY}   |   {result.model_title}. {OUTCOME_REMARKS[result.model['outcome']]}"
    figure.text(0.02, 0.985 - 0.42 / height, line, color=TEXT, fontsize=11, va="top", wrap=True)
    for row, nodule in enumerate(drawn):
        for column, (plane, directions) in enumerate(PLANES.items()):
            axes = figure.add_subplot(grid[row, column])
            draw_plane(axes, volume, masks == nodule.rank, nodule, directions)
            if row == 0:
                axes.set_title(plane, color=TEXT, fontsize=11)
        axes = figure.add_subplot(grid[row, 3])
        description = _description(nodule, result.short_nodule_score_name)
        axes.text(0, 0.95, description, color=TEXT, fontsize=11, va="top", linespacing=1.5)
        axes.set_axis_off()
    if not drawn:
        axes = figure.add_subplot(grid[:, :4])
        axes.text(0.02, 0.9, "No nodule was found that counts.", color=TEXT, fontsize=13, va="top")
        axes.set_axis_off()
    draw_map(figure.add_subplot(grid[:, 4]), volume, result)
    figure.savefig(path, dpi=70, facecolor=BACKGROUND)
    plot.close(figure)


def _description(nodule: Nodule, score_name: str) -> str:
    share = "-" if nodule.contribution is None else f"{nodule.contribution:.1%}"
    return "\n".join(
        [
            f"Nodule {nodule.rank}" + ("" if nodule.source == "detected" else " (your point)"),
            f"diameter: {'≈ ' if nodule.is_box else ''}{figure_text(nodule.diameter_mm, '.1f', ' mm', _UNKNOWN)}",
            f"type: {nodule.type or _UNKNOWN}",
            f"{score_name}: {figure_text(nodule.malignancy, '.3f', unknown=_UNKNOWN)}",
            f"share of the case: {share}",
            f"confidence: {figure_text(nodule.confidence, '.3f', unknown=_UNKNOWN)}",
        ]
    )


def draw_map(axes: Any, volume: CTVolume, result: CaseResult) -> None:
    """The mean of the scan from front to back, and where all listed nodules lie on it."""
    canonical = volume.canonical()
    spacing = canonical.spacing_mm_kji
    mean_hu = canonical.voxels.mean(axis=1, dtype=np.float32)
    low, high = np.percentile(mean_hu, [2, 99])
    axes.imshow(mean_hu, cmap="gray", vmin=low, vmax=high, origin="lower", aspect=spacing[0] / spacing[2])
    for nodule in result.nodules:
        k, _, i = world_to_index(canonical.kji_to_lps, nodule.center_lps_mm)
        colour = OUTLINE if nodule.scored else "#8ab4f8"
        axes.plot(i, k, "o", markerfacecolor="none", markeredgecolor=colour, markersize=11 if nodule.is_reported else 6)
        if nodule.is_reported:
            axes.annotate(str(nodule.rank), (i, k), (7, 5), textcoords="offset points", color=colour, fontsize=11)
    axes.set_anchor("N")
    axes.set_title("from the front; blue: does not count", color=TEXT, fontsize=11)
    axes.set_axis_off()
