"""Arguments of `figure`."""

from __future__ import annotations

import argparse
from typing import Any

from .common import count, path


def add_figure(commands: Any) -> list[argparse.ArgumentParser]:
    """Its parser."""
    figure = commands.add_parser(
        "figure", help="draw the preprocessing of CTs, or synthetic patients (needs matplotlib)"
    )
    figure.add_argument(
        "what",
        choices=("steps", "masks", "likeness", "population"),
        help="every step of the preprocessing on one CT; the lung masks of several; synthetic patients beside CTs; the "
        "sizes and numbers of synthetic nodules, as in Fig. 2",
    )
    figure.add_argument("ct", metavar="CT", type=path, nargs="*")
    figure.add_argument("--out", metavar="FILE", type=path, required=True, help="a .png, .pdf or .svg file")
    figure.add_argument("--preset", choices=("DEFAULT", "PAPER", "GRT123"), default="DEFAULT")
    figure.add_argument(
        "--slices",
        metavar="K",
        type=int,
        nargs="+",
        help="of the steps: slices from the feet (default: a middle and a low one)",
    )
    figure.add_argument(
        "--patients", metavar="N", type=count, default=3, help="of the likeness: synthetic patients (default 3)"
    )
    figure.add_argument("--seed", metavar="S", type=int, default=0, help="of the synthetic patients (default 0)")
    return [figure]
