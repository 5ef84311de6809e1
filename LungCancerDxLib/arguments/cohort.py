"""Arguments of `cohort`."""

from __future__ import annotations

import argparse
from typing import Any

from .common import EXIT_CODES, add_compute_options, add_model_option, add_running_options, count, path


def add_cohort(commands: Any) -> list[argparse.ArgumentParser]:
    """Its parser."""
    cohort = commands.add_parser(
        "cohort",
        help="score every scan of a folder or list",
        epilog=f"A scan that cannot be scored is a row with its reason, and the exit code is still 0. {EXIT_CODES}",
    )
    cohort.add_argument(
        "scans",
        metavar="FOLDER|LIST",
        type=path,
        help="a folder of scans, LUNA16, Data Science Bowl 2017, or a list: CSV with a column path and perhaps id, or "
        "text with a path a line",
    )
    cohort.add_argument(
        "--out", metavar="DIR", type=path, required=True, help="result folder; the same command again goes on in it"
    )
    cohort.add_argument(
        "--workers", metavar="N", type=count, default=1, help="scans at a time, each in a process of 3 GB (default 1)"
    )
    cohort.add_argument("--scheduler", metavar="ADDRESS", help="run on the Dask cluster of this scheduler instead")
    cohort.add_argument("--masks", action="store_true", help="also write the label maps of lungs and nodules")
    cohort.add_argument("--retry-failed", action="store_true", help="also do again what failed before")
    add_model_option(cohort)
    add_compute_options(cohort)
    add_running_options(cohort)
    return [cohort]
