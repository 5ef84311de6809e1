"""Arguments of `score`, and of `demo`, which scores a synthetic patient."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .common import EXIT_CODES, add_compute_options, add_model_option, add_running_options, path


def add_score(commands: Any) -> list[argparse.ArgumentParser]:
    """Both parsers."""
    score = commands.add_parser("score", help="detect and score the nodules of a CT", epilog=EXIT_CODES)
    score.add_argument("ct", metavar="CT", type=path, help="DICOM folder or multi-frame file, NIfTI, NRRD, MetaImage")
    score.add_argument("--out", metavar="DIR", type=path, required=True, help="result folder, made anew")
    score.add_argument("--overwrite", action="store_true", help="replace an earlier result in DIR")
    demo = commands.add_parser("demo", help="the same on a synthetic patient made on the spot")
    demo.add_argument("--out", metavar="DIR", type=path, default=Path("lungcancerdx-demo"))
    for parser in (score, demo):
        _add_scoring_options(parser)
    return [score, demo]


def _add_scoring_options(parser: argparse.ArgumentParser) -> None:
    add_model_option(parser)
    parser.add_argument("--points", metavar="CSV", type=path, help="also classify these spots: columns x,y,z in LPS mm")
    parser.add_argument(
        "--classify", metavar="RANK", type=int, nargs="+", default=(), help="also give these nodules their malignancy"
    )
    parser.add_argument("--classify-all", action="store_true", help="give every listed nodule its malignancy")
    parser.add_argument("--cache", metavar="DIR", type=path, help="keep the preprocessed scan for a second question")
    parser.add_argument(
        "--scene",
        action=argparse.BooleanOptionalAction,
        help="write the MRML scene and the pictures (default: where the packages are installed)",
    )
    add_compute_options(parser)
    add_running_options(parser)
