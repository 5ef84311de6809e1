"""Drawing without a screen."""

from __future__ import annotations

from types import ModuleType

from ..errors import UsageError


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
