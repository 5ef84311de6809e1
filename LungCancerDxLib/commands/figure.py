"""`lungcancerdx figure`: the steps of the preprocessing on two slices, like the paper's Figs. 3 and 4."""

from __future__ import annotations

import argparse

from ..errors import OutputError, UsageError
from ..evaluation.step_figure import save_step_figure
from ..interrupt import Stop
from ..preset import PRESETS
from ..readers import read_ct


def run(arguments: argparse.Namespace, stop: Stop) -> str:
    """Draw the figure; returns the words for the terminal."""
    if arguments.out.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise UsageError(f"The figure {arguments.out} needs a name ending in .png, .pdf or .svg.")
    volume = read_ct(arguments.ct)
    try:
        save_step_figure(volume, PRESETS[arguments.preset], arguments.out, arguments.slices)
    except OSError as error:
        raise OutputError(f"The figure {arguments.out} cannot be written ({error.strerror}).") from error
    return f"Figure in {arguments.out}"
