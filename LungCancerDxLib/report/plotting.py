"""Drawing without a screen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import UsageError
from ..runtime.atomic import atomic_file

LUNG_WINDOW_HU = (-1350, 150)
"""Between which lung is shown in grey."""


def pyplot() -> ModuleType:
    """matplotlib.pyplot, drawing to files.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError:
        raise UsageError("Drawing needs matplotlib: pip install 'lungcancerdx[evaluate]'.") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


@contextmanager
def figure_file(path: Path, *grid: int, dpi: int = 120, **options: Any) -> Iterator[Any]:
    """Axes to draw on, one or an array of them as `pyplot.subplots` gives; they are written when the block ends well.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    OutputError
        Where they cannot be written.
    """
    plot = pyplot()
    figure, axes = plot.subplots(*grid, **options)
    try:
        yield axes
        figure.tight_layout()
        with atomic_file(path) as staging:
            figure.savefig(staging, dpi=dpi, format=path.suffix[1:])
    finally:
        plot.close(figure)
