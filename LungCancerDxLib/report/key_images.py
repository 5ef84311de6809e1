"""Pictures for the report: a nodule in three planes, and all nodules from the front."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..case import CaseResult, Nodule
from ..volume import CTVolume
from .overview import BACKGROUND, PLANES, draw_map, draw_plane
from .plotting import pyplot

_DPI = 130


def key_images(volume: CTVolume, nodule_labels: np.ndarray, nodules: Sequence[Nodule]) -> Iterator[bytes]:
    """A PNG for each nodule, three times as wide as high: axial, coronal and sagittal, outlined.

    Parameters
    ----------
    nodule_labels
        (K, J, I) label map on the CT's own grid, label = rank.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    """
    plot = pyplot()
    for nodule in nodules:
        figure = plot.figure(figsize=(6, 2), facecolor=BACKGROUND)
        grid = figure.add_gridspec(1, len(PLANES), left=0, right=1, top=1, bottom=0, wspace=0.02)
        for column, directions in enumerate(PLANES.values()):
            axes = figure.add_subplot(grid[0, column])
            draw_plane(axes, volume, nodule_labels == nodule.rank, nodule, directions)
        yield _png(plot, figure)


def lung_map(result: CaseResult, volume: CTVolume) -> tuple[bytes, str, float]:
    """A PNG of the scan from the front with all nodules, its caption, and its width over its height."""
    plot = pyplot()
    k, _, i = volume.canonical().spacing_mm_kji * volume.canonical().shape_kji
    figure = plot.figure(figsize=(3, 3 * k / i), facecolor=BACKGROUND)
    axes = figure.add_axes((0, 0, 1, 1))
    draw_map(axes, volume, result)
    axes.set_title("")
    return _png(plot, figure), "Seen from the front; blue: does not count", i / k


def _png(plot: Any, figure: Any) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=_DPI, facecolor=BACKGROUND)
    plot.close(figure)
    return content.getvalue()
