"""`lungcancerdx figure`: the steps of the preprocessing, like the paper's Figs. 3 and 4, or the lung masks of scans."""

from __future__ import annotations

import argparse

from ..errors import OutputError, UsageError
from ..evaluation.mask_figure import save_mask_figure
from ..evaluation.step_figure import save_step_figure
from ..interrupt import Stop
from ..preset import PRESETS
from ..readers import read_ct


def run(arguments: argparse.Namespace, stop: Stop) -> str:
    """Draw the figure; returns the words for the terminal."""
    if arguments.out.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise UsageError(f"The figure {arguments.out} needs a name ending in .png, .pdf or .svg.")
    if arguments.what == "steps" and len(arguments.ct) > 1:
        raise UsageError(f"A figure of the steps shows one CT, got {len(arguments.ct)}.")
    preset = PRESETS[arguments.preset]
    try:
        if arguments.what == "steps":
            save_step_figure(read_ct(arguments.ct[0]), preset, arguments.out, arguments.slices)
        else:
            save_mask_figure({path.stem: read_ct(path) for path in arguments.ct}, preset, arguments.out)
    except OSError as error:
        raise OutputError(f"The figure {arguments.out} cannot be written ({error.strerror}).") from error
    return f"Figure in {arguments.out}"
