"""`lungcancerdx figure`: the steps of the preprocessing, like the paper's Figs. 3 and 4, or the lung masks of scans."""

from __future__ import annotations

import argparse

from ..errors import OutputError, UsageError
from ..interrupt import Stop
from ..pictures.masks import save_mask_figure
from ..pictures.steps import save_step_figure
from ..preset import PRESETS
from ..readers import read_ct


def run(arguments: argparse.Namespace, stop: Stop) -> str:
    """Draw the figure; returns the words for the terminal."""
    if arguments.out.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise UsageError(f"The figure {arguments.out} needs a name ending in .png, .pdf or .svg.")
    if arguments.what == "steps" and len(arguments.ct) > 1:
        raise UsageError(f"A figure of the steps shows one CT, got {len(arguments.ct)}.")
    if arguments.what == "masks" and arguments.slices:
        raise UsageError("--slices belongs to the steps; a figure of masks chooses its own.")
    preset = PRESETS[arguments.preset]
    try:
        if arguments.what == "steps":
            save_step_figure(read_ct(arguments.ct[0]), preset, arguments.out, arguments.slices)
        else:
            save_mask_figure(arguments.ct, read_ct, preset, arguments.out)
    except OSError as error:
        raise OutputError(f"The figure {arguments.out} cannot be written ({error.strerror}).") from error
    return f"Figure in {arguments.out}"
