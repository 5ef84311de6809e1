"""Arguments of `bench`."""

from __future__ import annotations

import argparse
from typing import Any

from .common import add_compute_options, add_model_option, add_running_options, count, path


def add_bench(commands: Any) -> list[argparse.ArgumentParser]:
    """Its parser."""
    bench = commands.add_parser("bench", help="where the time of a case goes, beside what the machine can do")
    bench.add_argument("ct", metavar="CT", type=path)
    bench.add_argument("--repeat", metavar="N", type=count, default=5, help="runs of each stage (default 5)")
    bench.add_argument("--json", metavar="FILE", type=path, help="write the figures to a file too")
    add_model_option(bench)
    add_compute_options(bench)
    add_running_options(bench)
    return [bench]
