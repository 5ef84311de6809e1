"""Arguments of `phantom`."""

from __future__ import annotations

import argparse
from typing import Any

from .common import add_running_options, count, path


def number(text: str) -> int:
    """A whole number that is not negative."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"expected 0 or more, got {value}")
    return value


def length(text: str) -> float:
    """A voxel size in mm that a chest CT may have."""
    value = float(text)
    if not 0.2 <= value <= 10:
        raise argparse.ArgumentTypeError(f"expected 0.2 to 10 mm, got {text}")
    return value


def add_phantom(commands: Any) -> list[argparse.ArgumentParser]:
    """The parsers of its actions."""
    phantom = commands.add_parser("phantom", help="synthetic patients whose truth is known")
    actions = phantom.add_subparsers(dest="action", required=True, metavar="ACTION")
    case = actions.add_parser("case", help="one patient: the CT, the lungs, the nodules and the truth")
    case.add_argument(
        "--index", metavar="N", type=number, default=0, help="which patient of the seed's cohort (default 0)"
    )
    case.add_argument("--population", choices=("dsb", "luna"), default="dsb", help="whose nodules (default dsb)")
    cohort = actions.add_parser("cohort", help="many patients, as LUNA16 or the Data Science Bowl 2017 has them")
    cohort.add_argument("--format", choices=("luna16", "dsb2017"), required=True)
    cohort.add_argument(
        "--cases", metavar="N", type=count, required=True, help="more of the same may be asked for later"
    )
    cohort.add_argument("--workers", metavar="N", type=count, default=1, help="patients at a time (default 1)")
    insert = actions.add_parser("insert", help="synthetic nodules in the lungs of a scan of yours")
    insert.add_argument("ct", metavar="CT", type=path, help="DICOM folder or multi-frame file, NIfTI, NRRD, MetaImage")
    insert.add_argument("--count", metavar="N", type=count, default=3, help="nodules (default 3)")
    insert.add_argument(
        "--keep-away",
        metavar="CSV",
        type=path,
        help="stay clear of these lesions: columns x,y,z in LPS mm and perhaps diameter_mm (default 20)",
    )
    for parser in (case, cohort, insert):
        parser.add_argument(
            "--seed", metavar="S", type=number, required=True, help="the same seed gives the same files"
        )
        parser.add_argument("--out", metavar="DIR", type=path, required=True)
        add_running_options(parser)
    for parser in (case, cohort):
        parser.add_argument(
            "--spacing",
            metavar="MM",
            type=length,
            nargs=3,
            help="of slices, rows, columns (default: drawn per patient)",
        )
    return [case, cohort, insert]
