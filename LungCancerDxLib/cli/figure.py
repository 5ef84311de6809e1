"""`lungcancerdx figure`: the preprocessing of CTs as pictures (the paper's Figs. 3 and 4)."""

from __future__ import annotations

import argparse

from ..errors import UsageError
from ..names import PRESET_NAMES
from ..runtime.interruption import Stop
from .arguments import Commands, add_actions, add_command, path


def add_figure(commands: Commands) -> None:
    """Its two pictures."""
    actions = add_actions(commands, "figure", help="draw the preprocessing of CTs (needs matplotlib)")
    steps = add_command(actions, "steps", run, help="every step of the preprocessing on one CT")
    steps.add_argument("ct", metavar="CT", type=path)
    steps.add_argument(
        "--slices", metavar="K", type=int, nargs="+", help="from the feet (default: a middle and a low one)"
    )
    masks = add_command(actions, "masks", run, help="the lung masks of several CTs")
    masks.add_argument("ct", metavar="CT", type=path, nargs="+")
    for parser in (steps, masks):
        parser.add_argument("--out", metavar="FILE", type=path, required=True, help="a .png, .pdf or .svg file")
        parser.add_argument("--preset", choices=PRESET_NAMES, default="DEFAULT")


def run(arguments: argparse.Namespace, stop: Stop) -> str:
    """Draw the picture; returns the message for the terminal."""
    from ..io import read_ct
    from ..preset import PRESETS
    from ..report.preprocessing_figures import save_mask_figure, save_step_figure

    if arguments.out.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise UsageError(f"The figure {arguments.out} needs a name ending in .png, .pdf or .svg.")
    preset = PRESETS[arguments.preset]
    if arguments.action == "steps":
        save_step_figure(read_ct(arguments.ct), preset, arguments.out, arguments.slices)
    else:
        save_mask_figure(arguments.ct, read_ct, preset, arguments.out)
    return f"Figure in {arguments.out}"
