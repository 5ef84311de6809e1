"""`lungcancerdx train segmenter`: scans and a bank of nodules to the network that outlines nodules."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..names import listed
from .arguments import add_bank_options, count, path
from .terminal import say

if TYPE_CHECKING:
    from ..training.engine.loop import RunOptions


def add_segmenter_options(segmenter: argparse.ArgumentParser) -> None:
    """Its arguments."""
    segmenter.add_argument(
        "--backgrounds", metavar="CT", type=path, nargs="+", required=True, help="scans that nodules are put into"
    )
    segmenter.add_argument(
        "--exclusion-regions",
        metavar="CSV",
        type=path,
        help="columns id,x_lps_mm,y_lps_mm,z_lps_mm,radius_mm: spheres from which nothing may be learned; a scan's id "
        "is its file's name without ending",
    )
    add_bank_options(segmenter, "")
    segmenter.add_argument(
        "--out", metavar="RUN", type=path, default=Path("segmenter-run"), help="the run and its weights"
    )
    segmenter.add_argument("--steps", metavar="N", type=count, help="instead of the recipe's")
    segmenter.add_argument("--batch", metavar="B", type=count, help="crops a step, of all processes together")


def train_segmenter(arguments: argparse.Namespace, options: RunOptions) -> str:
    """Train it; returns the message for the terminal."""
    from ..datasets.nodule_bank import read_nodule_bank
    from ..io import read_ct
    from ..io.image_file import scan_id
    from ..io.points import read_spheres
    from ..models.segmenter import SEGMENTER_FILE
    from ..training.segmenter.recipe import SegmenterRecipe
    from ..training.segmenter.train import train_segmenter as train

    changes = {name: getattr(arguments, name) for name in ("steps", "batch") if getattr(arguments, name)}
    regions = read_spheres(arguments.exclusion_regions, "radius_mm") if arguments.exclusion_regions else {}
    backgrounds = {scan_id(ct): ct for ct in arguments.backgrounds}
    if len(backgrounds) < len(arguments.backgrounds):
        raise UsageError("Two of the backgrounds have the same name; a scan is named by its file's without the ending.")
    if unused := regions.keys() - backgrounds.keys():
        say(f"Exclusion regions of no background: {listed(sorted(unused))}", sys.stderr)
    train(
        {name: read_ct(ct) for name, ct in backgrounds.items()},
        read_nodule_bank(arguments.bank),
        arguments.out,
        options,
        exclusion_regions=regions,
        recipe=replace(SegmenterRecipe(), **changes),
        fold=arguments.fold,
        seed=arguments.seed,
    )
    return f"The segmenter's weights are in {arguments.out / SEGMENTER_FILE}."
