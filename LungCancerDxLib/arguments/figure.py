"""Arguments of `figure`."""

from __future__ import annotations

import argparse
from typing import Any

from .common import path


def add_figure(commands: Any) -> list[argparse.ArgumentParser]:
    """Its parser."""
    figure = commands.add_parser("figure", help="draw the preprocessing of CTs (needs matplotlib)")
    figure.add_argument("what", choices=("steps", "masks"), help="every step on one CT, or the lung masks of several")
    figure.add_argument("ct", metavar="CT", type=path, nargs="+")
    figure.add_argument("--out", metavar="FILE", type=path, required=True, help="a .png, .pdf or .svg file")
    figure.add_argument("--preset", choices=("DEFAULT", "PAPER", "GRT123"), default="DEFAULT")
    figure.add_argument(
        "--slices",
        metavar="K",
        type=int,
        nargs="+",
        help="of the steps: slices from the feet (default: a middle and a low one)",
    )
    return [figure]
